import { headers as createHeaders, type NatsConnection, type Subscription } from 'nats';
import { HEADER } from '../../message/headers.js';
import type { StoredValue } from '../../records/key-port.js';
import { publishConfirmed, unknownError } from './confirmed-publish.js';
import type { Connection } from './connection.js';
import type { JetStreamApi } from './jetstream-api.js';
import { findMessage } from '../wires/stored-message.js';

/**
 * The value of a key as JSON. Reads go to the stream's leader; a direct get may be answered by a follower that lags.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function readKey<T>(
  api: JetStreamApi,
  bucket: string,
  subject: string,
  timeoutMs: number,
): Promise<StoredValue<T> | undefined> {
  const found = await findMessage(api, `KV_${bucket}`, { last_by_subj: subject }, timeoutMs);
  if (found?.data === undefined) return undefined;
  const json = Buffer.from(found.data, 'base64').toString('utf8');
  return { value: JSON.parse(json) as T, revision: found.seq };
}

/**
 * Compare-and-set of a key: resolves with its new revision, or with undefined if `revision` (0: there is none)
 * is not the current one.
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
 */
export async function writeKey(
  connection: Connection,
  subject: string,
  value: unknown,
  revision: number,
): Promise<number | undefined> {
  const headers = createHeaders();
  headers.set(HEADER.expectedLastSubjectSequence, String(revision));
  const answer = await publishConfirmed(connection, subject, JSON.stringify(value), headers);
  if (answer.kind === 'stored') return answer.sequence;
  if (answer.kind === 'refused' && answer.wrongSequence) return undefined;
  throw unknownError(subject, answer.description);
}

/**
 * Writes a key whatever it holds; resolves with its new revision.
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
 */
export async function putKey(connection: Connection, subject: string, value: unknown): Promise<number> {
  const answer = await publishConfirmed(connection, subject, JSON.stringify(value), createHeaders());
  if (answer.kind === 'stored') return answer.sequence;
  throw unknownError(subject, answer.description);
}

/** Calls back whenever anybody writes a key, or tries to; a hint, which may be missed. */
export function hearKeys(
  nats: NatsConnection,
  filter: string,
  callback: (value: unknown, subject: string) => void,
): Subscription {
  return nats.subscribe(filter, {
    callback: (error, message) => {
      if (error !== null) return;
      try {
        callback(message.json(), message.subject);
      } catch {
        // A hint that cannot be read is no hint; the next look finds what there is.
      }
    },
  });
}
