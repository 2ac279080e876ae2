import type { Clock, Timer } from '#library/clock.js';
import type { ManualClock } from '#library/testing/memory/manual-clock.js';
import type { Dice } from '../repartition/walk-schedule.js';

export interface WalkHostOptions {
  readonly clock: ManualClock;
  readonly dice: Dice;
  /** A broken rule: its clocks do not tell that it slept. */
  readonly standsWhileFrozen: boolean;
}

const ANSWER_WITHIN_MS = 500;
const MAX_DELAY_MS = 20;
const MAX_HELD_MS = 6_000;

/**
 * Where a process of the walk runs: its network delays, holds and loses what it carries; its clocks jump, or it
 * sleeps.
 */
export class WalkHost implements Clock {
  isCut = false;
  /** Hears nothing, though its requests arrive. */
  isDeaf = false;
  /** How likely a request is held or its answer is lost. */
  faults = 0;
  #isDead = false;
  #thawed: (() => void)[] | undefined;
  #frozenAt = 0;
  #stoodMs = 0;
  #wallOffsetMs = 0;

  constructor(private readonly options: WalkHostOptions) {}

  get isDead(): boolean {
    return this.#isDead;
  }

  get isFrozen(): boolean {
    return this.#thawed !== undefined;
  }

  die(): void {
    this.#isDead = true;
  }

  /** Nothing runs in it; what it has sent is on its way. */
  freeze(): void {
    this.#thawed ??= [];
    this.#frozenAt = this.options.clock.now();
  }

  thaw(): void {
    const waiting = this.#thawed ?? [];
    if (this.isFrozen) this.#stoodMs += this.options.clock.now() - this.#frozenAt;
    this.#thawed = undefined;
    for (const run of waiting) run();
  }

  jumpWallClock(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  now(): number {
    const { clock, standsWhileFrozen } = this.options;
    if (!standsWhileFrozen) return clock.now();
    return (this.isFrozen ? this.#frozenAt : clock.now()) - this.#stoodMs;
  }

  wallNow(): number {
    return this.options.standsWhileFrozen ? this.now() : this.options.clock.wallNow() + this.#wallOffsetMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.options.clock.after(delayMs, () => this.#run(callback));
  }

  soon(callback: () => void): void {
    this.options.clock.soon(() => this.#run(callback));
  }

  nextTurn(callback: () => void): void {
    this.options.clock.nextTurn(() => this.#run(callback));
  }

  /** A write may arrive long after its sender has given up. */
  send<T>(carryOut: () => Promise<T>): Promise<T> {
    const { clock, dice } = this.options;
    return new Promise((resolve, reject) => {
      clock.after(ANSWER_WITHIN_MS, () => this.#run(() => reject(new Error('no answer'))));
      const isLost = dice.happens(this.faults);
      clock.after(this.#travelMs(), () => {
        if (this.isCut || this.#isDead) return;
        void carryOut().then((answer) => {
          if (!isLost) clock.after(this.#travelMs(), () => this.#run(() => resolve(answer)));
        });
      });
    });
  }

  /** Announcements may be missed. */
  hear(callback: () => void): void {
    const { clock, dice } = this.options;
    if (this.isCut || this.isDeaf || dice.happens(this.faults)) return;
    clock.after(dice.below(MAX_DELAY_MS), () => this.#run(callback));
  }

  #run(callback: () => void): void {
    if (this.#isDead) return;
    if (this.#thawed === undefined) callback();
    else this.#thawed.push(callback);
  }

  #travelMs(): number {
    const { dice } = this.options;
    return dice.below(dice.happens(this.faults) ? MAX_HELD_MS : MAX_DELAY_MS);
  }
}
