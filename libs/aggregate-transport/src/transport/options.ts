import type { BreakerOptions } from '../consumer/breaker/breaker.js';
import type { OnUnhandledType } from '../consumer/handling/event-handlers.js';
import type { FailurePolicy, OnExhausted, RetryPolicy } from '../consumer/handling/outcome.js';
import type { Codec } from '../message/codec.js';
import type { Meter } from '../observe/meter.js';
import type { StartAt, StreamOptions } from '../stream/api/configuration.js';
import type { Provision } from '../stream/api/provision.js';
import type { NatsConnectionSource } from '../stream/clients/client-options.js';
import type { JetStreamOptions } from '../stream/connection/jetstream-place.js';
import type { ParkedOptions } from '../stream/groups/parked-streams.js';
import type { PositionsOptions } from '../stream/groups/positions-stream.js';
import type { NatsClientName } from '../stream/port/nats-port.js';
import type { TracingOptions } from '../tracing/tracing.js';
import type { Around } from './around.js';
import type { AggregateHooks } from './hooks.js';

/** How a topic's stream is made and checked. An existing stream is never changed. */
export interface AggregateStreamOptions extends Partial<StreamOptions> {
  /**
   * `ensure` makes a missing stream, `verify` refuses to start without it, `off` does not look at its
   * configuration at all.
   * @default 'ensure'
   */
  provision?: Provision;
}

/** Limits of a topic's publisher; one per process and topic. */
export interface PublishOptions {
  /**
   * Events on the wire at once, over all aggregates, 1 to 8 000. The server's ingest queue holds 10 000
   * for all publishers of a stream and silently drops what is over; below 100 the round trip rules.
   * @default 2_048
   */
  maxInFlight?: number;
  /** Events accepted and without an outcome, in flight or queued, from 1. Each costs its encoded size. @default 10_000 */
  maxPending?: number;
  /** Calls that may wait beyond `maxPending`, from 0; the next one rejects with PUBLISHER_SATURATED. @default 100_000 */
  maxBlocked?: number;
  /**
   * How long an event is tried from its first send, in milliseconds, from 1 000. Then its caller hears OUTCOME_UNKNOWN,
   * or PUBLISH_REJECTED if the server has refused each copy. At most the stream's duplicate window less 15 s, because
   * copies must stop before the stream forgets the id.
   *
   * An event that was never sent is not given up: while NATS is away it waits without a limit. End that wait with the
   * `signal` of the call.
   * @default 60_000
   */
  giveUpAfterMs?: number;
  /**
   * Events of one aggregate that are stored as one batch when its queue is long. 1 to 1 000, which is the server's own
   * limit; 1 switches batching off.
   * @default 500
   */
  maxBatch?: number;
  /** Batches under way at once, per topic, 1 to 50. The server takes 50 per stream from all its publishers. @default 4 */
  maxOpenBatches?: number;
}

