import type { Clock, Timer } from '../../clock.js';
import type { Lane } from './lane.js';

/** Events of some aggregates are not stored now, and are sent again. */
export interface RelayTrouble {
  /** Milliseconds since 1970, by this host's clock. */
  readonly since: number;
  /** How many aggregates wait. */
  readonly aggregates: number;
  /** The cause, as the last attempt found it. */
  readonly why: string;
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 2_000;
/** So much of the pause for each lane that waits. So at most 200 lanes are tried again within a second. */
const SPREAD_MS = 5;

/** The pause after so many failed attempts, while so many lanes wait, in milliseconds. Pure. */
export function pauseAfter(failures: number, waiting: number): number {
  const own = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10));
  return Math.max(own, SPREAD_MS * waiting);
}

/**
 * Keeps the lanes whose last attempt failed for now, until one succeeds. A cause may hit every aggregate alike: a
 * missing permission, a full stream, an outage. Then none of them is stopped. They are tried again one after the other.
 * When one of them is stored, the cause is gone: the others are tried again at once. Lanes without a failure are sent
 * as ever.
 */
export class Waits {
  readonly #failing = new Set<Lane>();
  readonly #timers = new Map<Lane, Timer>();
  #since = 0;
  #why = '';

  constructor(
    private readonly clock: Clock,
    /** The lane's pause is over. */
    private readonly again: (lane: Lane) => void,
  ) {}

  /** Undefined if no aggregate has failed since its last event was stored. */
  get trouble(): RelayTrouble | undefined {
    const aggregates = this.#failing.size;
    return aggregates === 0 ? undefined : { since: this.#since, aggregates, why: this.#why };
  }

  /** An attempt of the lane failed for now. */
  add(lane: Lane, error: unknown): void {
    if (this.#failing.size === 0) this.#since = this.clock.wallNow();
    this.#why = error instanceof Error ? error.message : String(error);
    this.#failing.add(lane);
    const pause = pauseAfter(lane.failures, this.#timers.size + 1);
    this.#timers.set(
      lane,
      this.clock.after(pause, () => this.#end(lane)),
    );
  }

  /** Rows of the lane are stored. */
  noteStored(lane: Lane): void {
    if (!this.#failing.delete(lane)) return;
    for (const waiting of [...this.#timers.keys()]) this.#end(waiting);
  }

  /** The lane was stopped, or all of its rows were stored earlier. */
  forget(lane: Lane): void {
    this.#failing.delete(lane);
  }

  #end(lane: Lane): void {
    this.#timers.get(lane)?.cancel();
    this.#timers.delete(lane);
    this.again(lane);
  }
}
