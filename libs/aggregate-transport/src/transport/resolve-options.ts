import type { BreakerOptions } from '../consumer/breaker/breaker.js';
import type { FailurePolicy } from '../consumer/handling/outcome.js';
import { AggregateTransportError } from '../errors.js';
import { type Codec, jsonCodec } from '../message/codec.js';
import { checkName } from '../message/topic.js';
import type { StreamOptions } from '../stream/api/configuration.js';
import type { Provision } from '../stream/api/provision.js';
import type { NatsConnectionSource } from '../stream/clients/client-options.js';
import { isOpenConnection } from '../stream/clients/open-connection.js';
import { type JetStreamPlace, jetStreamPlaceOf } from '../stream/connection/jetstream-place.js';
import { withCredentialsOfAddresses } from '../stream/connection/server-address.js';
import type { ParkedOptions } from '../stream/groups/parked-streams.js';
import type { PositionsOptions } from '../stream/groups/positions-stream.js';
import type { NatsClientName } from '../stream/port/nats-port.js';
import type { TracingOptions } from '../tracing/tracing.js';
import type { Around } from './around.js';
import type { AggregateHooks } from './hooks.js';
import { checkRootOptions, checkTopicOptions } from './option-rules.js';
import {
  type AggregateStreamOptions,
  type AggregateTransportOptions,
  type ConsumeOptions,
  DEFAULTS,
  type MetricsOptions,
  type PublishOptions,
  type TopicOptions,
} from './options.js';

/** All options of one topic, defaults filled in, checked. Only this form travels inward. */
export interface ResolvedTopic {
  readonly name: string;
  readonly provision: Provision;
  readonly stream: StreamOptions;
  /** The stream options that the user wrote down. */
  readonly explicitStream: ReadonlySet<keyof StreamOptions>;
  readonly publish: Required<PublishOptions>;
  readonly consume: Required<Omit<ConsumeOptions, 'retry' | 'breaker' | 'classify' | 'around'>> &
    FailurePolicy & { readonly breaker: BreakerOptions; readonly around: Around | undefined };
  readonly parked: ParkedOptions;
  readonly positions: PositionsOptions;
  readonly codec: Codec;
}

export interface ResolvedOptions {
  readonly client: NatsClientName | undefined;
  readonly connection: NatsConnectionSource;
  readonly connectionMode: 'perTopic' | 'shared';
  readonly jetStream: JetStreamPlace;
  readonly group: string | undefined;
  readonly topics: ReadonlyMap<string, ResolvedTopic>;
  readonly drainMs: number;
  readonly hooks: AggregateHooks;
  readonly metrics: Required<MetricsOptions> | undefined;
  readonly tracing: TracingOptions | undefined;
}

/** Copies of an event stop well before the stream forgets its id: the last one may still be under way. */
const COPIES_STOP_BEFORE_WINDOW_MS = 15_000;

/**
 * Checks the options and fills in what is missing; nearest wins: topic, root, default.
 * @throws OPTIONS_INVALID
 */
export function resolveOptions(given: AggregateTransportOptions): ResolvedOptions {
  checkRootOptions(given);
  if ((given as { topics?: unknown }).topics === undefined) {
    throw new AggregateTransportError(
      'OPTIONS_INVALID',
      'expected option topics, found none; declare every topic there',
    );
  }
  if (given.group !== undefined) checkName('group', given.group);
  if (given.tracing !== undefined && (given.tracing as { tracer?: unknown }).tracer === undefined) {
    throw new AggregateTransportError(
      'OPTIONS_INVALID',
      "expected option tracing.tracer, found none; give it trace.getTracer('…') of @opentelemetry/api",
    );
  }
  const topics = new Map<string, ResolvedTopic>();
  for (const [name, options] of Object.entries(given.topics)) {
    checkName('topic', name);
    checkSuffix(name);
    checkTopicOptions(name, options);
    topics.set(name, resolveTopic(name, options, given));
  }
  return Object.freeze({
    client: given.client,
    connection: resolveConnection(given),
    jetStream: jetStreamPlaceOf(given.jetstream),
    connectionMode: given.connectionMode ?? DEFAULTS.connectionMode,
    group: given.group,
    topics,
    drainMs: given.shutdown?.drainMs ?? DEFAULTS.shutdown.drainMs,
    hooks: given.hooks ?? {},
    metrics: given.metrics && { handlerDuration: true, ...given.metrics },
    tracing: given.tracing,
  });
}

