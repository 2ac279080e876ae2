import type { StoredMessage } from '../../message/stored-event.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { bodyOf, findMessage, headersOf, type RawMessage } from '../api/stored-message.js';

/**
 * The messages of one subject in stream order. The server finds each by its index of subjects and scans nothing.
 * Asking its leader message by message leaves nothing on it, and sees what was stored before the call. The next one is
 * asked for while the caller looks at this one.
 *
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function* messagesOf(
  api: JetStreamApi,
  stream: string,
  subject: string,
  fromSequence: number,
): AsyncGenerator<StoredMessage, void> {
  const find = (seq: number): Promise<RawMessage | undefined> => {
    const found = findMessage(api, stream, { seq, next_by_subj: subject });
    // It may fail before it is awaited, or is never awaited.
    found.catch(() => undefined);
    return found;
  };
  let found = await find(fromSequence);
  while (found !== undefined) {
    const next = find(found.seq + 1);
    yield { sequence: found.seq, storedAt: found.time, headers: headersOf(found), body: bodyOf(found) };
    found = await next;
  }
}
