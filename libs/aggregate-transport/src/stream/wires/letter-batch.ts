import { encodeHeaderBlock, HEADER } from '../../message/headers.js';
import type { ServerAnswer } from '../../publisher/server-answer.js';
import type { Connection } from '../connection/connection.js';
import { answerOf, publishAnswered, publishConfirmed } from '../api/confirmed-publish.js';

/** One message of a batch. */
export interface BatchMessage {
  readonly body: Uint8Array;
  readonly headers: Map<string, string>;
}

/**
 * Stores messages of one subject as one atomic batch (ADR-50): all of them, or none. The rest leaves only when the
 * server has opened the batch, because a server that does not know batches stores the first message alone.
 *
 * Resolves with what the server says of the whole batch, and with how many messages that is.
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
 */
export async function publishBatch(
  connection: Connection,
  subject: string,
  { batchId, messages }: { readonly batchId: string; readonly messages: readonly BatchMessage[] },
): Promise<{ readonly answer: ServerAnswer; readonly count: number }> {
  for (const [index, { headers }] of messages.entries()) {
    headers.set(HEADER.batchId, batchId);
    headers.set(HEADER.batchSequence, String(index + 1));
    if (index === messages.length - 1) headers.set(HEADER.batchCommit, '1');
  }
  const [first, ...rest] = messages;
  const last = rest.pop();
  if (first === undefined || last === undefined) throw new Error('a batch has two messages at least');
  const opened = await publishAnswered(connection, subject, first.body, first.headers);
  if (opened.headers !== undefined || opened.data.length > 0) return { answer: answerOf(opened), count: 1 };
  for (const { body, headers } of rest)
    connection.publish(subject, body, { headers: encodeHeaderBlock(headers) });
  return {
    answer: await publishConfirmed(connection, subject, last.body, last.headers),
    count: messages.length,
  };
}
