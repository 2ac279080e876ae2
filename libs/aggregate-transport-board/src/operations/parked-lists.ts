import type { Operations, ParkedSummary } from 'nestjs-aggregate-transport/operating';
import type { Clock } from '../clock.js';
import type { GroupRef } from '../source/board-source.js';

const PAGE = 1_000;
/** More parked aggregates than these are counted, and not listed. */
const MAX_LISTED = 20_000;
/** A list that took long to read is read again later: reading takes a tenth of the time at most. */
const REST_PER_READ = 10;
/** A page is not kept waiting for longer: it shows the list that was read before. */
const PATIENCE_MS = 400;
/** Groups whose lists are kept. */
const MAX_KEPT = 100;

/** What is known of a group's parked aggregates. */
export interface ParkedKnown {
  readonly list: readonly ParkedSummary[];
  /** False while the list is read for the first time. */
  readonly isRead: boolean;
}

interface Kept {
  newest: readonly ParkedSummary[] | undefined;
  reading: Promise<void> | undefined;
  /** When it is read again, in milliseconds since 1970. */
  freshUntil: number;
}

/**
 * The parked aggregates of each group. The server is asked for every single one, so 10 000 take seconds. A long list is
 * kept for ten times as long as reading took, and no page waits for it. All pages share one read.
 */
export class ParkedLists {
  readonly #kept = new Map<string, Kept>();

  constructor(
    private readonly open: () => Pick<Operations, 'parked'>,
    private readonly clock: Clock,
  ) {}

  /** Rejects with what the server said, if it said so in time. */
  async of(ref: GroupRef): Promise<ParkedKnown> {
    const kept = this.#keptFor(ref);
    if (kept.reading === undefined && this.clock.wallNow() >= kept.freshUntil) this.#begin(kept, ref);
    if (kept.reading !== undefined) await this.#forAWhile(kept.reading);
    return { list: kept.newest ?? [], isRead: kept.newest !== undefined };
  }

  /** Something was changed: the list is read again when it is asked for. */
  forget(ref: GroupRef): void {
    const kept = this.#keptFor(ref);
    kept.freshUntil = 0;
    kept.reading = undefined;
  }

  #keptFor({ topic, group }: GroupRef): Kept {
    const key = JSON.stringify([topic, group]);
    const kept = this.#kept.get(key) ?? { newest: undefined, reading: undefined, freshUntil: 0 };
    // The one that was asked for longest ago stands first.
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return kept;
  }

  #begin(kept: Kept, ref: GroupRef): void {
    const startedAt = this.clock.wallNow();
    const reading = this.#read(ref).then(
      (list) => {
        // A command was given meanwhile: what was read may be older.
        if (kept.reading !== reading) return;
        const now = this.clock.wallNow();
        kept.newest = list;
        kept.freshUntil = now + (now - startedAt) * REST_PER_READ;
        kept.reading = undefined;
      },
      (error: unknown) => {
        if (kept.reading === reading) kept.reading = undefined;
        throw error;
      },
    );
    // It is told to those who still wait, and tried again for the next page.
    reading.catch(() => undefined);
    kept.reading = reading;
  }

  async #forAWhile(reading: Promise<void>): Promise<void> {
    let cancel = (): void => undefined;
    const patience = new Promise<void>((resolve) => {
      cancel = this.clock.after(PATIENCE_MS, resolve);
    });
    try {
      await Promise.race([reading, patience]);
    } finally {
      cancel();
    }
  }

  async #read({ topic, group }: GroupRef): Promise<readonly ParkedSummary[]> {
    const found: ParkedSummary[] = [];
    let after: string | undefined;
    do {
      const page = { limit: PAGE, ...(after === undefined ? {} : { after }) };
      const { aggregates, next } = await this.open().parked({ topic, group }, {}, page);
      found.push(...aggregates);
      after = next;
    } while (after !== undefined && found.length < MAX_LISTED);
    return found;
  }
}
