import { isSabotaged } from '#sabotage';
import type { Clock } from '../clock.js';
import { PassingMap } from '../passing-map.js';
import { DueTimes } from './due-times.js';
import { Lane, type LaneItem, type LaneLook } from './lane.js';

/** What becomes of a lane after its head ran: {@link NEXT}, {@link CLOSE}, or the milliseconds until it runs again. */
export type Step = number;
/** The head, and what its run held besides, is done: take it off and continue with the next one. */
export const NEXT: Step = -1;
/** The head stays, and its lane is closed until {@link KeyedExecutor.open}. */
export const CLOSE: Step = -2;

/** How long the executor starts runs within one turn of the event loop. Longer: sockets and lease renewals wait. */
const TURN_BUDGET_MS = 5;
/**
 * How many runs that end later start within one turn. Most of them end in a microtask, which run only between turns.
 * With every place taken at once, all they have made stays alive until then, and the collector copies it.
 */
const LATER_PER_TURN = 128;
/** How many runs start between two looks at the clock. */
const STARTS_PER_LOOK = 16;

export interface KeyedExecutorOptions<T> {
  /** How many heads run at once, over all lanes; a head that waits to run again does not count. */
  readonly concurrency: number;
  readonly clock: Clock;
  /**
   * Runs the head of a lane, and with a `span` above 1 the next items of its lane too. Should neither throw nor reject:
   * a failure is a step, too.
   */
  readonly run: (item: T, span: number) => Step | PromiseLike<Step>;
  /** How many items, from this head on, its next run takes together. Undefined: one. */
  readonly spanOf?: ((head: T) => number) | undefined;
  /** A run threw or rejected all the same. Says what follows for its lane; must not throw. */
  readonly broke: (item: T, error: unknown) => Step;
  /** Heads had to wait for the processor or for a place, and none does any more. */
  readonly caughtUp?: () => void;
}

/**
 * Runs items one at a time per key, in the order they were pushed, and keys side by side.
 *
 * Fair between keys: a lane gets one run per turn through the ready ring, however long its queue.
 * A lane whose head waits or is closed holds up no other. Runs start when the code that pushes has come to its end. So
 * one read from the socket is taken in whole before the first handler blocks the loop. If others have started in this
 * turn, they start in the next one, so that the loop gets to its timers however much is read.
 */
export class KeyedExecutor<T extends LaneItem> {
  readonly #lanes = new PassingMap<string, Lane<T>>();
  readonly #waiting: DueTimes<Lane<T>>;
  #firstReady: Lane<T> | undefined;
  #lastReady: Lane<T> | undefined;
  #running = 0;
  #queued = 0;
  #scheduled = false;
  /** Runs have started ahead of their turn, in the present one. */
  #wasEarly = false;
  #turnEndsAt = 0;
  #looksIn = 0;
  #laterLeft = 0;
  #fellBehind = false;
  #stopped = false;
  #isHeld = false;
  #idleWaiters: (() => void)[] = [];
  /** While paused: the one key whose heads may start. */
  #only: string | undefined;

