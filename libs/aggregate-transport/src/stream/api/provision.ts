import { AggregateTransportError } from '../../errors.js';
import { streamSubjectOf } from '../../message/subject.js';
import type { StreamConfig, StreamInfo, WantedStream } from './api-types.js';
import {
  LAYOUT_KEY,
  LAYOUT_VERSION,
  READER_INACTIVE_MS,
  streamConfigOf,
  type StreamOptions,
} from './configuration.js';
import { API_ERROR, type JetStreamApi, JetStreamApiError } from './jetstream-api.js';
import { ATOMIC_BATCHES_SINCE, isServerAtLeast } from '../connection/server-version.js';
import {
  requireSettings,
  settingIs,
  settingIsUnlimited,
  settingIsUnset,
  type SettingRule,
  STORES_AS_PUBLISHED,
  subjectsAre,
} from './stream-settings.js';
import { nanosOf } from './time.js';

/** `ensure` makes what is missing, `verify` only compares, `off` does neither. An existing stream is never changed. */
export type Provision = 'ensure' | 'verify' | 'off';

export interface StreamRequest {
  readonly topic: string;
  readonly provision: Provision;
  readonly options: StreamOptions;
  /** The options the user wrote down: only those must match a stream that exists. */
  readonly explicit: ReadonlySet<keyof StreamOptions>;
  readonly serverVersion: string;
}

/** Option name and API field, where they differ only in spelling. */
const STREAM_FIELDS = {
  storage: 'storage',
  maxBytes: 'max_bytes',
  maxMessages: 'max_msgs',
  maxAgeMs: 'max_age',
  replicas: 'num_replicas',
  duplicateWindowMs: 'duplicate_window',
  discard: 'discard',
} as const satisfies Record<keyof StreamOptions, keyof StreamConfig>;

/** What order and completeness of a topic depend on, besides what its options say. */
const TOPIC_RULES: readonly SettingRule[] = [
  ...STORES_AS_PUBLISHED,
  settingIsUnlimited('max_msgs_per_subject', 'the stream would remove events of an aggregate that has many'),
  settingIsUnset('subject_delete_marker_ttl', 'the server would store markers among the events'),
  {
    setting: 'consumer_limits',
    expected: `without an inactive_threshold below ${nanosOf(READER_INACTIVE_MS)}`,
    admits: admitsReaders,
    because: 'the server would refuse every reader',
  },
];

/** The rules for the stream of a topic whose options are not known. */
export function rulesOfAnyTopic(topic: string): readonly SettingRule[] {
  return [
    layoutRule(LAYOUT_VERSION, 'use another topic name, or move its events into a new stream'),
    ...TOPIC_RULES,
    subjectsAre([streamSubjectOf(topic)]),
  ];
}

/** The rules for the stream of a topic. */
export function topicRules({ topic, options, explicit }: StreamRequest): readonly SettingRule[] {
  const wanted = streamConfigOf(topic, options);
  return [
    ...rulesOfAnyTopic(topic),
    ...[...new Set<keyof StreamOptions>(['storage', ...explicit])].map((option) => {
      const field = STREAM_FIELDS[option];
      const rule = settingIs(field, wanted[field], `the option stream.${option} says so`);
      return { ...rule, remedy: 'change the option or the stream (this library never changes a stream)' };
    }),
  ];
}

function admitsReaders(limits: unknown): boolean {
  const least = (limits as StreamConfig['consumer_limits'])?.inactive_threshold ?? 0;
  return least === 0 || least >= nanosOf(READER_INACTIVE_MS);
}

/** A stream as it is, and whether it was there before. */
export interface ProvisionedStream {
  readonly config: StreamConfig;
  readonly origin: 'found' | 'made';
}

/**
 * Makes sure the topic's stream is one of ours, and resolves with its real configuration, read back.
 * @throws STREAM_MISSING, STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function provisionStream(api: JetStreamApi, request: StreamRequest): Promise<ProvisionedStream> {
  const { topic, provision } = request;
  const wanted = streamConfigOf(topic, request.options);
  // Only a stream that we make is given the option: a stream that exists is never changed.
  const extras = isServerAtLeast(request.serverVersion, ATOMIC_BATCHES_SINCE) ? { allow_atomic: true } : {};
  const found = await ensureStream(api, provision, { ...wanted, ...extras }, 'for the topic');
  if (provision !== 'off') requireSettings(found.config, topicRules(request));
  return found;
}

/**
 * Finds a stream, or makes it where that is allowed. `purpose` says in an error text what it is for.
 * @throws STREAM_MISSING, JETSTREAM_REQUEST_FAILED
 */
