import { AggregateTransportError } from '../../errors.js';
import type { WantedStream } from './api-types.js';
import type { JetStreamApiError } from './jetstream-api.js';

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
export function limitError(
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
