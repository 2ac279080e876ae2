import { OrderOracle, type OracleVerdict } from '#library/judging/order-oracle.js';

export interface Entry {
  readonly n: number;
  mark: 'running' | 'done' | 'failed';
  /** It began before an earlier event of its aggregate had ended. */
  readonly isEarly: boolean;
}

/** What a side of the page has made of one aggregate's events, as the oracle was told. */
export interface Row {
  readonly key: number;
  /** In the order in which handlers began, the newest last. */
  readonly begun: Entry[];
  waiting: number;
  note: string;
}

const SHOWN = 24;

/** Notes what handlers do, for the page to show and the oracle to judge. */
export class Side {
  readonly rows: Row[];
  /** Times an event began before an earlier one of its aggregate had ended. */
  overtaken = 0;
  handled = 0;
  readonly #oracle = new OrderOracle();
  /** Per key: the events that have ended well, and up to which none is missing. */
  readonly #ended: { through: number; readonly numbers: Set<number> }[];

  constructor(keys: number) {
    this.rows = Array.from({ length: keys }, (_, key) => ({ key, begun: [], waiting: 0, note: '' }));
    this.#ended = this.rows.map(() => ({ through: 0, numbers: new Set() }));
  }

  /** Of the oracle, which the tests of the library use, too. */
  get verdict(): OracleVerdict {
    return this.#oracle.verdict();
  }

  get isComplete(): boolean {
    return this.#oracle.isComplete;
  }

  published(key: number): number {
    this.#row(key).waiting += 1;
    return this.#oracle.published(nameOf(key));
  }

  /** Returns what tells the attempt's end. */
  started(key: number, n: number): (ok: boolean) => void {
    const row = this.#row(key);
    this.#oracle.started(nameOf(key), n);
    const ended = this.#endedOf(key);
    const isEarly = n > ended.through + 1 || row.begun.some(({ mark }) => mark === 'running');
    if (isEarly) this.overtaken += 1;
    const entry: Entry = { n, mark: 'running', isEarly };
    row.begun.push(entry);
    if (row.begun.length > SHOWN) row.begun.shift();
    return (ok) => {
      this.#oracle.ended(nameOf(key), n, ok);
      entry.mark = ok ? 'done' : 'failed';
      if (!ok) return;
      row.waiting -= 1;
      this.handled += 1;
      ended.numbers.add(n);
      while (ended.numbers.has(ended.through + 1)) ended.through += 1;
    };
  }

  #endedOf(key: number): { through: number; readonly numbers: Set<number> } {
    const ended = this.#ended[key];
    if (ended === undefined) throw new Error(`expected one of ${this.#ended.length} keys, found ${key}`);
    return ended;
  }

  #row(key: number): Row {
    const row = this.rows[key];
    if (row === undefined) throw new Error(`expected one of ${this.rows.length} keys, found ${key}`);
    return row;
  }
}

export function nameOf(key: number): string {
  return `order-${key + 1}`;
}
