import type { OutboxRow } from '../rows/outbox-row.js';

export interface ChainLimits {
  readonly rows: number;
  /** Of the bodies. A single row may exceed it. */
  readonly bytes: number;
}

/** The first rows of an aggregate that are sent together. Pure. */
export function chainOf<R extends Pick<OutboxRow, 'bytes'>>(rows: readonly R[], limits: ChainLimits): R[] {
  const chain: R[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += row.bytes;
    if (chain.length > 0 && (chain.length >= limits.rows || bytes > limits.bytes)) break;
    chain.push(row);
  }
  return chain;
}

/**
 * How many rows, from the first on, the stream holds already. Pure. An aggregate's rows are sent as a chain. So what
 * stands before a stored one was stored too, even if the stream has dropped it.
 */
export function storedAmong(
  rows: readonly Pick<OutboxRow, 'event'>[],
  sequences: ReadonlyMap<string, number>,
): number {
  if (sequences.size === 0) return 0;
  return 1 + rows.findLastIndex(({ event }) => sequences.has(event.eventId));
}

/** Whether every event that was found is one of these rows. Pure. */
export function areAmong(
  rows: readonly Pick<OutboxRow, 'event'>[],
  sequences: ReadonlyMap<string, number>,
): boolean {
  if (sequences.size === 0) return true;
  const ids = new Set(rows.map(({ event }) => event.eventId));
  return [...sequences.keys()].every((id) => ids.has(id));
}
