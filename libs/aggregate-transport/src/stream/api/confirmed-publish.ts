import { AggregateTransportError } from '../../errors.js';
import { encodeHeaderBlock } from '../../message/headers.js';
import { type ServerAnswer, NO_RESPONDERS, readAnswer } from '../../publisher/server-answer.js';
import type { Connection, ConnectionListener } from '../connection/connection.js';
import { NatsFailure } from '../port/nats-failure.js';
import type { NatsMessage } from '../port/nats-message.js';
import { explain } from './jetstream-api.js';

const TIMEOUT_MS = 500;

/** A write that no server has confirmed. */
export class UnconfirmedError extends AggregateTransportError {
  constructor(
    subject: string,
    found: string,
    /** True if the same write may succeed by itself later. */
    readonly isPassing: boolean,
    cause?: unknown,
  ) {
    super(
      'JETSTREAM_REQUEST_FAILED',
      `expected ${subject} to be written, found ${found}; ` +
        (isPassing
          ? 'it may be stored nevertheless: read it, then write it again'
          : 'correct what the server names'),
      cause === undefined ? undefined : { cause },
    );
  }
}

/**
 * Publishes one message and resolves with what the server answered. For the few writes beside the flow of events.
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
 */
export async function publishConfirmed(
  connection: Connection,
  subject: string,
  body: string | Uint8Array,
  headers: ReadonlyMap<string, string>,
): Promise<ServerAnswer> {
  return answerOf(await publishAnswered(connection, subject, body, headers));
}

/** Reads what the server answered to a publish. */
export function answerOf(message: NatsMessage): ServerAnswer {
  return message.headers === undefined ? readAnswer(message.string()) : NO_RESPONDERS;
}

/**
 * As {@link publishConfirmed}, with the answer as it came: the first message of a batch gets an empty one.
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
 */
export async function publishAnswered(
  connection: Connection,
  subject: string,
  body: string | Uint8Array,
  headers: ReadonlyMap<string, string>,
): Promise<NatsMessage> {
  if (!connection.connected) throw new UnconfirmedError(subject, 'no connection', true);
  const listener: ConnectionListener = {};
  // An answer that was lost with its connection is not waited for.
  const gone = new Promise<never>((_, reject) => {
    listener.disconnected = () => reject(new Error('the connection went away'));
  });
  connection.listen(listener);
  try {
    const answer = connection.nats.request(subject, body, {
      headers: encodeHeaderBlock(headers),
      timeoutMs: TIMEOUT_MS,
    });
    const answered = await Promise.race([answer, gone]);
    if (answered.headers === undefined) connection.noteAnswer();
    return answered;
  } catch (cause) {
    const isDenied = cause instanceof NatsFailure && cause.code === 'PERMISSIONS_VIOLATION';
    const found = isDenied ? explain(cause) : `no answer within ${TIMEOUT_MS} ms`;
    throw new UnconfirmedError(subject, found, !isDenied, cause);
  } finally {
    connection.forget(listener);
  }
}
