import { afterAll, beforeAll } from '@jest/globals';
import {
  type NatsServer,
  startNatsServer,
  type StartNatsServerOptions,
} from 'nestjs-aggregate-transport/testing';

/** A real nats-server for all tests of a file: started before the first, stopped after the last. Call at the top. */
export function serverForAll(options?: StartNatsServerOptions): () => NatsServer {
  let server: NatsServer | undefined;
  beforeAll(async () => {
    server = await startNatsServer(options);
  });
  afterAll(async () => {
    await server?.stop();
  });
  return () => {
    if (server === undefined) throw new Error('expected the server to be used within a test');
    return server;
  };
}
