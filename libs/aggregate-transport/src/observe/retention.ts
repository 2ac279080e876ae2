import type { StreamRoom } from '../records/group-on-server.js';

/**
 * The part of a limit that is left when an unsettled event counts as near its end. An operator needs time to act. A
 * group that falls behind steadily uses the last fifth in a quarter of the time that it has taken so far.
 */
const NEAR = 0.2;

/** The oldest event that a group has not settled. */
export interface OldestUnsettled {
  readonly sequence: number;
  /** In milliseconds since 1970. */
  readonly storedAt: number;
}

/**
 * Which limit of the stream soon drops the event, in words; undefined if none does. An event is dropped when the events
 * from it to the last one exceed a limit, or when it is too old. It is near that if they fill more than four fifths.
 *
 * Sequences between them may be missing, and events may differ in size. So numbers are upper bounds, and bytes are
 * estimated by the mean. Pure.
 */
export function nearRetention(
  room: StreamRoom,
  { sequence, storedAt }: OldestUnsettled,
  wallNow: number,
): string | undefined {
  const events = Math.min(room.messages, room.lastSequence - sequence + 1);
  const bytes = room.messages === 0 ? 0 : Math.round((events * room.bytes) / room.messages);
  const ageMs = wallNow - storedAt;
  if (isNear(events, room.maxMessages))
    return `${events} of at most ${room.maxMessages} events (max_msgs) are stored since it`;
  if (isNear(bytes, room.maxBytes))
    return `about ${bytes} of at most ${room.maxBytes} bytes (max_bytes) are stored since it`;
  if (isNear(ageMs, room.maxAgeMs))
    return `it is ${Math.round(ageMs)} ms old, of at most ${room.maxAgeMs} ms (max_age)`;
  return undefined;
}

function isNear(used: number, limit: number | undefined): boolean {
  return limit !== undefined && used > (1 - NEAR) * limit;
}
