/** What the oracle found wrong, in words a test can print. */
export interface OracleVerdict {
  /** Handlers that have ended well, repeats included. */
  readonly handled: number;
  /** Those among them whose event had been handled before. */
  readonly repeated: number;
  /** Events that started before their predecessor was handled; the first 20. */
  readonly violations: readonly string[];
  /** Handlers of one aggregate that ran at once; the first 20. */
  readonly overlaps: readonly string[];
  /** Aggregates with events that were published and never handled; the first 20. */
  readonly lost: readonly string[];
}

interface Journal {
  published: number;
  /** Highest number of the aggregate whose handler has ended well. */
  completed: number;
  running: number | undefined;
}

const MAX_REPORTED = 20;

/**
 * Judges order while a test runs, independently of the transport. Tell it what was published, what started and what
 * ended, numbered 1, 2, 3, … per aggregate. Event n may start only after n-1 has ended, one at a time. A repeat of an
 * older event is counted, and must be followed by its successors before anything new. It keeps a line per aggregate,
 * so it can judge runs of any length. It knows nothing of processes, owners and the stream: those are in a history, and
 * {@link judgeHistory} judges that.
 */
export class OrderOracle {
  readonly #journals = new Map<string, Journal>();
  readonly #violations: string[] = [];
  readonly #overlaps: string[] = [];
  #handled = 0;
  #repeated = 0;

  /** Event number `n` of the aggregate was published; returns n. */
  published(aggregateId: string): number {
    return ++this.#journalOf(aggregateId).published;
  }

  /** The handler of event number `n` starts. */
  started(aggregateId: string, n: number): void {
    const journal = this.#journalOf(aggregateId);
    if (journal.running !== undefined) {
      this.#note(this.#overlaps, `${aggregateId}: ${n} started while ${journal.running} ran`);
    }
    if (n > journal.completed + 1) {
      this.#note(this.#violations, `${aggregateId}: ${n} started after ${journal.completed}`);
    }
    journal.running = n;
  }

  /** The handler of event number `n` ended; `ok` if it succeeded. */
  ended(aggregateId: string, n: number, ok: boolean): void {
    const journal = this.#journalOf(aggregateId);
    journal.running = undefined;
    if (!ok) return;
    this.#handled++;
    if (n <= journal.completed) this.#repeated++;
    // A repeat sends the aggregate back: what follows it must come again before anything new.
    journal.completed = n;
  }

  /** True when every published event has been handled. */
  get isComplete(): boolean {
    return [...this.#journals.values()].every((journal) => journal.completed >= journal.published);
  }

  /** What is wrong so far. May be asked at any time, and again. */
  verdict(): OracleVerdict {
    const lost: string[] = [];
    for (const [aggregateId, journal] of this.#journals) {
      if (journal.completed < journal.published) {
        this.#note(lost, `${aggregateId}: handled up to ${journal.completed} of ${journal.published}`);
      }
    }
    return {
      handled: this.#handled,
      repeated: this.#repeated,
      violations: this.#violations,
      overlaps: this.#overlaps,
      lost,
    };
  }

  #journalOf(aggregateId: string): Journal {
    let journal = this.#journals.get(aggregateId);
    if (journal === undefined) {
      journal = { published: 0, completed: 0, running: undefined };
      this.#journals.set(aggregateId, journal);
    }
    return journal;
  }

  #note(list: string[], text: string): void {
    if (list.length < MAX_REPORTED) list.push(text);
    else if (list.length === MAX_REPORTED) list.push('and more');
  }
}
