import { type Clock, every, type Timer } from '../../clock.js';
import type { KeyedExecutor } from '../../executor/keyed-executor.js';
import { Delivery } from '../../message/delivery.js';
import type { LaneEntry } from '../handling/lane-entry.js';

/** The bytes that lanes may hold together. */
export interface LaneBytes {
  readonly limit: number;
  readonly held: number;
  /** Nothing more is taken in because of them. */
  readonly isSpent: boolean;
}

/** Takes a lane off the intake. */
export interface StuckLaneListener {
  isParked(token: string): boolean;
  /** The head of this lane does not move, and too much stands behind it. True if a detour was begun. */
  divert(token: string, head: LaneEntry, mode: string): boolean;
}

export interface StuckLanesOptions {
  readonly lanes: KeyedExecutor<LaneEntry>;
  readonly bytes: LaneBytes;
  readonly clock: Clock;
  readonly listener: StuckLaneListener;
}

const CHECK_EVERY_MS = 200;
/** A lane over its share is diverted only if its head has not moved for this long: a busy lane needs no detour. */
const STUCK_AFTER_MS = 1_000;
/** The part of what lanes may hold that one of them may hold while its head does not move. */
export const MAX_SHARE = 0.25;

/**
 * Finds the lanes that would stop all others. Such a lane holds its share of the intake, in events or in bytes, and its
 * head does not move. A moving head does not save it if the intake waits for bytes and only such lanes are left.
 */
export class StuckLanes {
  /** The head when the lane was first seen here, or has moved, and since when. */
  readonly #seen = new Map<string, { head: LaneEntry | undefined; since: number }>();
  readonly #watch: Timer;
  #spentSince: number | undefined;

  constructor(private readonly options: StuckLanesOptions) {
    this.#watch = every(options.clock, CHECK_EVERY_MS, () => this.#check());
  }

  /** The lane holds its share in events. */
  add(token: string): void {
    const { lanes, clock } = this.options;
    if (!this.#seen.has(token))
      this.#seen.set(token, { head: lanes.laneOf(token)?.head, since: clock.now() });
  }

  forget(): void {
    this.#seen.clear();
    this.#spentSince = undefined;
  }

  close(): void {
    this.#watch.cancel();
  }

  #check(): void {
    const { lanes, clock, bytes, listener } = this.options;
    const now = clock.now();
    this.#noteSpent(now);
    // The intake stops before all is spent: what is left may be too little for the next event.
    if (bytes.held >= bytes.limit * MAX_SHARE) this.#addByBytes();
    const isStarving = this.#isStarving(now);
    for (const [token, seen] of this.#seen) {
      const lane = lanes.laneOf(token);
      if (lane?.head === undefined || lane.size < 2 || listener.isParked(token)) {
        this.#seen.delete(token);
        continue;
      }
      if (lane.head !== seen.head) Object.assign(seen, { head: lane.head, since: now });
      const isStuck = now - seen.since >= STUCK_AFTER_MS;
      const isAlone = isStarving && lanes.laneCount <= this.#seen.size;
      if ((isStuck || isAlone) && listener.divert(token, lane.head, lane.mode)) this.#seen.delete(token);
    }
  }

  #noteSpent(now: number): void {
    this.#spentSince = this.options.bytes.isSpent ? (this.#spentSince ?? now) : undefined;
  }

  /** The intake has waited for bytes for so long that even a lane whose head moves may have to be diverted. */
  #isStarving(now: number): boolean {
    return this.#spentSince !== undefined && now - this.#spentSince >= STUCK_AFTER_MS;
  }

  /** Counted only while all lanes together hold a lane's share: a count for each event would cost all of them. */
  #addByBytes(): void {
    const { lanes, bytes } = this.options;
    const share = bytes.limit * MAX_SHARE;
    for (const { key, head } of lanes.lanes()) {
      let held = 0;
      for (let entry = head?.next; entry !== undefined && held < share; entry = entry.next) {
        if (entry instanceof Delivery) held += entry.origin.body.length;
      }
      if (held >= share) this.add(key);
    }
  }
}
