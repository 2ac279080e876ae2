import { type Clock, every, type Timer } from '../../clock.js';
import type { KeyedExecutor } from '../../executor/keyed-executor.js';
import type { LaneItem } from '../../executor/lane.js';

export interface OverShareOptions<T extends LaneItem> {
  readonly lanes: KeyedExecutor<T>;
  readonly clock: Clock;
  /** True if it needs no detour, because it is on one. */
  readonly isParked: (token: string) => boolean;
  /** The head of this lane does not move, and too much stands behind it. True if a detour was begun. */
  readonly stuck: (token: string, head: T, mode: string) => boolean;
}

const LOOK_EVERY_MS = 200;
/** A lane over its share is diverted only if its head has not moved for this long: a hot one that moves needs no detour. */
const STUCK_AFTER_MS = 1_000;

/** Finds, among the lanes that hold their share of the intake, those whose head does not move. */
export class OverShare<T extends LaneItem> {
  /** The head when the lane was first seen here, or has moved, and since when. */
  readonly #seen = new Map<string, { head: T | undefined; since: number }>();
  readonly #watch: Timer;

  constructor(private readonly options: OverShareOptions<T>) {
    this.#watch = every(options.clock, LOOK_EVERY_MS, () => this.#look());
  }

  add(token: string): void {
    const { lanes, clock } = this.options;
    if (!this.#seen.has(token)) {
      this.#seen.set(token, { head: lanes.laneOf(token)?.head, since: clock.now() });
    }
  }

  forget(): void {
    this.#seen.clear();
  }

  close(): void {
    this.#watch.cancel();
  }

  #look(): void {
    const { lanes, clock, isParked, stuck } = this.options;
    for (const [token, seen] of this.#seen) {
      const lane = lanes.laneOf(token);
      if (lane?.head === undefined || lane.size < 2 || isParked(token)) this.#seen.delete(token);
      else if (lane.head !== seen.head) Object.assign(seen, { head: lane.head, since: clock.now() });
      else if (clock.now() - seen.since >= STUCK_AFTER_MS && stuck(token, lane.head, lane.mode)) {
        this.#seen.delete(token);
      }
    }
  }
}
