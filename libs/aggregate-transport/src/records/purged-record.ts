import { decodeSequences, encodeSequences } from './position-record.js';

/** Sequences that one record tells of: its value stays far below the largest message, and a purge writes few. */
const SEQUENCES_A_RECORD = 65_536;

/**
 * Events that an operator has purged, as sequences of a topic's stream. Nothing of the events or their aggregates is
 * kept. A group that does not find them knows that they were not lost.
 */
export interface PurgedRecord {
  readonly v: 1;
  /** When the stream was made. Sequences of another stream mean other events. */
  readonly created: string;
  /** See {@link encodeSequences}. */
  readonly sequences: string;
}

/** The record that tells of this sequence. Pure. */
export function purgedPartOf(sequence: number): number {
  return Math.floor(sequence / SEQUENCES_A_RECORD);
}

/** Ascending sequences by the record that tells of them. Pure. */
export function byPurgedPart(sequences: readonly number[]): ReadonlyMap<number, readonly number[]> {
  const parts = new Map<number, number[]>();
  for (const sequence of sequences) {
    const part = purgedPartOf(sequence);
    const known = parts.get(part);
    if (known === undefined) parts.set(part, [sequence]);
    else known.push(sequence);
  }
  return parts;
}

/** The record with these sequences besides those it has; undefined if it has them all. Pure. */
export function withPurged(
  found: PurgedRecord | undefined,
  created: string,
  sequences: readonly number[],
): PurgedRecord | undefined {
  const known = sequencesOf(found, created);
  const all = new Set([...known, ...sequences]);
  if (all.size === known.length) return undefined;
  return { v: 1, created, sequences: encodeSequences([...all].toSorted((a, b) => a - b)) };
}

/** Ascending; none of another stream. Pure. */
export function sequencesOf(record: PurgedRecord | undefined, created: string): readonly number[] {
  return record?.created === created ? decodeSequences(record.sequences) : [];
}
