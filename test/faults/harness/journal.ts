import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { PositionLine } from './position-tap.js';

/** An event of one key, as a handler sees it. */
export interface Handling {
  readonly key: string;
  readonly n: number;
  readonly seq: number;
  readonly partition: number;
  /** The fencing token the handler read. */
  readonly epoch: number;
  readonly attempt: number;
}

/** What a worker writes. */
export type WorkerLine =
  | ({ readonly what: 'start' } & Handling)
  | ({ readonly what: 'end'; readonly ok: boolean; readonly why?: string } & Handling)
  | { readonly what: 'ready' | 'stopping' | 'stopped' }
  | { readonly what: 'block' | 'hang'; readonly on: boolean; readonly key: string; readonly n: number }
  | { readonly what: 'log'; readonly level: string; readonly text: string };

/** What the effect store writes, in the order it decided. */
export type EffectLine = {
  readonly what: 'effect';
  readonly worker: string;
  readonly accepted: boolean;
  /** The highest epoch that had written to the partition before. */
  readonly highest: number;
} & Handling;

/** What the parent writes: publisher, nemesis and tap. */
export type ParentLine =
  | { readonly what: 'pub.call'; readonly key: string; readonly n: number }
  | { readonly what: 'pub.ok'; readonly key: string; readonly n: number; readonly seq: number }
  | {
      readonly what: 'pub.fail' | 'pub.unknown';
      readonly key: string;
      readonly n: number;
      readonly code: string;
    }
  | {
      readonly what: 'fault';
      readonly kind: string;
      readonly on: boolean;
      /** The worker it hits; absent if it hits all. */
      readonly slot?: number;
      readonly note?: string;
    }
  | { readonly what: 'spawn'; readonly slot: number; readonly worker: string; readonly pid: number }
  | {
      readonly what: 'exit';
      readonly slot: number;
      readonly worker: string;
      readonly how: string;
      readonly expected: boolean;
    }
  | PositionLine
  | { readonly what: 'letter'; readonly seq: number }
  | { readonly what: 'tap.gap' }
  | { readonly what: 'phase'; readonly name: string };

/** Every line carries the monotonic clock, which all processes of a Linux host share, in nanoseconds. */
export type Stamped<L> = L & { readonly at: number };

/** Now, in nanoseconds. */
export function stamp(): number {
  return Number(process.hrtime.bigint());
}

/**
 * A log file of JSON lines. Each line is one synchronous write to the end of the file. So a killed process has written
 * all it did, and nothing it did not do.
 */
export class Journal<L extends object> {
  readonly #file: number;

  /** What is written outlives its process. Writing through to the disk would add 2 ms a line and stall the proxies. */
  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(line: L): void {
    writeSync(this.#file, `${JSON.stringify({ at: stamp(), ...line })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/**
 * Reads a journal; a last line that a kill cut short is dropped. With `holding` only the lines that hold this text.
 * Reading is much cheaper than parsing, and a look during a run must not keep its proxies waiting.
 */
export function readJournal<L extends object>(path: string, holding = ''): Stamped<L>[] {
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '' && line.includes(holding))
    .map((line) => JSON.parse(line) as Stamped<L>);
}
