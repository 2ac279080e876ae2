/**
 * The place of a partition, as one JSON value. Meaning: every event of the partition up to `high` that is not in
 * `unsettled` is settled. Events of one aggregate settle in order, aggregates side by side: one number is not enough.
 */
export interface PositionRecord {
  /** Of this format. A record of another version is never claimed. */
  readonly v: 1;
  /** Of the owner that wrote it: grows with every change of owner. */
  readonly epoch: number;
  readonly owner: string;
  /** Counts the writes of an epoch; the claim is 1. */
  readonly write: number;
  /** When the topic's stream was made. Sequences of another stream mean other events. */
  readonly created: string;
  /** The highest settled sequence. */
  readonly high: number;
  /** When the event at `high` was stored, in nanoseconds since 1970; '' if not known. */
  readonly highTime: string;
  /** Sequences up to `high` that are not settled; see {@link encodeSequences}. */
  readonly unsettled: string;
  /** All that an owner of this record may have started is among its first `window` unsettled events. */
  readonly window: number;
  /** Owners in a row that ended without a last commit. */
  readonly deaths: number;
  /** Events that were started under suspicion and have not ended, by sequence. */
  readonly starts: Readonly<Record<string, StartEntry>>;
  /** How often the group began again: its stream was made again, or it, or one aggregate, was reset. Never falls. */
  readonly run: number;
  /** Events of earlier runs that may not be settled: the replay of one aggregate lets the run grow for later events. */
  readonly runs?: readonly RunStep[];
  /** The last commit of a drain: nothing runs, and the next owner inherits no suspects. */
  readonly rest?: true;
  /** Set while the partition still meets events that partitions of the layout before had settled. */
  readonly origin?: PositionOrigin;
  /** Drained for a change of layout: nothing starts unless that change is known to be cancelled. */
  readonly drained?: { readonly change: number };
  /** The largest `high` before the last reset: events up to there are a replay. */
  readonly replayUntil?: number;
  /** The run in which that reset began; without it `run`. */
  readonly replayRun?: number;
}

/** Events up to `through`, and above the step before, are of `run`. Both rise from step to step. */
export type RunStep = readonly [through: number, run: number];

/** How often an event was started without an end, how often of these alone, and the epoch of the last start. */
export type StartEntry = readonly [starts: number, alone: number, epoch: number];

/** What the partitions of an earlier layout had settled, for as long as it cannot be told otherwise. */
export interface PositionOrigin {
  /** How many partitions that layout had. */
  readonly partitions: number;
  readonly sources: readonly SourcePosition[];
}

export interface SourcePosition {
  readonly partition: number;
  readonly high: number;
  readonly unsettled: string;
}

/** False if a later release wrote the record: then none of its fields can be relied on. Pure. */
export function isReadable({ v }: { readonly v: number }): boolean {
  return v === 1;
}

const BASE = 36;
const RUN_MARK = '*';

/**
 * Ascending sequences as steps from one to the next in base 36, equal steps as `step*count`: 3 4 5 9 is `3 1*2 4`.
 * Pure.
 */
export function encodeSequences(sequences: Iterable<number>): string {
  let text = '';
  let before = 0;
  let step = 0;
  let count = 0;
  const flush = (): void => {
    if (count === 0) return;
    const run = count === 1 ? '' : RUN_MARK + count.toString(BASE);
    text += `${text === '' ? '' : ' '}${step.toString(BASE)}${run}`;
  };
  for (const sequence of sequences) {
    const next = sequence - before;
    before = sequence;
    if (next === step) {
      count++;
      continue;
    }
    flush();
    step = next;
    count = 1;
  }
  flush();
  return text;
}

/** The inverse of {@link encodeSequences}. Pure. */
export function decodeSequences(text: string): number[] {
  const sequences: number[] = [];
  let sequence = 0;
  for (const part of text === '' ? [] : text.split(' ')) {
    const [step = '', count = '1'] = part.split(RUN_MARK);
    for (let left = Number.parseInt(count, BASE); left > 0; left--) {
      sequence += Number.parseInt(step, BASE);
      sequences.push(sequence);
    }
  }
  return sequences;
}
