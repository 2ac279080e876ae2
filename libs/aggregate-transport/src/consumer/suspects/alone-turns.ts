import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../../clock.js';

/** A partition whose handlers can be held back. */
export interface AloneMember {
  /** Starts no handler until {@link release}. */
  hold(): void;
  release(): void;
  /** When the youngest handler that runs was started, on the clock; undefined if none runs. */
  youngestStart(): number | undefined;
}

/** What has not killed its process within this time is not expected to: it may just hang. In milliseconds. */
export const ALONE_MS = 2_000;
const CHECK_EVERY_MS = 10;

/** The right to run alone, from {@link AloneTurns.tryTake} to {@link AloneTurns.give}. */
export interface Turn {
  readonly member: AloneMember;
}

/**
 * Lets one event at a time run with no other beside it in the whole process, so that a death has one culprit. Shared by
 * all partitions of a process.
 *
 * An event that hangs keeps its turn for {@link ALONE_MS}; afterwards it is no longer company for the next one, because
 * the process has survived it.
 */
export class AloneTurns {
  readonly #members = new Set<AloneMember>();
  readonly #taken = new Set<Turn>();

  constructor(private readonly clock: Clock) {}

  join(member: AloneMember): void {
    this.#members.add(member);
    if (this.#taken.size > 0) member.hold();
  }

  leave(member: AloneMember): void {
    this.#members.delete(member);
  }

  /**
   * True while an event runs alone, or is about to. {@link AloneMember.hold} keeps lanes from starting their heads; one
   * that has begun and waits for an answer asks here before it starts its handler.
   */
  isTaken(member: AloneMember): boolean {
    if (!isSabotaged('alone-per-partition')) return this.#taken.size > 0;
    return [...this.#taken].some((turn) => turn.member === member);
  }

  /** Takes the turn if it is free, and holds every handler back. Undefined: ask again later. */
  tryTake(member: AloneMember): Turn | undefined {
    if (this.isTaken(member)) return undefined;
    const turn: Turn = { member };
    this.#taken.add(turn);
    for (const one of this.#heldBy(turn)) one.hold();
    return turn;
  }

  /** Resolves when no handler runs that might still kill the process. */
  async whenQuiet(turn: Turn): Promise<void> {
    for (;;) {
      const now = this.clock.now();
      const waits = this.#heldBy(turn).map((one) => {
        const start = one.youngestStart();
        return start === undefined ? 0 : start + ALONE_MS - now;
      });
      const longest = Math.max(0, ...waits);
      if (longest <= 0) return;
      await delay(this.clock, Math.min(longest, CHECK_EVERY_MS));
    }
  }

  /** Ends a turn. Safe to call twice. */
  give(turn: Turn): void {
    if (!this.#taken.delete(turn)) return;
    for (const one of this.#heldBy(turn)) one.release();
  }

  #heldBy({ member }: Turn): AloneMember[] {
    return isSabotaged('alone-per-partition') ? [member] : [...this.#members];
  }
}
