import type { Operations, ParkedSummary } from 'nestjs-aggregate-transport/operating';
import type { Clock } from '../clock.js';
import type { GroupRef } from '../source/board-source.js';

const PAGE = 1_000;
/** More parked aggregates than these are counted, and not listed. */
const MAX_LISTED = 20_000;
/** A list that took long to read is read again later: reading takes this part of the time at most. */
const REST_PER_READ = 10;
/** Groups whose lists are kept. */
const MAX_KEPT = 100;

interface Kept {
  readonly list: Promise<readonly ParkedSummary[]>;
  /** When it is read again, in milliseconds since 1970. */
  freshUntil: number;
}

/**
 * The parked aggregates of each group. The server is asked for each of them, so 10 000 take seconds: a long list is kept
 * for ten times as long as it took. All pages that want it at once share one read.
 */
export class ParkedLists {
  readonly #kept = new Map<string, Kept>();

  constructor(
    private readonly open: () => Pick<Operations, 'parked'>,
    private readonly clock: Clock,
  ) {}

  of(ref: GroupRef): Promise<readonly ParkedSummary[]> {
    const key = JSON.stringify([ref.topic, ref.group]);
    const known = this.#kept.get(key);
    if (known !== undefined && this.clock.wallNow() < known.freshUntil) return known.list;
    const startedAt = this.clock.wallNow();
    const kept: Kept = { list: this.#read(ref), freshUntil: Number.POSITIVE_INFINITY };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    for (const old of [...this.#kept.keys()].slice(0, Math.max(0, this.#kept.size - MAX_KEPT)))
      this.#kept.delete(old);
    kept.list.then(
      () => {
        const now = this.clock.wallNow();
        kept.freshUntil = now + (now - startedAt) * REST_PER_READ;
      },
      () => (kept.freshUntil = 0),
    );
    return kept.list;
  }

  /** Something was changed: the list is read again when it is asked for. */
  forget({ topic, group }: GroupRef): void {
    this.#kept.delete(JSON.stringify([topic, group]));
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
