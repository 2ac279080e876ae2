// One process of a case of faults.js: ROLE PEER URL JOURNAL FAIL_EVERY EVENTS KEYS. Says a line once it is ready.
import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [, , role, peer, url, journal, failEvery, events, keys] = process.argv;
// The library's own Nest is the one of the repository; a second copy beside it would have other classes.
const { resolve } = createRequire(
  peer === 'ours' ? new URL('../../package.json', import.meta.url) : import.meta.url,
);
const load = (name) => import(pathToFileURL(resolve(name)).href);
await load('reflect-metadata');
const { Controller, Module } = await load('@nestjs/common');
const { NestFactory } = await load('@nestjs/core');
const { ClientsModule, Ctx, EventPattern, Payload, Transport } = await load('@nestjs/microservices');
const { lastValueFrom } = await load('rxjs');

const MAX_MS = 5;
const failed = new Set();

/** What every handler does. */
async function handle({ key, n }) {
  appendFileSync(journal, `begin ${key} ${n} ${process.pid}\n`);
  await delay(Math.random() * MAX_MS);
  const event = `${key} ${n}`;
  // The number of the event in the stream decides, so every transport has the same failures.
  const place = (n - 1) * Number(keys) + Number(key.slice(1));
  if (Number(failEvery) > 0 && place % Number(failEvery) === 7 && !failed.has(event)) {
    failed.add(event);
    appendFileSync(journal, `fail ${key} ${n} ${process.pid}\n`);
    throw new Error('fails once');
  }
  appendFileSync(journal, `end ${key} ${n} ${process.pid}\n`);
}

/** A decorated controller without a compiler. */
function controller(decorateMethod, method, ...parameters) {
  class PeerController {}
  PeerController.prototype.on = method;
  const descriptor = Object.getOwnPropertyDescriptor(PeerController.prototype, 'on');
  Reflect.defineMetadata('design:paramtypes', [Object, Object], PeerController.prototype, 'on');
  parameters.forEach((decorate, index) => decorate(PeerController.prototype, 'on', index));
  // A decorator may put another function in the method's place.
  const decorated = decorateMethod(PeerController.prototype, 'on', descriptor) ?? descriptor;
  Object.defineProperty(PeerController.prototype, 'on', decorated);
  Controller()(PeerController);
  return PeerController;
}

function moduleOf(imports, controllers) {
  class PeerModule {}
  Module({ imports, controllers })(PeerModule);
  return PeerModule;
}

const PEERS = {
  'nest-nats': async () => {
    const options = { servers: [url], queue: 'billing' };
    const imports = [ClientsModule.register([{ name: 'PEER', transport: Transport.NATS, options }])];
    const on = controller(EventPattern('counted'), handle, Payload());
    return {
      imports,
      controllers: [on],
      strategy: () => ({ transport: Transport.NATS, options }),
      publish: (app) => {
        const client = app.get('PEER');
        return (event) => lastValueFrom(client.emit('counted', event), { defaultValue: 0 });
      },
    };
  },
  'jetstream-transport': async () => {
    const { NatsJetStreamClientProxy, NatsJetStreamServer, NatsJetStreamTransport } = await load(
      '@nestjs-plugins/nestjs-nats-jetstream-transport',
    );
    const connectionOptions = { servers: url, name: 'billing' };
    const consumerOptions = {
      ...{ deliverGroup: 'billing', durable: 'billing', deliverTo: 'billing' },
      ...{ manualAck: true, ackWait: 10_000, ackPolicy: 'Explicit', deliverPolicy: 'All' },
    };
    const streamConfig = { name: 'counted', subjects: ['counted.*'] };
    const on = controller(
      EventPattern('counted.one'),
      (event, context) => handle(event).then(() => context.message.ack()),
      ...[Payload(), Ctx()],
    );
    return {
      imports: [NatsJetStreamTransport.register({ connectionOptions })],
      controllers: [on],
      strategy: () => ({
        strategy: new NatsJetStreamServer({ connectionOptions, consumerOptions, streamConfig }),
      }),
      publish: (app) => {
        const client = app.get(NatsJetStreamClientProxy, { strict: false });
        return (event) => lastValueFrom(client.emit('counted.one', event));
      },
    };
  },
  ours: async () => {
    const library = await import('../../libs/aggregate-transport/dist/esm/index.js');
    const { AggregateHandler, AggregateServer, AggregateTransportModule, getAggregatePublisherToken } =
      library;
    const on = controller(AggregateHandler('counted'), handle, Payload());
    const options = { servers: url, group: 'billing', topics: { counted: {} } };
    return {
      imports: [AggregateTransportModule.forRoot(options), AggregateTransportModule.forFeature(['counted'])],
      controllers: [on],
      strategy: (app) => ({ strategy: app.get(AggregateServer) }),
      publish: (app) => {
        const publisher = app.get(getAggregatePublisherToken('counted'));
        return (event) => publisher.publish({ aggregateId: event.key, type: 'Counted', payload: event });
      },
    };
  },
};

const { imports, controllers, strategy, publish } = await PEERS[peer]();
const consumes = role === 'consume';
const app = await NestFactory.create(moduleOf(imports, consumes ? controllers : []), {
  logger: process.env['PEER_LOG'] === undefined ? ['fatal'] : ['log', 'warn', 'error'],
});
if (consumes) app.connectMicroservice(strategy(app));
await app.init();
if (consumes) await app.startAllMicroservices();
console.log('ready');
if (!consumes) {
  const send = publish(app);
  // In order, each awaited: what a careful publisher does.
  for (let index = 0; index < Number(events); index++)
    await send({ key: `a${index % Number(keys)}`, n: 1 + Math.floor(index / Number(keys)) });
  await app.close();
  process.exit(0);
}
