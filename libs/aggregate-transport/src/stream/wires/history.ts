import type { StoredMessage } from '../../message/stored-event.js';
import type { BatchedGet, BatchRequest } from '../api/batched-get.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { bodyOf, findMessage, headersOf, type RawMessage } from '../api/stored-message.js';

/** The ways to the messages of one subject. */
export interface SubjectMessages {
  /**
   * The first message at or after this sequence, as the stream's leader knows it; undefined if there is none.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  find(sequence: number): Promise<StoredMessage | undefined>;
  /**
   * The next messages from this sequence on, as some replica knows them: a batch may be short, and is never wrong
   * otherwise. Undefined where messages cannot be read in batches.
   */
  askBatch(fromSequence: number, count: number): BatchRequest | undefined;
}

/** Messages in a batch: few at first, because many callers look at one or two; then more. */
const FIRST_COUNT = 32;
const GROWTH = 4;
const MAX_COUNT = 2_048;
/** Bodies and headers in a batch, in bytes. At most two batches are in memory. */
const MAX_BYTES = 1_048_576;

/**
 * The messages of one subject in stream order, without a hole, up to what was stored before the call and later. The
 * server finds each by its index of subjects and scans nothing.
 *
 * A batch may come from a replica that lags, so the leader is asked between batches:
 * 1. The leader tells the next message. If it knows none, the history ends. Nothing else ends it.
 * 2. A batch brings what follows that message. It is on its way while the caller looks at the message.
 * 3. The leader is asked what follows the batch while the caller takes the batch. If the batch said that more follows,
 *    the next one is asked for at the same time.
 *
 * A batch that is short, or does not come, costs a round trip. Without batches each message is asked of the leader, the
 * next one while the caller looks at this one. A caller that stops early leaves no subscription.
 *
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function* messagesOf(
  subject: SubjectMessages,
  fromSequence: number,
): AsyncGenerator<StoredMessage, void> {
  let count = FIRST_COUNT;
  let asked: BatchRequest | undefined;
  let found = await subject.find(fromSequence);
  try {
    while (found !== undefined) {
      const { sequence } = found;
      asked ??= subject.askBatch(sequence + 1, count);
      const alone: Promise<StoredMessage | undefined> | undefined =
        asked === undefined ? ahead(subject.find(sequence + 1)) : undefined;
      yield found;
      if (asked === undefined) {
        found = await alone;
        continue;
      }
      const { messages, hasMore } = await asked.answer;
      asked = undefined;
      const last = Math.max(sequence, messages.at(-1)?.sequence ?? 0);
      const next = ahead(subject.find(last + 1));
      if (hasMore) {
        count = Math.min(MAX_COUNT, GROWTH * count);
        asked = subject.askBatch(last + 1, count);
      }
      // A batch that was asked for beside the leader begins with what the leader has told.
      for (const message of messages) if (message.sequence > sequence) yield message;
      found = await next;
    }
  } finally {
    asked?.cancel();
  }
}

/** The messages of one subject of a stream, in batches if there is a way to them. */
export function subjectMessages(
  api: JetStreamApi,
  stream: string,
  subject: string,
  batches: BatchedGet | undefined,
): SubjectMessages {
  return {
    find: async (seq) => storedIn(await findMessage(api, stream, { seq, next_by_subj: subject })),
    askBatch: (fromSequence, count) => batches?.ask({ subject, fromSequence, count, maxBytes: MAX_BYTES }),
  };
}

/** The last message of one subject, as the stream's leader knows it. */
export async function lastOf(
  api: JetStreamApi,
  stream: string,
  subject: string,
): Promise<StoredMessage | undefined> {
  return storedIn(await findMessage(api, stream, { last_by_subj: subject }));
}

function storedIn(found: RawMessage | undefined): StoredMessage | undefined {
  if (found === undefined) return undefined;
  const { seq: sequence, time: storedAt, subject } = found;
  return { sequence, storedAt, subject, headers: headersOf(found), body: bodyOf(found) };
}

/** It may fail before it is awaited, or is never awaited. */
function ahead<T>(answer: Promise<T>): Promise<T> {
  answer.catch(() => undefined);
  return answer;
}
