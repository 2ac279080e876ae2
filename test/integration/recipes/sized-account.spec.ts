import { expect, test } from '@jest/globals';
import { connect } from 'nats';
import { serverForAll } from '../../support/server.js';
import { Controller } from '@nestjs/common';
import { AggregateHandler } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';

/** docs/operations/deploys.md, _Limits of the account or the server_: an account that wants a size for each stream. */

const MIB = 1_048_576;
const login = { user: 'sized', pass: 'pw' };
const server = serverForAll({
  config: `accounts {
      SIZED: { jetstream: { max_store: 500MB, max_bytes_required: true }, users: [ { user: sized, password: pw } ] }
    }`,
});

test('an account that wants sizes takes a service whose buckets were made beforehand and whose streams have sizes', async () => {
  const nats = await connect({ servers: server().url, ...login });
  const handled: string[] = [];

  @Controller()
  class Handler {
    @AggregateHandler('sized')
    handle(payload: string): void {
      handled.push(payload);
    }
  }
  const size = { maxBytes: 10 * MIB };
  const start = (): ReturnType<typeof startApp> =>
    startApp({
      options: {
        ...{ servers: server().url, connection: login, group: 'billing' },
        topics: { sized: { stream: size, parked: size, positions: size } },
      },
      publishers: ['sized'],
      controllers: [Handler],
    });
  await expect(start()).rejects.toThrow(
    /"KV_aggregate-transport" is made without one: create it with max_bytes/,
  );
  // `nats kv add aggregate-transport --max-bucket-size 10MB`
  for (const bucket of ['aggregate-transport', 'aggregate-transport-parked'])
    await nats.jetstream().views.kv(bucket, { history: 1, max_bytes: 10 * MIB });
  const app = await start();
  await publisherOf(app, 'sized').publish({ aggregateId: 'a', type: 'Placed', payload: 'one' });
  await eventually('the event', () => handled.length === 1);
  await app.close();
  await nats.close();
}, 60_000);