  constructor(private readonly options: KeyedExecutorOptions<T>) {
    this.#waiting = new DueTimes(options.clock, (lane) => {
      // A lane that was closed and opened meanwhile may wait for a later time by now.
      if (lane.mode === 'waiting' && lane.runsAgainAt <= options.clock.now()) this.#makeReady(lane);
    });
  }

  /** Items in all lanes, the running heads included. */
  get size(): number {
    return this.#queued;
  }

  get running(): number {
    return this.#running;
  }

  /** True while heads wait for the processor or for a place, and not because they may not start. */
  get isBehind(): boolean {
    return this.#firstReady !== undefined && this.#only === undefined && !this.#stopped && !this.#isHeld;
  }

  get laneCount(): number {
    return this.#lanes.size;
  }

  /** The lane of one key, if it is not idle. */
  laneOf(key: string): LaneLook<T> | undefined {
    return this.#lanes.get(key);
  }

  /** The lanes that are not idle, for an observer. */
  lanes(): IterableIterator<Readonly<Lane<T>>> {
    return this.#lanes.values();
  }

  /** Puts an item at the end of its key's lane. Returns how many the lane holds now. */
  push(key: string, item: T): number {
    const lane = this.#lanes.get(key) ?? this.#newLane(key);
    lane.append(item);
    this.#queued++;
    if (lane.mode === 'idle') {
      if (this.#firstReady === undefined) this.#scheduleEarly();
      this.#makeReady(lane);
    }
    return lane.size;
  }

  /** Starts no further head of this key until {@link open}. The running one continues to its end. */
  close(key: string): void {
    const lane = this.#lanes.get(key) ?? this.#newLane(key);
    if (lane.mode === 'running') lane.closing = true;
    else lane.mode = 'closed';
  }

  /** Undoes {@link close}, or a step that closed the lane. */
  open(key: string): void {
    const lane = this.#lanes.get(key);
    if (lane === undefined) return;
    lane.closing = false;
    if (lane.mode !== 'closed') return;
    if (lane.size === 0) this.#forget(lane);
    else this.#makeReady(lane);
  }

  /**
   * Takes everything after a lane's head out of it, in order. The head stays, running or not. Of a run of several items
   * only the head stays, so only the head is taken off when it ends.
   */
  takeTail(key: string): T[] {
    const tail = this.#lanes.get(key)?.cutTail() ?? [];
    this.#queued -= tail.length;
    return tail;
  }

  /** Starts nothing but heads of this key until {@link resume}. What runs continues to its end. */
  pauseAllBut(key: string): void {
    this.#only = key;
    if (this.#firstReady !== undefined) this.#schedule();
  }

  resume(): void {
    this.#only = undefined;
    if (this.#firstReady !== undefined) this.#schedule();
  }

  /** Starts nothing until {@link release}; what runs or waits for a time is not touched. Safe to call twice. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Undoes {@link hold}. */
  release(): void {
    this.#isHeld = false;
    if (this.#firstReady !== undefined) this.#schedule();
  }

  /** Starts nothing any more. What runs continues to its end; what waits is kept, until {@link restart}. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
  }

  /** Undoes {@link stop}: heads that were ready or waited have their turn again. */
  restart(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    const now = this.options.clock.now();
    for (const lane of this.#lanes.values()) {
      if (lane.mode === 'waiting') this.#waiting.add(Math.max(0, lane.runsAgainAt - now), lane);
    }
    if (this.#firstReady !== undefined) this.#schedule();
  }

  /**
   * Drops every item that does not run, and hands it to `dropped`; closed lanes are opened.
   * A running head stays in its lane, so no successor of its key can start beside it.
   */
  discardQueued(dropped: (item: T) => void): void {
    this.#waiting.clear();
    for (const lane of [...this.#lanes.values()]) {
      const running = lane.mode === 'running' && !isSabotaged('lanes-forgotten') ? lane.head : undefined;
      let item = running === undefined ? lane.head : (running.next as T | undefined);
      while (item !== undefined) {
        const next = item.next as T | undefined;
        dropped(item);
        item = next;
      }
      this.#queued -= lane.size - (running === undefined ? 0 : 1);
      lane.clear(running);
      lane.closing = false;
      if (running === undefined) this.#forget(lane);
    }
  }

  /** Resolves when no head runs. With a stopped executor that is the end of all work. */
  whenNoneRuns(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  #newLane(key: string): Lane<T> {
    const lane = new Lane<T>(key);
    this.#lanes.set(key, lane);
    return lane;
  }

  #makeReady(lane: Lane<T>): void {
    lane.mode = 'ready';
    if (!lane.inRing) {
      lane.inRing = true;
      lane.nextReady = undefined;
      if (this.#lastReady === undefined) this.#firstReady = lane;
      else this.#lastReady.nextReady = lane;
      this.#lastReady = lane;
    }
    this.#schedule();
  }

  #takeReady(): Lane<T> | undefined {
    if (this.#only !== undefined) return this.#takeOnly(this.#only);
    for (;;) {
      const lane = this.#firstReady;
      if (lane === undefined) return undefined;
      this.#firstReady = lane.nextReady;
      if (this.#firstReady === undefined) this.#lastReady = undefined;
      lane.nextReady = undefined;
      lane.inRing = false;
      if (lane.mode === 'ready' && lane.head !== undefined) return lane;
    }
  }

  /** The lane keeps its place in the ring, where it counts for nothing until it is ready again. */
  #takeOnly(key: string): Lane<T> | undefined {
    const lane = this.#lanes.get(key);
    return lane?.mode === 'ready' && lane.head !== undefined ? lane : undefined;
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped || this.#isHeld) return;
    this.#scheduled = true;
    this.options.clock.nextTurn(() => this.#turn());
  }

  #scheduleEarly(): void {
    if (this.#scheduled || this.#stopped || this.#isHeld || this.#wasEarly) return;
    this.#scheduled = true;
    this.#wasEarly = true;
    this.options.clock.soon(() => this.#turn());
    this.options.clock.nextTurn(() => (this.#wasEarly = false));
  }

  #turn(): void {
    this.#scheduled = false;
    this.#turnEndsAt = this.options.clock.now() + TURN_BUDGET_MS;
    this.#looksIn = STARTS_PER_LOOK;
    this.#laterLeft = LATER_PER_TURN;
    this.#startReady();
  }

  #startReady(): void {
    while (!this.#stopped && !this.#isHeld && this.#running < this.options.concurrency) {
      if (this.#isTurnOver()) {
        if (this.#firstReady !== undefined) this.#schedule();
        break;
      }
      const lane = this.#takeReady();
      if (lane?.head === undefined) break;
      this.#start(lane, lane.head);
    }
    this.#noteBehind();
  }

  #isTurnOver(): boolean {
    if (this.#laterLeft <= 0) return true;
    if (--this.#looksIn > 0) return false;
    this.#looksIn = STARTS_PER_LOOK;
    return this.options.clock.now() >= this.#turnEndsAt;
  }

  #noteBehind(): void {
    const hasCaughtUp = this.#fellBehind && !this.isBehind;
    this.#fellBehind = this.isBehind;
    if (hasCaughtUp) this.options.caughtUp?.();
  }

  #start(lane: Lane<T>, head: T): void {
    lane.mode = 'running';
    this.#running++;
    let step: Step | PromiseLike<Step>;
    try {
      if (this.options.spanOf !== undefined) lane.span = this.options.spanOf(head);
      step = this.options.run(head, lane.span);
    } catch (error) {
      // One run that throws must not take the others, or the process, with it.
      step = this.options.broke(head, error);
    }
    if (typeof step === 'number') {
      this.#ended(lane, step);
      return;
    }
    lane.onStep ??= (later) => {
      this.#ended(lane, later);
      this.#startReady();
    };
    lane.onBreak ??= (error) =>
      lane.onStep?.(lane.head === undefined ? NEXT : this.options.broke(lane.head, error));
    this.#laterLeft--;
    void step.then(lane.onStep, lane.onBreak);
  }

  #ended(lane: Lane<T>, step: Step): void {
    this.#running--;
    if (step === NEXT) this.#queued -= lane.shiftSpan();
    else lane.span = 1;
    this.#rest(lane, step);
    if (this.#running === 0 && this.#idleWaiters.length > 0) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
  }

  /** Chooses the mode of a lane whose head has just ended. */
  #rest(lane: Lane<T>, step: Step): void {
    if (lane.closing || step === CLOSE) {
      lane.closing = false;
      lane.mode = 'closed';
    } else if (lane.size === 0) {
      this.#forget(lane);
    } else if (step > 0) {
      lane.mode = 'waiting';
      lane.runsAgainAt = this.options.clock.now() + step;
      this.#waiting.add(step, lane);
    } else {
      this.#makeReady(lane);
    }
  }

  /** Only an empty lane that nothing runs in and that is not closed may go, and only if it is still the key's lane. */
  #forget(lane: Lane<T>): void {
    lane.mode = 'idle';
    if (lane.size === 0 && this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key);
  }
}
