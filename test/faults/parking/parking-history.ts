import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readJournal } from '../harness/journal.js';
import type { PositionWrite, SentLetter } from '../oracle/history.js';
import type { StoredEvent } from '../oracle/stored.js';
import type { ParkingLine, Run } from './setup.js';

/** Milliseconds on the monotonic clock that all processes of the host share. */
export type Ms = number;

export interface HandlerRun extends Run {
  readonly worker: string;
  readonly start: Ms;
  /** When it ended; infinity if its process ended first, or never. */
  end: Ms;
  /** Undefined if it never ended. */
  ok: boolean | undefined;
}

/** A letter that the server has confirmed. */
export interface SeenLetter {
  /** The aggregate's token; keys of these runs are tokens. */
  readonly key: string;
  /** Its event's sequence in the topic's stream. */
  readonly seq: number;
  /** In the parked stream. */
  readonly position: number;
  /** The revision of the marker it names. */
  readonly marker: number;
  /** When its confirmation was seen; never early. */
  readonly at: Ms;
}

/** A write of an aggregate's marker, as it passed by. */
export interface SeenMarker {
  readonly key: string;
  /** Undefined if the marker was removed. */
  readonly state: string | undefined;
  readonly at: Ms;
}

/** All that is known of a run, from the journals, the streams and the bucket of markers. */
export interface ParkingHistory {
  /** The topic's stream. */
  readonly stored: readonly StoredEvent[];
  /** Sorted by start. */
  readonly runs: readonly HandlerRun[];
  /** Every letter that was ever stored. */
  readonly letters: readonly SeenLetter[];
  /** Letters whose removal was confirmed. */
  readonly removed: readonly { readonly position: number; readonly at: Ms }[];
  /** Events that were skipped by policy, with the confirmation of their letters. */
  readonly skipped: readonly SentLetter[];
  /** Every write of a marker. */
  readonly markers: readonly SeenMarker[];
  /** Every position that owners wrote. */
  readonly positions: readonly PositionWrite[];
  /** What the operator had dropped, by sequence: its aggregate continues without it. */
  readonly dropped: ReadonlySet<number>;
  /** What is left at the end. */
  readonly left: {
    readonly letters: readonly SeenLetter[];
    /** Events skipped by policy, by sequence. */
    readonly skipped: readonly number[];
    /** Tokens with the revision that names their marker. */
    readonly markers: readonly (readonly [token: string, identity: number])[];
  };
  /** A letter of an owner whose lease had ended was let through on purpose: such letters may be left over. */
  readonly mayHaveStrangers: boolean;
}

const NANOS_PER_MS = 1_000_000;

export interface Journals {
  readonly runs: HandlerRun[];
  readonly logs: {
    readonly worker: string;
    readonly at: Ms;
    readonly level: string;
    readonly text: string;
  }[];
}

/** Reads what all workers of a folder have written so far. */
export function readJournals(folder: string): Journals {
  const runs: HandlerRun[] = [];
  const logs: Journals['logs'] = [];
  for (const file of readdirSync(folder).filter((name) => /^worker-\d+\.jsonl$/.test(name))) {
    const worker = file.replace('.jsonl', '');
    const open = new Map<string, HandlerRun>();
    for (const line of readJournal<ParkingLine>(join(folder, file))) {
      const at = line.at / NANOS_PER_MS;
      if (line.what === 'log') {
        logs.push({ worker, at, level: line.level, text: line.text });
        continue;
      }
      const { key, n, seq, epoch, partition, attempt, run: ofGroup, isReplay } = line;
      const id = `${seq} ${epoch} ${attempt}`;
      if (line.what === 'start') {
        const run: HandlerRun = {
          ...{ key, n, seq, epoch, partition, attempt, run: ofGroup, isReplay, worker },
          start: at,
          end: Number.POSITIVE_INFINITY,
          ok: undefined,
        };
        runs.push(run);
        open.set(id, run);
        continue;
      }
      const run = open.get(id);
      if (run === undefined) continue;
      run.end = at;
      run.ok = line.ok;
    }
  }
  runs.sort((a, b) => a.start - b.start);
  return { runs, logs };
}
