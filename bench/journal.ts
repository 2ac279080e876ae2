import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';

/** An event that a process has handled. */
export interface JournalEntry {
  readonly sequence: number;
  /** Milliseconds since 1970, with fractions: comparable between the processes of one machine. */
  readonly at: number;
}

const ENTRY_BYTES = 16;

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Writes down handled events so that a SIGKILL right after a handler's end loses none: one system call per event. */
export class Journal {
  readonly #entry = new Float64Array(2);
  readonly #bytes = new Uint8Array(this.#entry.buffer);
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  add(sequence: number): void {
    this.#entry[0] = sequence;
    this.#entry[1] = nowMs();
    writeSync(this.#file, this.#bytes);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Everything in the journal so far, in the order in which it was handled. */
export function readJournal(path: string): JournalEntry[] {
  const bytes = readFileSync(path);
  const count = Math.floor(bytes.byteLength / ENTRY_BYTES);
  const values = new Float64Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + count * ENTRY_BYTES),
  );
  return Array.from({ length: count }, (_, index) => ({
    sequence: values[2 * index] ?? 0,
    at: values[2 * index + 1] ?? 0,
  }));
}

/** How many events are in the journal so far. */
export function journalLength(path: string): number {
  return Math.floor(statSync(path).size / ENTRY_BYTES);
}
