import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Every line carries the monotonic clock, which all processes of a host share, in nanoseconds. */
export type Stamped<L> = L & { readonly at: number };

/** Now, in nanoseconds. */
export function stamp(): number {
  return Number(process.hrtime.bigint());
}

const NANOS_PER_MS = 1_000_000;

/** A stamp in milliseconds. */
export function msOf(nanos: number): number {
  return nanos / NANOS_PER_MS;
}

/** Now, in milliseconds on the clock of {@link stamp}. */
export function nowMs(): number {
  return msOf(stamp());
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
 * Reads a journal; a last line that a kill cut short is dropped. With `holding` only lines with this text are parsed.
 * Parsing costs much more than reading, and a reader during a run must not keep its proxies waiting.
 */
export function readJournal<L extends object>(path: string, holding = ''): Stamped<L>[] {
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '' && line.includes(holding))
    .map((line) => JSON.parse(line) as Stamped<L>);
}
