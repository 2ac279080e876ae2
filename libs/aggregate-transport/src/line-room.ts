import type { Clock } from './clock.js';

/** For so long lines share their room, in milliseconds. What had none is summed up at its end. */
export const SUMMARY_EVERY_MS = 10_000;
/** Lines of one kind within that time. With more of them a sum says more than the lines. */
export const MAX_LINES = 100;

/** What had no room. */
export interface LeftOutLines {
  readonly count: number;
  /** Names of events, each with a count. */
  readonly events: string;
}

/**
 * Keeps a flood from filling the log: room for {@link MAX_LINES} in each {@link SUMMARY_EVERY_MS}. Lines without room
 * are counted by the name of their event, and nothing else of them is kept.
 */
export class LineRoom {
  readonly #leftOut = new Map<string, number>();
  #lines = 0;
  #windowEndsAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly clock: Pick<Clock, 'now'>) {}

  /** Takes room for one line. False if there is none. */
  take(): boolean {
    const now = this.clock.now();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + SUMMARY_EVERY_MS;
      this.#lines = 0;
    }
    if (this.#lines >= MAX_LINES) return false;
    this.#lines++;
    return true;
  }

  /** Counts a line that is not said. */
  leaveOut(event: string): void {
    this.#leftOut.set(event, (this.#leftOut.get(event) ?? 0) + 1);
  }

  /** What was left out since the last call, which is told once; undefined if nothing was. */
  takeLeftOut(): LeftOutLines | undefined {
    if (this.#leftOut.size === 0) return undefined;
    const counts = [...this.#leftOut];
    this.#leftOut.clear();
    return {
      count: counts.reduce((sum, [, of]) => sum + of, 0),
      events: counts.map(([event, of]) => `${event} ${of}`).join(', '),
    };
  }
}
