import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import { releaseName } from './event-fate.js';
import { nowMs } from './harness/journal.js';
import type { ParkedNumber, VerifiedServer } from './verified-server.js';

const LOOK_EVERY_MS = 300;
/** How long an aggregate stays parked while there are faults: its later events follow it. */
const HOLD_MS = 1_000;

/** An operator who removes the cause and retries, now and then too early. */
export class Retries {
  /** Aggregates that were seen parked, each time counted. */
  parked = 0;
  /** Replays that ended with a live aggregate. */
  replayed = 0;
  /** Replays that failed again, as they had to: the cause was still there. */
  refused = 0;
  readonly #since = new Map<string, number>();
  readonly #busy = new Set<string>();
  #isOver = false;
  #isHasty = false;

  constructor(
    private readonly server: Pick<VerifiedServer, 'parked' | 'retry'>,
    /** Of the files that release events. */
    private readonly folder: string,
  ) {}

  /** Retries what is parked until {@link end}. */
  async run(): Promise<void> {
    const retrying = new Set<Promise<void>>();
    while (!this.#isOver) {
      for (const found of await this.#look()) {
        const retry = this.#retry(found);
        retrying.add(retry);
        void retry.finally(() => retrying.delete(retry));
      }
      await scheduled(LOOK_EVERY_MS);
    }
    await Promise.all(retrying);
    await this.#look();
  }

  /** From now on nothing stays parked longer than it must. */
  hasten(): void {
    this.#isHasty = true;
  }

  end(): void {
    this.#isOver = true;
  }

  /** The server may be out of reach for a moment: the next look finds what this one did not. */
  async #look(): Promise<ParkedNumber[]> {
    let found: ParkedNumber[];
    try {
      found = await this.server.parked();
    } catch {
      return [];
    }
    const now = nowMs();
    this.#noteLive(found);
    return found.filter(({ aggregateId }) => {
      if (this.#busy.has(aggregateId)) return false;
      const since = this.#since.get(aggregateId);
      if (since === undefined) {
        this.#since.set(aggregateId, now);
        this.parked++;
      }
      return this.#isHasty || now - (since ?? now) >= HOLD_MS;
    });
  }

  /** One that was parked and is no more has been replayed, even if the answer was lost. */
  #noteLive(found: readonly ParkedNumber[]): void {
    const parked = new Set(found.map(({ aggregateId }) => aggregateId));
    for (const aggregateId of this.#since.keys()) {
      if (parked.has(aggregateId) || this.#busy.has(aggregateId)) continue;
      this.replayed++;
      this.#since.delete(aggregateId);
    }
  }

  async #retry({ aggregateId, number }: ParkedNumber): Promise<void> {
    this.#busy.add(aggregateId);
    try {
      // One in three is retried with its cause in place.
      const isEarly = !this.#isHasty && (number ?? 0) % 3 === 0;
      if (isEarly && !(await this.server.retry(aggregateId))) this.refused++;
      if (number !== undefined) writeFileSync(join(this.folder, releaseName(aggregateId, number)), '');
      await this.server.retry(aggregateId);
    } catch {
      // Its owner was killed, or the server was out of reach: the next look finds it again.
    } finally {
      this.#busy.delete(aggregateId);
    }
  }
}
