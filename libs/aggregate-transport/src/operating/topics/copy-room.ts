import { AggregateTransportError } from '../../errors.js';
import type { CopiedState } from './copy-ports.js';

/** The limits of the stream that events are copied to; undefined for none. */
export interface CopyLimits {
  /** At a limit, old events are dropped instead of new ones refused. */
  readonly dropsOld: boolean;
  readonly maxMessages: number | undefined;
  readonly maxBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
}

/** What the header that names the original adds to an event, at most. */
const MARK_BYTES = 200;

/**
 * A stream that drops old events while it is copied to would lose them in silence. A copy that is run again could not
 * tell what it has copied. Pure.
 * @throws COPY_REFUSED
 */
export function requireRoom(
  topic: string,
  source: CopiedState,
  target: CopiedState,
  limits: CopyLimits,
): void {
  if (!limits.dropsOld) return;
  const bytes = source.bytes + source.messages * MARK_BYTES;
  const found =
    tooSmall('max_msgs', limits.maxMessages, Math.max(source.messages, target.messages)) ??
    tooSmall('max_bytes', limits.maxBytes, Math.max(bytes, target.bytes)) ??
    (limits.maxAgeMs === undefined ? undefined : `max_age ${limits.maxAgeMs} ms`);
  if (found === undefined) return;
  throw new AggregateTransportError(
    'COPY_REFUSED',
    `expected the stream of topic "${topic}" to keep all that is copied, found ${found}; raise it (topic edit), or let ` +
      'the stream refuse new events instead (stream.discard: new) while events are copied',
  );
}

function tooSmall(setting: string, limit: number | undefined, needed: number): string | undefined {
  return limit !== undefined && limit < needed
    ? `${setting} ${limit}, below the ${needed} needed`
    : undefined;
}

/** @throws COPY_REFUSED if the target has dropped events since the copy began */
export function requireKept(topic: string, before: CopiedState, now: CopiedState): void {
  if (now.firstSequence <= Math.max(1, before.firstSequence)) return;
  throw new AggregateTransportError(
    'COPY_REFUSED',
    `expected the stream of topic "${topic}" to keep all that is copied, found that it dropped events below ` +
      `${now.firstSequence}; raise its limits (topic edit), delete it and copy again`,
  );
}