/** How a topic's events are read and handled, per consumer group. */
export interface ConsumeOptions {
  /**
   * Parts the group's work is divided into, a power of two up to 256. Taken at the group's first start only.
   * @default 1
   */
  partitions?: number;
  /** Where the group begins at its first start: `all`, `new`, `{ sequence }` or `{ time }`. @default 'all' */
  startAt?: StartAt;
  /** Events per pull request, 1 to 10 000; the next pull goes out when half is used. More is no faster. @default 500 */
  batch?: number;
  /** How long an idle pull stays open, in milliseconds, 100 to 60 000. An event never waits for it. @default 1_000 */
  pullExpiresMs?: number;
  /**
   * Least time between two writes of a partition's position, in milliseconds, 0 to 10 000. Events settled since the
   * last confirmed write are repeated after a crash. 0 writes as soon as the write before is answered.
   * @default 5
   */
  commitEveryMs?: number;
  /**
   * Events taken in and not settled in the confirmed position, per partition, 1 to 100 000. At this many all aggregates
   * wait.
   * @default 10_000
   */
  maxAckPending?: number;
  /** Pull requests of a partition that may wait at the server, 1 to 100 000. @default 1_000 */
  maxWaiting?: number;
  /**
   * Bytes of event bodies held in lanes, per topic and group in one process, from 64 KiB; its partitions share them.
   * Pulls shrink as they fill.
   * @default 67_108_864
   */
  maxBufferedBytes?: number;
  /**
   * Handlers at once per topic and group, from 1; per aggregate it is always one. Shared among partitions.
   * @default 256
   */
  concurrency?: number;
  /**
   * How long a lease stands without a renewal, in milliseconds, 1 000 to 60 000. After a crash or a freeze the next
   * process takes over about this much later. Below 1 000 a busy machine looks dead.
   * @default 3_000
   */
  leaseTtlMs?: number;
  /**
   * A handler's time in milliseconds, from 1; then its signal aborts. Its lane waits until it settles.
   * @default 60_000
   */
  timeoutMs?: number;
  /** Attempts in place, and the waits between them. */
  retry?: Partial<RetryPolicy>;
  /**
   * What follows when attempts are used up. `park` the aggregate, `skip` the event (a hole in the order), `block` the
   * aggregate and try for ever, or `halt` the partition.
   * @default 'park'
   */
  onExhausted?: OnExhausted;
  /**
   * Decides by the error: `retry` (while attempts are left), `park`, `skip`, `block` or `halt` at once; undefined
   * leaves it to the other options. Must be pure. It is not asked about a guard's refusal, which blocks its aggregate.
   */
  classify?: FailurePolicy['classify'];
  /**
   * `auto` calls a handler without Nest's pipeline where that can be done. It has no guard, pipe, interceptor or
   * filter, or all of them are made once: then the transport runs them itself, in Nest's order. Nothing is
   * request-scoped, and a hybrid application has no global ones. `never` calls every handler through Nest. Which way
   * each goes is logged at debug level.
   * @default 'auto'
   */
  directCalls?: 'auto' | 'never';
  /**
   * Surrounds every attempt, guards included: for tracing, logging, `AsyncLocalStorage`. It calls `next` once and
   * returns its promise, which rejects with what the handler threw. A second call of `next` gets the first one's run.
   *
   * The attempt ends when both have ended, and has succeeded if both have. An error of the handler that is caught here
   * fails it all the same, and so does a throw after the handler. One that ends without a call of `next` fails the
   * attempt with HANDLER_NOT_CALLED. Answers that are no promise count for nothing.
   */
  around?: Around | undefined;
  /** When parking stops because nearly everything fails. */
  breaker?: Partial<BreakerOptions>;
  /** What happens to an event whose type has no handler. @default 'ignore' */
  onUnhandledType?: OnUnhandledType;
}

/** How a process ends. */
export interface ShutdownOptions {
  /**
   * How long running handlers, last commits and publishes may take at shutdown, in milliseconds, from 0.
   * @default 10_000
   */
  drainMs?: number;
}

/** Options of one topic; what is missing comes from the root options. */
export interface TopicOptions {
  /** Limits and storage of the topic's stream. */
  stream?: AggregateStreamOptions;
  /** Limits of this process's publisher. */
  publish?: PublishOptions;
  /** How this process's handlers get events, retry and park. */
  consume?: ConsumeOptions;
  /**
   * Room for parked events, per topic: `maxBytes` from 1 MiB, `maxLetters` from 1. Full, it never drops: the aggregates
   * that need it wait, and in the end their partition does. Taken when the stream is made.
   */
  parked?: Partial<ParkedOptions>;
  /**
   * Room for the positions of all groups of the topic: `maxBytes` from 8 MiB, or -1, the default, for no limit. Full,
   * it takes no more commits: handlers stop until there is room. Taken when the stream is made.
   */
  positions?: Partial<PositionsOptions>;
  /** How events become bytes: {@link jsonCodec}, which is the default, `cloudEventsCodec(…)` or your own. */
  codec?: Codec;
}

