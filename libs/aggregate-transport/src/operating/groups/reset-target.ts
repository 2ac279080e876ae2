import type { RepartitionPorts } from '../../consumer/repartition/repartition-ports.js';
import { AggregateTransportError } from '../../errors.js';
import type { LayoutChange } from '../../records/group-record.js';

/**
 * Where a group begins again. `start`: at the first event the stream holds. `end`: behind its last one. `sequence`: the
 * first that is handled. `time`: what was stored then or later is handled.
 */
export type ResetTo = 'start' | 'end' | { readonly sequence: number } | { readonly time: Date };

/** A place to begin again, in the topic's stream. */
export interface ResolvedTarget {
  readonly start: NonNullable<LayoutChange['start']>;
  /** The first sequence that was asked for and that the stream has removed; undefined if it holds all. */
  readonly removedFrom: number | undefined;
  /** The first and the last sequence of the stream. */
  readonly first: number;
  readonly last: number;
}

/**
 * Refuses what names no place, before a server is asked.
 * @throws OPTIONS_INVALID
 */
export function checkTarget(to: ResetTo): void {
  const { sequence, time } = (typeof to === 'object' ? to : {}) as { sequence?: unknown; time?: unknown };
  const isSequence = Number.isSafeInteger(sequence) && (sequence as number) >= 1 && time === undefined;
  const isTime = time instanceof Date && !Number.isNaN(time.getTime()) && sequence === undefined;
  if (to === 'start' || to === 'end' || isSequence || isTime) return;
  throw invalid(
    `expected "to" to be 'start', 'end', { sequence } with a whole number above 0, or { time } with a Date, found ` +
      (typeof to === 'string' ? `"${String(to)}"` : 'something else'),
  );
}

/**
 * The last sequence that is not handled again.
 * @throws OPTIONS_INVALID if the sequence is above the next one of the stream
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function resolveTarget(ports: RepartitionPorts, to: ResetTo): Promise<ResolvedTarget> {
  const { created, firstSequence, lastSequence } = await ports.stream();
  const first = Math.max(1, firstSequence);
  const sequence = await lastNotHandled(ports, to, { first, last: lastSequence });
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
  to: ResetTo,
  { first, last }: { readonly first: number; readonly last: number },
): Promise<number> {
  if (to === 'start') return first - 1;
  if (to === 'end') return last;
  if ('time' in to) {
    const found = await ports.lastBefore(to.time);
    return found === 0 ? first - 1 : found;
  }
  if (to.sequence <= last + 1) return to.sequence - 1;
  throw invalid(`expected a sequence up to ${last + 1}, the next one of the stream, found ${to.sequence}`);
}

function invalid(text: string): AggregateTransportError {
  return new AggregateTransportError('OPTIONS_INVALID', text);
}