/**
 * Credentials of addresses are moved to the options the client knows. What is open, or makes a connection itself, has
 * its addresses.
 */
function resolveConnection({ servers, connection = {} }: AggregateTransportOptions): NatsConnectionSource {
  const hasOwn = typeof connection === 'function' || isOpenConnection(connection);
  const isTwice = servers !== undefined && (hasOwn || connection.servers !== undefined);
  if (isTwice) {
    throw new AggregateTransportError(
      'OPTIONS_INVALID',
      `expected the addresses of the servers in one place, found option servers and ${
        hasOwn ? 'a connection that has its own' : 'connection.servers'
      }; remove option servers`,
    );
  }
  return hasOwn
    ? connection
    : withCredentialsOfAddresses({ servers: servers ?? DEFAULTS.servers, ...connection });
}

/** Ends of names that a topic's other streams have. */
const RESERVED_SUFFIXES = ['_positions', '_parked'] as const;

function checkSuffix(topic: string): void {
  const suffix = RESERVED_SUFFIXES.find((end) => topic.endsWith(end));
  if (suffix === undefined) return;
  throw new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected a topic name that does not end in "${suffix}", found "${topic}": ` +
      'streams of other topics have such names; choose another name',
  );
}

function resolveTopic(name: string, own: TopicOptions, root: TopicOptions): ResolvedTopic {
  const { provision, ...stream } = merge(DEFAULTS.stream, root.stream, own.stream);
  const publish = merge(DEFAULTS.publish, root.publish, own.publish);
  const consume = {
    ...merge(DEFAULTS.consume, root.consume, own.consume),
    retry: merge(DEFAULTS.consume.retry, root.consume?.retry, own.consume?.retry),
    breaker: merge(DEFAULTS.consume.breaker, root.consume?.breaker, own.consume?.breaker),
    classify: own.consume?.classify ?? root.consume?.classify,
  };
  if (publish.giveUpAfterMs > stream.duplicateWindowMs - COPIES_STOP_BEFORE_WINDOW_MS) {
    throw new AggregateTransportError(
      'OPTIONS_INVALID',
      `expected publish.giveUpAfterMs of topic "${name}" to be at most stream.duplicateWindowMs less ` +
        `${COPIES_STOP_BEFORE_WINDOW_MS} (${stream.duplicateWindowMs - COPIES_STOP_BEFORE_WINDOW_MS}), ` +
        `found ${publish.giveUpAfterMs}; make the window longer or give up sooner`,
    );
  }
  return {
    name,
    provision,
    stream,
    explicitStream: explicitFields(root.stream, own.stream),
    publish,
    consume,
    parked: merge(DEFAULTS.parked, root.parked, own.parked),
    positions: merge(DEFAULTS.positions, root.positions, own.positions),
    codec: own.codec ?? root.codec ?? jsonCodec,
  };
}

function explicitFields(...layers: (AggregateStreamOptions | undefined)[]): Set<keyof StreamOptions> {
  const fields = new Set<keyof StreamOptions>();
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer ?? {})) {
      if (key !== 'provision' && value !== undefined) fields.add(key as keyof StreamOptions);
    }
  }
  return fields;
}

type Merged<D, L> = { [K in keyof D]: K extends keyof L ? Exclude<L[K], undefined> : D[K] };

/** The defaults with later layers laid over them; an undefined value covers nothing. */
export function merge<D extends object, L extends object>(
  defaults: D,
  ...layers: (L | undefined)[]
): Merged<D, L> {
  const result: Record<string, unknown> = Object.fromEntries(Object.entries(defaults));
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer ?? {})) if (value !== undefined) result[key] = value;
  }
  return result as Merged<D, L>;
}
