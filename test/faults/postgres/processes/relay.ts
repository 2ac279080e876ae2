import 'reflect-metadata';
import pg from 'pg';
import { systemClock } from '#postgres/clock.js';
import { PgDatabase } from '#postgres/database/pg-database.js';
import { levelOf } from '#postgres/log.js';
import type { RelayTarget } from '#postgres/relay/sending/sender.js';
import { ShardRelay } from '#postgres/relay/shard-relay.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { publisherOf, startApp } from '../../../support/app.js';
import { reached, Served, turn } from './serve.js';
import { type RelaySetup, SHOP_SCHEMA, TOPIC } from './setup.js';

// The relay as the module makes it, one for each shard. Only the time after which PostgreSQL ends a frozen one's
// session is shorter.

const served = new Served<RelaySetup>();
const { setup, journal } = served;
const { shards, maxRows, keepPublishedMs, silentForMs } = setup;

const app = await startApp({
  options: {
    servers: setup.nats,
    connection: { waitOnFirstConnect: true },
    topics: { [TOPIC]: { stream: { provision: 'verify' }, publish: { giveUpAfterMs: 1_000 } } },
  },
  publishers: [TOPIC],
  logger: served.logger,
});
const pool = new pg.Pool({
  connectionString: setup.postgres,
  max: shards + 2,
  connectionTimeoutMillis: 1_500,
});
pool.on('error', () => undefined);
const database = new PgDatabase(pool);
const chained = publisherOf(app, TOPIC).chained;

/** Tells of the moment between send and receipt. */
const target: RelayTarget = {
  tailOf: (token, after, signal) => chained.tailOf(token, after, signal),
  progress: () => chained.progress(),
  resume: (token) => chained.resume(token),
  publish: async (events, after, signal) => {
    const outcomes = chained.publish(events, after, signal);
    outcomes.catch(() => undefined);
    await turn();
    await turn();
    reached('relay: sent');
    return outcomes;
  },
};

const relays = Array.from(
  { length: shards },
  (_, index) =>
    new ShardRelay({
      ...{ topic: TOPIC, shard: { index, count: shards }, names: new SchemaNames({ schema: SHOP_SCHEMA }) },
      ...{ database, target, limits: { rows: maxRows, bytes: 67_108_864 } },
      ...{ pollMs: 200, keepPublishedMs, silentForMs, holder: `relay:${process.pid}`, clock: systemClock },
      log: { write: (...[event, , text]) => journal.write({ what: 'log', level: levelOf(event), text }) },
      onStopped: ({ eventId, code }) =>
        journal.write({ what: 'failed', why: `stopped at ${eventId}: ${code}` }),
    }),
);
for (const relay of relays) relay.start();
process.on('SIGTERM', () => {
  void Promise.all(relays.map((relay) => relay.close()))
    .then(() => app.close())
    .then(() => process.exit(0));
});
served.ready();