export async function ensureStream(
  api: JetStreamApi,
  provision: Provision,
  wanted: WantedStream,
  purpose: string,
): Promise<ProvisionedStream> {
  const found = await findStream(api, wanted.name);
  if (found !== undefined) return { config: found.config, origin: 'found' };
  if (provision === 'ensure') return { config: (await createStream(api, wanted)).config, origin: 'made' };
  throw new AggregateTransportError(
    'STREAM_MISSING',
    `expected a stream "${wanted.name}" ${purpose}, found none; create it, or set stream.provision to "ensure"`,
  );
}

/** @throws JETSTREAM_REQUEST_FAILED */
export function findStream(
  api: JetStreamApi,
  stream: string,
  timeoutMs?: number,
): Promise<StreamInfo | undefined> {
  return api.find<StreamInfo>(`STREAM.INFO.${stream}`, undefined, API_ERROR.streamNotFound, timeoutMs);
}

/**
 * Makes a stream, or finds the one that another process made first.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function createStream(api: JetStreamApi, wanted: WantedStream): Promise<StreamInfo> {
  try {
    return await api.request<StreamInfo>(`STREAM.CREATE.${wanted.name}`, wanted);
  } catch (error) {
    // Another process was faster; what it made is compared like any stream that was there before.
    const raced = error instanceof JetStreamApiError && error.errorCode === API_ERROR.streamNameInUse;
    const found = raced ? await findStream(api, wanted.name) : undefined;
    const limit = error instanceof JetStreamApiError ? limitError(error, wanted) : undefined;
    if (found === undefined) throw limit ?? error;
    return found;
  }
}

/** The mark that only this library writes, into a stream that it makes. */
export function layoutRule(layout: string, remedy: string): SettingRule {
  const markOf = (metadata: unknown): string | undefined =>
    (metadata as StreamConfig['metadata'])?.[LAYOUT_KEY];
  return {
    setting: 'metadata',
    expected: `"${LAYOUT_KEY}" = "${layout}"`,
    admits: (metadata) => markOf(metadata) === layout,
    because: 'the stream was not made by this library',
    remedy,
    shown: (metadata) => {
      const mark = markOf(metadata);
      return mark === undefined ? 'none' : `"${mark}"`;
    },
  };
}

/** What a limit of the account or of the server says, and what to do, by nats-server's number of the error. */
const REMEDIES: Readonly<Record<number, (room: Room) => string>> = {
  10047: lower('the disk space that is left (max_file_store of the server, max_store of the account)'),
  10028: lower('the memory that is left (max_memory_store of the server, max_memory of the account)'),
  10122: lower("the account's limit for one stream (store_max_stream_bytes, or mem_max_stream_bytes)"),
  10113: ({ stream, option }) =>
    option === undefined
      ? `the account requires a size for each stream (max_bytes_required), and "${stream}" is made without one: ` +
        'create it with max_bytes beforehand, or drop the requirement for this account'
      : `the account requires a size for each stream (max_bytes_required): set ${option}`,
  10027: () =>
    'the account has as many streams as it may (max_streams): a topic needs three, and all topics share two buckets; ' +
    'raise the limit, or remove a stream',
  10065: ({ stream }) =>
    `another stream takes in subjects of "${stream}", and each event would be stored in one of the two: rename the topic, ` +
    `or take "${stream}.>" out of that stream's subjects`,
  10074: () => 'a server by itself keeps one replica: set stream.replicas to 1, or connect to a cluster',
};

/** A stream, the option that decides its size, and that size. */
interface Room {
  readonly stream: string;
  readonly option: string | undefined;
  readonly bytes: number;
}

/**
 * The error of a stream that a limit of the account or of the server keeps from being made. It names the option to
 * change. Undefined if the server refused for another reason. Pure.
 */
function limitError(
  error: JetStreamApiError,
  { name, max_bytes: bytes = -1 }: WantedStream,
): AggregateTransportError | undefined {
  const remedy = REMEDIES[error.errorCode]?.({ stream: name, option: sizeOptionOf(name), bytes });
  if (remedy === undefined) return undefined;
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected stream "${name}" to be made, found error ${error.errorCode}: ${error.description}; ${remedy}`,
    { cause: error },
  );
}

/** The size of a new stream is reserved for it at once, so it must be below the limit. */
function lower(limit: string): (room: Room) => string {
  return ({ stream, option, bytes }) =>
    option === undefined
      ? `"${stream}" needs room in ${limit}: raise it`
      : `${bytes} bytes are reserved for "${stream}" (${option}), more than ${limit}: set ${option} lower, or raise it`;
}

/** Topics have no names that end so. */
function sizeOptionOf(stream: string): string | undefined {
  if (stream.startsWith('KV_')) return undefined;
  if (stream.endsWith('_parked')) return 'parked.maxBytes';
  return stream.endsWith('_positions') ? 'positions.maxBytes' : 'stream.maxBytes';
}
