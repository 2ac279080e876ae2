import { AggregateTransportError } from '../../errors.js';
import { HEADER, parseHeaders } from '../../message/headers.js';
import type { StoredValue } from '../../records/key-port.js';
import { publishConfirmed, UnconfirmedError } from '../api/confirmed-publish.js';
import type { ServerAnswer } from '../../publisher/server-answer.js';
import type { Connection } from '../connection/connection.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import type { NatsMessage } from '../port/nats-message.js';
import type { NatsPort, NatsSubscription } from '../port/nats-port.js';
import type { KeyPlace } from './key-places.js';
import { findMessage, headerBlockOf, type RawMessage } from '../api/stored-message.js';

/** Reads and writes alike: a lease that waits longer for one answer has no time for a second try. */
export const KEY_TIMEOUT_MS = 500;
/** Part of the largest message that headers of a write may take, in bytes. */
const HEADER_ROOM_BYTES = 1_024;
/** The header by which a key-value client deletes a key, and its values that do. */
const OPERATION_HEADER = 'KV-Operation';
const REMOVING_OPERATIONS: readonly string[] = ['DEL', 'PURGE'];

/** The largest value that a key takes now, in bytes. A reconnect may change it. */
export function maxValueBytes(connection: Connection): number {
  return connection.maxPayloadBytes - HEADER_ROOM_BYTES;
}

/**
 * The value of a key as JSON. Reads go to the stream's leader; a direct get may be answered by a follower that lags.
 * @throws JETSTREAM_REQUEST_FAILED if the server does not answer
 * @throws RECORD_INVALID if the key does not hold a JSON object
 */
export async function readKey<T>(
  api: JetStreamApi,
  place: KeyPlace,
  timeoutMs = KEY_TIMEOUT_MS,
): Promise<StoredValue<T>> {
  const found = await findMessage(api, place.stream, { last_by_subj: place.subject }, timeoutMs);
  return found === undefined ? { value: undefined, revision: 0 } : storedValueOf<T>(found, place);
}

/**
 * What a message of a key-value stream says of its key.
 * @throws RECORD_INVALID if it does not hold a JSON object
 */
export function storedValueOf<T>(message: RawMessage, place: KeyPlace): StoredValue<T> {
  if (isTombstone(message)) return { value: undefined, revision: message.seq };
  return { value: parsed(message, place) as T, revision: message.seq };
}

/** True for a message that says that its key was deleted or purged. */
function isTombstone(message: RawMessage): boolean {
  if (message.data === undefined || message.data === '') return true;
  const { [OPERATION_HEADER]: operation = '' } = parseHeaders(headerBlockOf(message));
  return REMOVING_OPERATIONS.includes(operation);
}

function parsed({ data = '' }: RawMessage, place: KeyPlace): object {
  const text = Buffer.from(data, 'base64').toString('utf8');
  let value: unknown;
  let cause: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    cause = error;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new AggregateTransportError(
    'RECORD_INVALID',
    `expected key "${place.subject}" of stream "${place.stream}" to hold a JSON object, ` +
      `found ${text.length} characters of something else; ${place.remedy}`,
    cause === undefined ? undefined : { cause },
  );
}

/**
 * Compare-and-set of a key: resolves with its new revision, or with undefined if `revision` (0: there is none) is not
 * the current one. Without `revision` the key is written, no matter what it holds.
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
 * @throws RECORD_INVALID if the value is too large; nothing is sent
 */
export async function writeKey(
  connection: Connection,
  subject: string,
  value: unknown,
  revision: number | undefined,
): Promise<number | undefined> {
  const body = Buffer.from(JSON.stringify(value));
  requireFitting(connection, subject, body.length);
  const target = connection.jetStream.keys + subject;
  const headers = new Map<string, string>();
  if (revision !== undefined) headers.set(HEADER.expectedLastSubjectSequence, String(revision));
  return revisionOf(target, await publishConfirmed(connection, target, body, headers));
}

/**
 * Compare-and-delete of a key: leaves a tombstone, as a key-value client does. Resolves with its revision, or with
 * undefined if `revision` (0: there was no write) is not the current one.
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
 */
export async function deleteKey(
  connection: Connection,
  subject: string,
  revision: number,
): Promise<number | undefined> {
  const headers = new Map([
    [OPERATION_HEADER, 'DEL'],
    [HEADER.expectedLastSubjectSequence, String(revision)],
  ]);
  const target = connection.jetStream.keys + subject;
  return revisionOf(target, await publishConfirmed(connection, target, '', headers));
}

function revisionOf(target: string, answer: ServerAnswer): number | undefined {
  if (answer.kind === 'stored') return answer.sequence;
  if (answer.kind === 'refused' && answer.wrongSequence) return undefined;
  throw new UnconfirmedError(target, answer.description, answer.kind === 'unavailable');
}

/** A server ends the connection of a client that sends more than it takes. */
function requireFitting(connection: Connection, subject: string, bytes: number): void {
  const max = maxValueBytes(connection);
  if (bytes <= max) return;
  throw new AggregateTransportError(
    'RECORD_INVALID',
    `expected the value of key "${subject}" to have at most ${max} bytes, found ${bytes}; nothing was sent: ` +
      "raise the server's max_payload",
  );
}

interface HeardOn extends Pick<Connection, 'jetStream'> {
  readonly nats: Pick<NatsPort, 'subscribe'>;
}

/**
 * Calls back on every write of a key, refused ones included; with undefined for a deletion, or for what no replica has
 * written. A hint: it may be missed, and those of replicas that reach JetStream another way are. Undefined where none
 * can be heard.
 */
export function hearKeys(
  { nats, jetStream }: HeardOn,
  filter: string,
  callback: (value: object | undefined, subject: string) => void,
): NatsSubscription | undefined {
  const { keys, canHearKeys } = jetStream;
  if (!canHearKeys) return undefined;
  return nats.subscribe(keys + filter, {
    callback: (failure, message) => {
      if (failure !== null) return;
      callback(hintOf(message), message.subject.slice(keys.length));
    },
  });
}

function hintOf(message: NatsMessage): object | undefined {
  try {
    const value = message.json();
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
