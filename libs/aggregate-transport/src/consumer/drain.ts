import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../clock.js';
import type { RunningHandler } from '../records/lease-record.js';
import type { Lanes } from './lanes/lanes.js';
import type { LastCommit, PositionWriter } from './position/position-writer.js';
import type { PullLoop } from './reading/pull-loop.js';

/** The partition, as its drain sees it. */
export interface DrainListener {
  /** Everything has ended. */
  readonly isClosed: boolean;
  /** Nothing starts any more: halted, or closed. */
  readonly isOver: boolean;
  /** The position is claimed, so a last commit can be written. */
  readonly isClaimed: boolean;
}

export interface DrainOptions {
  readonly clock: Clock;
  readonly lanes: Lanes;
  readonly loop: Pick<PullLoop, 'drain' | 'restart'>;
  readonly writer: PositionWriter;
  readonly listener: DrainListener;
}

const MAX_REPORTED = 3;

type Mode = 'off' | 'on' | 'ending';

const MAY_COME_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  off: ['on', 'ending'],
  on: ['off', 'on', 'ending'],
  ending: ['on'],
};

/**
 * Brings a partition to rest: to close it, to hand it over to another replica, or for a change of layout. Its modes:
 *
 * - `off`: the partition works. Left by {@link begin}.
 * - `on`: nothing is pulled and nothing starts. What runs ends, and a last commit says so. Left by {@link undo}.
 * - `ending`: the partition is to work again, and waits until a commit takes back what the last one said. The record
 *   still says that the owner came to rest. An event that started now and ended its process would not be suspected.
 */
export class Drain {
  #mode: Mode = 'off';
  /** The commit that the last {@link undo} waits for. */
  #takenBack: Promise<boolean> | undefined;

  constructor(private readonly options: DrainOptions) {}

  get isOn(): boolean {
    return this.#mode === 'on';
  }

  /** No handler runs in this process, and no letter is being written or removed. */
  get isAtRest(): boolean {
    return this.options.lanes.areAtRest;
  }

  /** Safe to call again. */
  begin(): void {
    this.#enter('on');
    this.options.lanes.stop();
    this.options.loop.drain();
  }

  /**
   * Resolves with true when no handler runs and the last commit is confirmed, with false after `withinMs`. What is
   * unsettled then is handled by the next owner. Safe to call again.
   */
  async completed(withinMs: number): Promise<boolean> {
    if (this.options.listener.isClosed) return true;
    this.begin();
    const late = delay(this.options.clock, withinMs).then(() => false);
    return Promise.race([this.#rest(), late]);
  }

  /**
   * Writes the last commit with the mark of a change of layout, if the partition is at rest. Resolves with true when it
   * is confirmed.
   */
  async markDrained(change: number): Promise<boolean> {
    const { lanes, listener } = this.options;
    const isAtRest = lanes.areAtRest || isSabotaged('drained-while-running');
    if (this.#mode !== 'on' || !isAtRest || !listener.isClaimed) return false;
    return this.#commitLast({ rest: true, drained: { change } });
  }

  /** The partition works again, at once if no commit has said that it came to rest. Safe to call again. */
  undo(): void {
    if (this.#mode !== 'on') return;
    this.#enter('ending');
    const takenBack = (this.#takenBack = this.options.writer.resume());
    if (takenBack === undefined) this.#restart();
    // If the tenure ends first, the next one begins with what it claims.
    else void takenBack.then(() => this.#takenBack === takenBack && this.#restart());
  }

  /** Resolves when no handler of the partition runs in this process, whether it owns the partition or not. */
  whenNoneRuns(): Promise<void> {
    return this.options.lanes.whenNoneRuns();
  }

  /** While it is on: handlers that run, the first few. */
  running(): RunningHandler[] | undefined {
    if (this.#mode !== 'on') return undefined;
    const now = this.options.clock.now();
    const running: RunningHandler[] = [];
    for (const { aggregateId, sequence, startedAt } of this.options.lanes.running()) {
      if (running.length === MAX_REPORTED) break;
      running.push({ aggregateId, sequence, forMs: Math.round(now - startedAt) });
    }
    return running;
  }

  async #rest(): Promise<boolean> {
    const { lanes, listener } = this.options;
    do await lanes.whenNoneRuns();
    while (this.#mode === 'on' && !lanes.areAtRest);
    // Undone meanwhile: handlers start again, so no commit may say that the partition is at rest.
    if (this.#mode !== 'on') return false;
    // An owner that has claimed nothing leaves the record as it found it.
    return !listener.isClaimed || this.#commitLast({ rest: true });
  }

  #commitLast(last: LastCommit): Promise<boolean> {
    return this.options.writer.finish(last);
  }

  /** Unless it began again meanwhile. */
  #restart(): void {
    const { lanes, loop, listener } = this.options;
    if (this.#mode !== 'ending') return;
    this.#enter('off');
    if (listener.isOver) return;
    lanes.restart();
    loop.restart();
  }

  #enter(mode: Mode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode))
      throw new Error(`a drain cannot go from ${this.#mode} to ${mode}`);
    this.#mode = mode;
  }
}
