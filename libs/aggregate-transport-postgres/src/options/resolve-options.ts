import type { Meter, TopicRef } from 'nestjs-aggregate-transport';
import type { PgPool } from '../database/pg-database.js';
import type { PGliteLike } from '../database/pglite-database.js';
import { AggregatePostgresError } from '../errors.js';
import { SchemaNames } from '../schema/schema-names.js';
import { has, invalid, numberIn, requireKnown, topicNameOf } from './option-values.js';
import type { AggregatePostgresOptions } from './options.js';
import { DEFAULTS } from './options.js';
import { RELAY_OPTIONS, relayOf, type ResolvedRelay } from './relay-options.js';

/** Where the database is: one of three. */
export type DatabaseSource =
  | { readonly kind: 'pool'; readonly pool: PgPool }
  | { readonly kind: 'connectionString'; readonly connectionString: string; readonly maxConnections: number }
  | { readonly kind: 'pglite'; readonly pglite: PGliteLike };

/** The options with their defaults, checked. */
export interface ResolvedOptions {
  readonly source: DatabaseSource;
  readonly names: SchemaNames;
  readonly startWithinMs: number;
  /** Undefined if there is no outbox. */
  readonly outbox:
    ({ readonly topics: readonly string[]; readonly notify: boolean } & ResolvedRelay) | undefined;
  readonly inbox: boolean;
  readonly migrate: boolean;
  readonly meter: Meter | undefined;
}

const OPTIONS = new Set(
  Object.keys({
    ...{ schema: 1, tables: 1, pool: 1, connectionString: 1, pglite: 1 },
    ...{ maxConnections: 1, startWithinMs: 1, migrate: 1, outbox: 1, inbox: 1, metrics: 1 },
  } satisfies Record<keyof AggregatePostgresOptions, 1>),
);
const OUTBOX_OPTIONS = new Set(['topics', 'notify', ...RELAY_OPTIONS]);
const METRICS_OPTIONS = new Set(['meter']);
const MAX_CONNECTIONS = { least: 2, most: 1_000 };
const START_WITHIN_MS = { least: 100, most: 60_000 };

/** @throws POSTGRES_OPTIONS_INVALID */
export function resolveOptions(options: AggregatePostgresOptions): ResolvedOptions {
  requireKnown('', requireObject('options', 'an object', options), OPTIONS);
  const { schema = DEFAULTS.schema, tables, inbox = DEFAULTS.inbox, migrate = DEFAULTS.migrate } = options;
  if (typeof inbox !== 'boolean') throw invalid('inbox', 'true or false', inbox);
  if (typeof migrate !== 'boolean') throw invalid('migrate', 'true or false', migrate);
  return {
    source: sourceOf(options),
    names: new SchemaNames(tables === undefined ? { schema } : { schema, tables }),
    startWithinMs: numberIn(
      'startWithinMs',
      options.startWithinMs ?? DEFAULTS.startWithinMs,
      START_WITHIN_MS,
    ),
    outbox: outboxOf(options),
    inbox,
    migrate,
    meter: meterOf(options),
  };
}

function meterOf({ metrics }: AggregatePostgresOptions): Meter | undefined {
  if (metrics === undefined) return undefined;
  requireKnown('metrics.', requireObject('metrics', '{ meter }', metrics), METRICS_OPTIONS);
  if (has(metrics.meter, 'createObservableGauge')) return metrics.meter;
  throw invalid('metrics', '{ meter }', metrics);
}

function sourceOf({
  pool,
  connectionString,
  pglite,
  maxConnections,
}: AggregatePostgresOptions): DatabaseSource {
  const given = [pool, connectionString, pglite].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw new AggregatePostgresError(
      'POSTGRES_OPTIONS_INVALID',
      `expected one of pool, connectionString and pglite, found ${given.length}; name the one database that holds ` +
        'the outbox and the inbox',
    );
  }
  if (connectionString !== undefined) return ownPool(connectionString, maxConnections);
  if (maxConnections !== undefined)
    throw invalid('maxConnections', 'left out: the pool of the application decides', maxConnections);
  if (pool !== undefined) {
    if (!has(pool, 'connect') || !has(pool, 'query')) throw invalid('pool', 'a Pool of pg', pool);
    return { kind: 'pool', pool };
  }
  if (pglite === undefined || !has(pglite, 'transaction') || !has(pglite, 'listen'))
    throw invalid('pglite', 'a PGlite', pglite);
  return { kind: 'pglite', pglite };
}

function ownPool(
  connectionString: unknown,
  maxConnections: number = DEFAULTS.maxConnections,
): DatabaseSource {
  if (typeof connectionString !== 'string' || connectionString === '')
    throw invalid('connectionString', 'a text that is not empty', connectionString);
  const most = numberIn('maxConnections', maxConnections, MAX_CONNECTIONS);
  return { kind: 'connectionString', connectionString, maxConnections: most };
}

function outboxOf({ outbox }: AggregatePostgresOptions): ResolvedOptions['outbox'] {
  if (outbox === undefined) return undefined;
  requireKnown('outbox.', requireObject('outbox', '{ topics }', outbox), OUTBOX_OPTIONS);
  const { topics, notify = DEFAULTS.outbox.notify } = outbox;
  if (typeof notify !== 'boolean') throw invalid('outbox.notify', 'true or false', notify);
  return { topics: topicNames(topics), notify, ...relayOf(outbox) };
}

/** @throws POSTGRES_OPTIONS_INVALID if it is no list of topics */
export function topicNames(topics: readonly TopicRef[], place = 'outbox.topics'): string[] {
  if (!Array.isArray(topics)) throw invalid(place, 'a list of topics', topics);
  return [...new Set((topics as readonly TopicRef[]).map((topic) => topicNameOf(topic, place)))];
}

/** Callers without a compiler may hand over anything. */
function requireObject(name: string, expected: string, value: unknown): object {
  if (typeof value === 'object' && value !== null) return value;
  throw invalid(name, expected, value);
}
