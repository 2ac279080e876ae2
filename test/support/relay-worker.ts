import 'reflect-metadata';
import pg from 'pg';
import { systemClock } from '#postgres/clock.js';
import { PgDatabase } from '#postgres/database/pg-database.js';
import { ShardRelay } from '#postgres/relay/shard-relay.js';
import type { RelayTarget } from '#postgres/relay/sending/sender.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { publisherOf, startApp } from './app.js';

/** What a relay in a process of its own is told, as JSON in its first argument. */
export interface RelayWorkerOptions {
  readonly servers: string;
  readonly database: string;
  readonly schema: string;
  readonly topic: string;
  /** Where it stops for the test: before an event is sent, or after the stream has stored it. */
  readonly hold?: 'before send' | 'after store';
  readonly silentForMs?: number;
}

const NEVER = new Promise<never>(() => undefined);

/** Tells the test that it stands at the step, and continues there only if the test says so. */
function holding(target: RelayTarget, hold: RelayWorkerOptions['hold']): RelayTarget {
  if (hold === undefined) return target;
  const told = new Promise<void>((resolve) => process.once('message', () => resolve()));
  return {
    tailOf: (...question) => target.tailOf(...question),
    progress: () => target.progress(),
    resume: (token) => target.resume(token),
    publish: async (events, after, signal) => {
      if (hold === 'before send') {
        process.send!('at the step');
        await told;
        // The signal is left out: this copy is on its way already.
        const outcomes = await target.publish(events, after, new AbortController().signal);
        process.send!(outcomes.map((outcome) => ('sequence' in outcome ? 'stored' : outcome.code)).join());
        return outcomes;
      }
      await target.publish(events, after, signal);
      process.send!('at the step');
      return NEVER;
    },
  };
}

const options = JSON.parse(process.argv[2]!) as RelayWorkerOptions;
const { servers, topic, schema, silentForMs = 10_000 } = options;
const app = await startApp({
  options: {
    servers,
    topics: { [topic]: { stream: { provision: 'verify' }, publish: { giveUpAfterMs: 1_000 } } },
  },
  publishers: [topic],
});
const pool = new pg.Pool({ connectionString: options.database, max: 4 });
pool.on('error', () => undefined);
new ShardRelay({
  topic,
  shard: { index: 0, count: 1 },
  names: new SchemaNames({ schema }),
  database: new PgDatabase(pool),
  target: holding(publisherOf(app, topic).chained, options.hold),
  limits: { rows: 10_000, bytes: 67_108_864 },
  pollMs: 200,
  keepPublishedMs: undefined,
  silentForMs,
  holder: 'worker',
  clock: systemClock,
  log: { write: () => undefined },
  onStopped: () => undefined,
}).start();
process.send!('started');
