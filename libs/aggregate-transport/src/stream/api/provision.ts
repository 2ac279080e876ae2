import { AggregateTransportError } from '../../errors.js';
import type { Log } from '../../log.js';
import { hasAtomicBatches } from '../wires/atomic-batches.js';
import {
  type ConsumerConfig,
  consumerConfigOf,
  type ConsumerOptions,
  LAYOUT_KEY,
  LAYOUT_VERSION,
  type PartitionAddress,
  type StartAt,
  type StreamConfig,
  streamConfigOf,
  type StreamOptions,
} from './configuration.js';
import { API_ERROR, type JetStreamApi, JetStreamApiError } from './jetstream-api.js';

/** `ensure` makes what is missing, `verify` only compares, `off` does neither. An existing stream is never changed. */
export type Provision = 'ensure' | 'verify' | 'off';

interface StreamInfo {
  config: StreamConfig;
  created: string;
}

interface ConsumerInfo {
  config: ConsumerConfig;
}

export interface StreamRequest {
  readonly topic: string;
  readonly provision: Provision;
  readonly options: StreamOptions;
  /** The options the user wrote down: only those must match a stream that exists. */
  readonly explicit: ReadonlySet<keyof StreamOptions>;
  readonly serverVersion: string;
}

/** Option name and API field, where they differ only in spelling. */
const STREAM_FIELDS: Record<keyof StreamOptions, keyof StreamConfig> = {
  storage: 'storage',
  maxBytes: 'max_bytes',
  maxMessages: 'max_msgs',
  maxAgeMs: 'max_age',
  replicas: 'num_replicas',
  duplicateWindowMs: 'duplicate_window',
  discard: 'discard',
};

/**
 * Makes sure the topic's stream is one of ours, and resolves with its real configuration, read back.
 * @throws STREAM_MISSING, STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function provisionStream(api: JetStreamApi, request: StreamRequest): Promise<StreamConfig> {
  const { topic, provision } = request;
  const wanted = streamConfigOf(topic, request.options);
  let found = await findStream(api, topic);
  if (found === undefined) {
    if (provision !== 'ensure') {
      throw new AggregateTransportError(
        'STREAM_MISSING',
        `expected a stream "${topic}" for the topic, found none; create it, or set stream.provision to "ensure"`,
      );
    }
    // Only a stream that we make is given the option: a stream that exists is never changed.
    const extras = hasAtomicBatches(request.serverVersion) ? { allow_atomic: true } : {};
    found = await createStream(api, { ...wanted, ...extras });
  }
  if (provision !== 'off') checkStream(found.config, wanted, request.explicit);
  return found.config;
}

/** @throws JETSTREAM_REQUEST_FAILED */
export function findStream(api: JetStreamApi, topic: string): Promise<StreamInfo | undefined> {
  return api.find<StreamInfo>(`STREAM.INFO.${topic}`, undefined, API_ERROR.streamNotFound);
}

/**
 * Makes a stream, or finds the one that another process made first.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function createStream(
  api: JetStreamApi,
  wanted: { readonly name: string },
): Promise<StreamInfo> {
  try {
    return await api.request<StreamInfo>(`STREAM.CREATE.${wanted.name}`, wanted);
  } catch (error) {
    // Another process was faster; what it made is compared like any stream that was there before.
    const raced = error instanceof JetStreamApiError && error.errorCode === API_ERROR.streamNameInUse;
    const found = raced ? await findStream(api, wanted.name) : undefined;
    if (found === undefined) throw error;
    return found;
  }
}

function checkStream(
  found: StreamConfig,
  wanted: StreamConfig,
  explicit: ReadonlySet<keyof StreamOptions>,
): void {
  const layout = found.metadata?.[LAYOUT_KEY];
  if (layout !== LAYOUT_VERSION) {
    throw mismatch(
      found.name,
      `metadata "${LAYOUT_KEY}" = "${LAYOUT_VERSION}"`,
      layout === undefined ? 'none' : `"${layout}"`,
      'the stream was not made by this library; use another topic name, or move its events into a new stream',
    );
  }
  const fields = new Set<keyof StreamConfig>(['subjects', 'retention', 'storage']);
  for (const option of explicit) fields.add(STREAM_FIELDS[option]);
  for (const field of fields) {
    const [want, have] = [JSON.stringify(wanted[field]), JSON.stringify(found[field])];
    if (want !== have) {
      throw mismatch(
        found.name,
        `${field} ${want}`,
        have,
        'change the option or the stream (we never change a stream)',
      );
    }
  }
}

function mismatch(stream: string, expected: string, found: string, remedy: string): AggregateTransportError {
  return new AggregateTransportError(
    'STREAM_MISMATCH',
    `expected stream "${stream}" to have ${expected}, found ${found}; ${remedy}`,
  );
}

export interface ConsumerRequest {
  readonly address: PartitionAddress;
  readonly options: ConsumerOptions & { readonly startAt: StartAt };
}

/** What the server lets the partition's owner change. */
const UPDATABLE = ['ack_wait', 'max_ack_pending'] as const;
/** What nobody may change. */
const FIXED = ['filter_subject', 'ack_policy', 'max_deliver', 'max_waiting', 'replay_policy'] as const;

