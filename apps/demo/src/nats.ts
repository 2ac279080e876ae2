import { parseArgs } from 'node:util';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';

// A real nats-server in the foreground, for trying the services by hand. Ctrl-C ends it.
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4222' },
    store: { type: 'string' },
    version: { type: 'string' },
  },
});
const server = await startNatsServer({
  port: Number(values.port),
  ...(values.store === undefined ? {} : { storeDir: values.store }),
  ...(values.version === undefined ? {} : { version: values.version }),
});
console.log(
  `nats-server ${server.version} listens at ${server.url}; its store is ${server.storeDir ?? 'elsewhere'}; Ctrl-C ends it`,
);
const stop = (): void => {
  void server.stop().then(() => process.exit(0));
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