export interface AggregateTransportOptions extends TopicOptions {
  /** Addresses of the NATS servers. @default 'nats://127.0.0.1:4222' */
  servers?: string | string[];
  /**
   * Which client makes the connections: `nats` is the package of that name, `nats-io` is `@nats-io/transport-node`. By
   * default the one that is installed; if both are, `nats`, which the log says. Not asked when `connection` is open.
   */
  client?: NatsClientName;
  /**
   * Options that are passed to the client: credentials, TLS, timeouts. Or an open connection of either client, shared
   * by all topics, which this library neither opens nor closes. Or a function that makes a connection, called once for
   * each that is needed; the library closes those. A connection that closes does not come back: set its
   * `maxReconnectAttempts` to -1.
   */
  connection?: NatsConnectionSource;
  /** One connection for each topic, or one for all. @default 'perTopic' */
  connectionMode?: 'perTopic' | 'shared';
  /**
   * Where JetStream is, if not in the user's own account. `{ domain }`: behind a leaf node. `{ apiPrefix }`: in another
   * account, whose API is imported under this prefix. Topics, keys and letters are reached the same way.
   */
  jetstream?: JetStreamOptions;
  /** The consumer group of this service's handlers; the replicas of one service share it. Only handlers need it. */
  group?: string;
  /** Every topic this process publishes to or handles. */
  topics: Record<string, TopicOptions>;
  /** How long a shutdown may take. */
  shutdown?: ShutdownOptions;
  /** Called when an aggregate is parked, is live again, or is stuck. */
  hooks?: AggregateHooks;
  /**
   * Where metrics go: `meter` is what `metrics.getMeter('…')` of `@opentelemetry/api` gives, or anything of that shape.
   * Without it nothing is measured, and the path of an event pays nothing.
   */
  metrics?: MetricsOptions;
  /**
   * Where spans go: `tracer` is what `trace.getTracer('…')` of `@opentelemetry/api` gives. That package must be
   * installed, and an SDK registered before the application starts. Without this option it is never loaded, and the
   * path of an event pays nothing. See docs/tracing.md.
   */
  tracing?: TracingOptions;
}

/** Where metrics go, and what is measured. */
export interface MetricsOptions {
  /** What `metrics.getMeter('…')` of `@opentelemetry/api` gives, or anything of that shape. */
  meter: Meter;
  /**
   * Measure every attempt of a handler, unless it is `false`. The only thing that costs something per event: what the
   * meter's histogram takes. `false` leaves `messaging.process.duration` out; the rest stays.
   */
  handlerDuration?: boolean;
}

/** Writes or makes the options for `forRootAsync({ useClass | useExisting })`. */
export interface AggregateTransportOptionsFactory {
  /** Called once, at start-up. A rejection ends the start-up with its error. */
  createAggregateTransportOptions(): AggregateTransportOptions | Promise<AggregateTransportOptions>;
}

/** The options' defaults. The numbers in the comments above are checked against these by a test. */
export const DEFAULTS = {
  servers: 'nats://127.0.0.1:4222',
  connectionMode: 'perTopic',
  stream: {
    provision: 'ensure',
    storage: 'file',
    maxBytes: 1_073_741_824,
    maxMessages: 1_000_000,
    maxAgeMs: 0,
    replicas: 1,
    duplicateWindowMs: 120_000,
    discard: 'old',
  },
  publish: {
    maxInFlight: 2_048,
    maxPending: 10_000,
    maxBlocked: 100_000,
    giveUpAfterMs: 60_000,
    maxBatch: 500,
    maxOpenBatches: 4,
  },
  consume: {
    partitions: 1,
    startAt: 'all',
    batch: 500,
    pullExpiresMs: 1_000,
    commitEveryMs: 5,
    maxAckPending: 10_000,
    maxWaiting: 1_000,
    maxBufferedBytes: 67_108_864,
    concurrency: 256,
    leaseTtlMs: 3_000,
    timeoutMs: 60_000,
    retry: { attempts: 10, firstDelayMs: 100, factor: 2, maxDelayMs: 30_000, jitter: 0.2 },
    onExhausted: 'park',
    classify: undefined,
    directCalls: 'auto',
    around: undefined,
    breaker: { parked: 20, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 30_000 },
    onUnhandledType: 'ignore',
  },
  parked: { maxBytes: 1_073_741_824, maxLetters: 1_000_000 },
  positions: { maxBytes: -1 },
  shutdown: { drainMs: 10_000 },
} as const satisfies Omit<AggregateTransportOptions, 'topics'>;
