import type { RepartitionPorts } from '../../consumer/repartition/repartition-ports.js';
import type { LayoutChange } from '../../records/group-record.js';
import { UsageError } from '../command/terminal.js';

/** Where a group is to begin again. */
export type ResetTarget =
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  /** This sequence is the first that is handled. */
  | { readonly kind: 'sequence'; readonly sequence: number }
  /** Events stored at this time or later are handled. */
  | { readonly kind: 'time'; readonly time: Date };

/** A target, resolved in the topic's stream. */
export interface ResolvedTarget {
  readonly start: NonNullable<LayoutChange['start']>;
  /** The first sequence that was asked for and that the stream has removed; undefined if it holds all. */
  readonly removedFrom: number | undefined;
  /** The first and the last sequence of the stream. */
  readonly first: number;
  readonly last: number;
}

const FORMS = 'start, end, sequence:N or time:ISO-TIME';

/**
 * Reads `--to`: the number or time may follow a colon or stand as the next word. Pure.
 * @throws UsageError
 */
export function parseTarget(to: string | undefined, nextWord?: string): ResetTarget {
  if (to === undefined) throw new UsageError(`expected --to ${FORMS}`);
  const colon = to.indexOf(':');
  if (colon >= 0 && nextWord !== undefined)
    throw new UsageError(`expected nothing after --to ${to}, found "${nextWord}"`);
  const [kind, value] = colon < 0 ? [to, nextWord] : [to.slice(0, colon), to.slice(colon + 1)];
  if ((kind === 'start' || kind === 'end') && value === undefined) return { kind };
  if (kind === 'sequence') return { kind, sequence: parseSequence(value) };
  if (kind === 'time') return { kind, time: parseTime(value) };
  throw new UsageError(`expected --to ${FORMS}, found "${[to, nextWord].filter(Boolean).join(' ')}"`);
}

function parseSequence(value: string | undefined): number {
  const sequence = Number(value);
  if (Number.isSafeInteger(sequence) && sequence >= 1) return sequence;
  throw new UsageError(`expected --to sequence:N with a whole number above 0, found "${value ?? ''}"`);
}

function parseTime(value = ''): Date {
  const time = new Date(value);
  if (!Number.isNaN(time.getTime())) return time;
  throw new UsageError(`expected --to time:T with a time such as 2026-01-31T12:00:00Z, found "${value}"`);
}

/**
 * The last sequence that is not handled again.
 * @throws UsageError if the sequence is above the next one of the stream
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function resolveTarget(ports: RepartitionPorts, target: ResetTarget): Promise<ResolvedTarget> {
  const { created, firstSequence, lastSequence } = await ports.stream();
  const first = Math.max(1, firstSequence);
  const sequence = await lastNotHandled(ports, target, { first, last: lastSequence });
  // What the stream no longer holds is not handled, and must not be counted as lost by the new owners.
  const kept = Math.max(sequence, first - 1);
  return {
    start: { sequence: kept, created },
    removedFrom: kept > sequence ? sequence + 1 : undefined,
    first,
    last: lastSequence,
  };
}

async function lastNotHandled(
  ports: RepartitionPorts,
  target: ResetTarget,
  { first, last }: { readonly first: number; readonly last: number },
): Promise<number> {
  switch (target.kind) {
    case 'start':
      return first - 1;
    case 'end':
      return last;
    case 'time': {
      const found = await ports.lastBefore(target.time);
      return found === 0 ? first - 1 : found;
    }
    case 'sequence':
      if (target.sequence <= last + 1) return target.sequence - 1;
      throw new UsageError(
        `expected a sequence up to ${last + 1}, the next one of the stream, found ${target.sequence}`,
      );
  }
}
