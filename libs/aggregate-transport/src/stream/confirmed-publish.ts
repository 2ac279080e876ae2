import type { MsgHdrs } from 'nats';
import { AggregateTransportError } from '../errors.js';
import { NO_RESPONDERS, readAnswer, type ServerAnswer } from '../publisher/server-answer.js';
import type { Connection, ConnectionListener } from './connection.js';

const TIMEOUT_MS = 500;

/**
 * Publishes one message and resolves with what the server answered. For the few writes beside the flow of events.
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
 */
export async function publishConfirmed(
  connection: Connection,
  subject: string,
  body: string | Uint8Array,
  headers: MsgHdrs,
): Promise<ServerAnswer> {
  if (!connection.connected) throw unknownError(subject, 'no connection');
  const listener: ConnectionListener = {};
  // Nobody here has time to wait for an answer that cannot come any more.
  const gone = new Promise<never>((_, reject) => {
    listener.disconnected = () => reject(new Error('the connection went away'));
  });
  connection.listen(listener);
  try {
    const answer = connection.nats.request(subject, body, { headers, timeout: TIMEOUT_MS });
    const message = await Promise.race([answer, gone]);
    return message.headers === undefined ? readAnswer(message.string()) : NO_RESPONDERS;
  } catch (cause) {
    throw unknownError(subject, `no answer within ${TIMEOUT_MS} ms`, cause);
  } finally {
    connection.forget(listener);
  }
}

/** The outcome of a write is not known. */
export function unknownError(subject: string, found: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected ${subject} to be written, found: ${found}`,
    cause === undefined ? undefined : { cause },
  );
}
