import { streamSubjectOf } from '../../message/subject.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { findMessage } from '../api/stored-message.js';
import { streamStateOf } from '../api/stream-state.js';
import { exactNanosOf, exactNanosOfDate } from '../api/time.js';

const TIMEOUT_MS = 2_000;

/**
 * The last sequence of a topic's stream that was stored before `time`; 0 if there is none. A binary search at the
 * leader: a consumer by start time may begin too early on a server that lags. Sequences that the stream has removed are
 * skipped.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function lastBefore(api: JetStreamApi, topic: string, time: Date): Promise<number> {
  const subject = streamSubjectOf(topic);
  const wanted = exactNanosOfDate(time);
  const { firstSequence, lastSequence } = await streamStateOf(api, topic, TIMEOUT_MS);
  let last = 0;
  // Every event below `low` was stored before `time`, none above `high` was.
  let low = Math.max(1, firstSequence);
  let high = lastSequence;
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const found = await findMessage(api, topic, { seq: middle, next_by_subj: subject }, TIMEOUT_MS);
    if (found !== undefined && BigInt(exactNanosOf(found.time)) < wanted) {
      last = found.seq;
      low = found.seq + 1;
    } else {
      high = middle - 1;
    }
  }
  return last;
}