/**
 * Makes sure the partition's first consumer exists with the options of this process, and compares what the
 * server really has: an old server drops fields it does not know without a word.
 * @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function provisionConsumer(
  api: JetStreamApi,
  { address, options, log }: ConsumerRequest & { readonly log: Log },
): Promise<void> {
  const wanted = consumerConfigOf(address, options, options.startAt);
  if (await checkConsumer(api, { address, options, generation: 0 })) return;
  log.info(
    `topic "${address.topic}": consumer "${wanted.name}" is made, starting at ${describeStart(options.startAt)}`,
  );
  const made = await writeConsumer(api, address.topic, wanted, 'create');
  requireConsumer(made, wanted, [...FIXED, ...UPDATABLE]);
}

/**
 * Compares a partition's consumer with the options of this process, as far as nobody may change them; whoever owns
 * the partition sets the rest at its takeover. Resolves with false if there is none.
 * @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function checkConsumer(
  api: JetStreamApi,
  { address, options, generation }: ConsumerRequest & { readonly generation: number },
): Promise<boolean> {
  const wanted = consumerConfigOf(address, options, options.startAt, generation);
  const call = `CONSUMER.INFO.${address.topic}.${wanted.name}`;
  const found = await api.find<ConsumerInfo>(call, undefined, API_ERROR.consumerNotFound);
  if (found === undefined) return false;
  requireConsumer(found.config, wanted, FIXED);
  return true;
}

/**
 * Sets what may change on a consumer to the options of its owner: a rolling deploy may bring others. What the
 * server made of it is read back, and what nobody may change is compared: an admin can change it nevertheless.
 * @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function adjustConsumer(
  api: JetStreamApi,
  topic: string,
  found: ConsumerConfig,
  wanted: ConsumerConfig,
): Promise<void> {
  requireConsumer(found, wanted, FIXED);
  if (UPDATABLE.every((field) => found[field] === wanted[field])) return;
  const changed = Object.fromEntries(UPDATABLE.map((field) => [field, wanted[field]]));
  const made = await writeConsumer(api, topic, { ...found, ...changed }, 'update');
  requireConsumer(made, wanted, [...FIXED, ...UPDATABLE]);
}

/** Creates or updates a consumer and resolves with what the server made of it. */
export async function writeConsumer(
  api: JetStreamApi,
  topic: string,
  config: ConsumerConfig,
  action: 'create' | 'update',
): Promise<ConsumerConfig> {
  const call = `CONSUMER.CREATE.${topic}.${config.name}.${config.filter_subject}`;
  const info = await api.request<ConsumerInfo>(call, { stream_name: topic, config, action });
  return info.config;
}

function requireConsumer(
  found: ConsumerConfig,
  wanted: ConsumerConfig,
  fields: readonly (keyof ConsumerConfig)[],
): void {
  const differing = fields.find((field) => JSON.stringify(found[field]) !== JSON.stringify(wanted[field]));
  const backoff = (found.backoff?.length ?? 0) > 0;
  if (differing === undefined && !backoff) return;
  const field = differing ?? 'backoff';
  throw new AggregateTransportError(
    'CONSUMER_MISMATCH',
    `expected consumer "${wanted.name}" to have ${field} ${JSON.stringify(wanted[field] ?? [])}, ` +
      `found ${JSON.stringify(found[field])}; change the option, or the consumer, or delete it: ` +
      'another is made behind the last event known to be settled',
  );
}

function describeStart(startAt: StartAt): string {
  if (typeof startAt === 'string') return startAt === 'all' ? 'the first event' : 'the next new event';
  return 'sequence' in startAt ? `sequence ${startAt.sequence}` : startAt.time.toISOString();
}
