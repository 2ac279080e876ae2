import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Journal, readJournal } from '../harness/journal.js';

/** An event that a service has decided on, together with its own data, and that is to be published. */
export interface Row {
  /** The event's id, so that publishing a row again stores nothing new. */
  readonly id: string;
  readonly aggregateId: string;
  readonly n: number;
}

export interface Mark {
  readonly id: string;
  readonly sequence: number;
}

/** An outbox as a table would hold it, in two files that survive the process. */
export class OutboxTable {
  readonly #rowsPath: string;
  readonly #marksPath: string;
  readonly #rows: Journal<Row>;
  readonly #marks: Journal<Mark>;

  constructor(folder: string) {
    this.#rowsPath = join(folder, 'rows.jsonl');
    this.#marksPath = join(folder, 'marks.jsonl');
    this.#rows = new Journal(this.#rowsPath);
    this.#marks = new Journal(this.#marksPath);
  }

  insert(row: Row): void {
    this.#rows.write(row);
  }

  mark(id: string, sequence: number): void {
    this.#marks.write({ id, sequence });
  }

  rows(): Row[] {
    return readJournal<Row>(this.#rowsPath);
  }

  marks(): Mark[] {
    return existsSync(this.#marksPath) ? readJournal<Mark>(this.#marksPath) : [];
  }

  /** In the order they were inserted. */
  unpublished(): Row[] {
    const marked = new Set(this.marks().map(({ id }) => id));
    return this.rows().filter(({ id }) => !marked.has(id));
  }

  close(): void {
    this.#rows.close();
    this.#marks.close();
  }
}
