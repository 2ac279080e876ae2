import { parseHeaders } from '../message/headers.js';
import type { StoredMessage } from '../message/stored-event.js';
import { API_ERROR, type JetStreamApi } from './jetstream-api.js';

interface Found {
  message: { seq: number; time: string; hdrs?: string; data?: string };
}

/**
 * The messages of one subject in stream order. The server finds each by its index of subjects and scans
 * nothing; asking its leader message by message leaves nothing behind on it, and sees what was stored before
 * the call. The next one is asked for while the caller looks at this one.
 *
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function* messagesOf(
  api: JetStreamApi,
  stream: string,
  subject: string,
  fromSequence: number,
): AsyncGenerator<StoredMessage, void> {
  const find = (seq: number): Promise<Found | undefined> => {
    const request = { seq, next_by_subj: subject };
    const found = api.find<Found>(`STREAM.MSG.GET.${stream}`, request, API_ERROR.messageNotFound);
    // It may fail while nobody waits for it yet, or never will.
    found.catch(() => undefined);
    return found;
  };
  let found = await find(fromSequence);
  while (found !== undefined) {
    const { seq, time, hdrs, data } = found.message;
    const next = find(seq + 1);
    yield {
      sequence: seq,
      storedAt: time,
      headers: parseHeaders(Buffer.from(hdrs ?? '', 'base64').toString('utf8')),
      body: Buffer.from(data ?? '', 'base64'),
    };
    found = await next;
  }
}
