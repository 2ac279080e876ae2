import { AggregateTransportError } from '../../errors.js';
import type { StreamState } from '../../message/reader-port.js';
import type { GroupStart } from '../../records/group-record.js';
import type { StartAt } from '../api/configuration.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { streamStateOf } from '../api/stream-state.js';
import { lastBefore } from '../wires/last-before.js';

/** Where a group begins that has never started: the last sequence it does not handle, of which stream. */
export type FirstStart = Omit<GroupStart, 'epoch'>;

/**
 * Turns the option `consume.startAt` into a sequence of the stream as it is now. A sequence that the stream has dropped
 * already counts as its first one.
 * @throws OPTIONS_INVALID if the option names a sequence that the stream does not have yet
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function resolveStart(api: JetStreamApi, topic: string, startAt: StartAt): Promise<FirstStart> {
  const stream = await streamStateOf(api, topic);
  return { sequence: await lastNotHandled(api, { topic, startAt, stream }), created: stream.created };
}

async function lastNotHandled(
  api: JetStreamApi,
  { topic, startAt, stream }: { topic: string; startAt: StartAt; stream: StreamState },
): Promise<number> {
  const beforeFirst = Math.max(0, stream.firstSequence - 1);
  if (startAt === 'all') return beforeFirst;
  if (startAt === 'new') return stream.lastSequence;
  if ('time' in startAt) return Math.max(beforeFirst, await lastBefore(api, topic, startAt.time));
  const next = stream.lastSequence + 1;
  if (startAt.sequence > next) {
    throw new AggregateTransportError(
      'OPTIONS_INVALID',
      `expected consume.startAt.sequence of topic "${topic}" to be at most ${next}, the next one of its stream, ` +
        `found ${startAt.sequence}; correct it, or use "new"`,
    );
  }
  return Math.max(beforeFirst, startAt.sequence - 1);
}

/** The option `consume.startAt`, in words. */
export function describeStart(startAt: StartAt): string {
  if (typeof startAt === 'string') return `"${startAt}"`;
  return 'sequence' in startAt ? `sequence ${startAt.sequence}` : startAt.time.toISOString();
}
