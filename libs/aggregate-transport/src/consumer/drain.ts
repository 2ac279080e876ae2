import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../clock.js';
import type { Log } from '../log.js';
import type { ConsumerPort } from '../message/reader-port.js';
import type { Position } from '../records/position-record.js';
import type { OrderedAcks } from '../settlement/ordered-acks.js';
import type { Lanes } from './handling/lanes.js';
import type { RunningHandler } from './layout-marks.js';
import type { Ledger } from './position/ledger.js';
import type { PartitionMode } from './partition-status.js';
import type { PullLoop } from './reading/pull-loop.js';

export interface DrainOptions {
  readonly name: string;
  readonly port: ConsumerPort;
  readonly clock: Clock;
  readonly log: Log;
  readonly ledger: Pick<Ledger, 'sequencesInFlight'>;
  readonly acks: Pick<OrderedAcks, 'size' | 'whenEmpty'>;
  readonly lanes: Pick<
    Lanes,
    'stop' | 'restart' | 'areAtRest' | 'running' | 'whenNoneRuns' | 'executor' | 'suspects'
  >;
  readonly loop: Pick<PullLoop, 'drain' | 'restart' | 'hasAll' | 'close'>;
  readonly mode: () => PartitionMode;
  /** The fence is open, and nothing is held before it. */
  readonly isFlowing: () => boolean;
  /** The server holds events as delivered that are not here. */
  readonly disordered: (reason: string) => void;
  /** The drain has left the feed and is undone: what is still owned goes on behind a takeover. */
  readonly undone: () => void;
}

/** How long the server may count more unsettled events than are here: an ack it was sent a moment ago is one. */
const DISAGREES_FOR_MS = 1_000;
/** The position must fit into one message, and is written down by one write. */
const MAX_UNSETTLED = 100_000;
const MAX_REPORTED = 3;

/**
 * Brings a partition to rest: to close it, to hand it over to another replica, or for a change of layout. Its modes:
 *
 * - `off`: the partition works. Left by {@link begin}.
 * - `on`: nothing is pulled and nothing starts; what runs ends and is acked. Takeovers go on, because acks may leave only
 *   behind one. Left by {@link undo}. The feed stays open until {@link completed} has left it: whoever wants to know
 *   the {@link position} needs all that the server has delivered, whoever lets the lease go wants no pull left.
 */
export class Drain {
  #on = false;
  #leftFeed = false;
  #disagreesSince: number | undefined;
  #reported = false;

  constructor(private readonly options: DrainOptions) {}

  /** Safe to call again. */
  begin(): void {
    this.#on = true;
    this.options.lanes.stop();
    this.options.loop.drain();
  }

  /**
   * Drains, and leaves the feed. Resolves with true when no handler runs and all acks are confirmed, with false after
   * `withinMs`: what is unsettled then is delivered again to whoever takes over. Safe to call again.
   */
  async completed(withinMs: number): Promise<boolean> {
    const { lanes, acks, loop, clock, mode } = this.options;
    if (mode() === 'closed') return true;
    this.begin();
    const settled = lanes
      .whenNoneRuns()
      .then(() => acks.whenEmpty())
      .then(() => lanes.suspects.settle())
      .then(() => true);
    const late = delay(clock, withinMs).then(() => false);
    const isDone = await Promise.race([settled, late]);
    // An open pull would keep the successor waiting.
    this.#leftFeed = true;
    loop.close();
    return isDone;
  }

  /** The partition works on. */
  undo(): void {
    const { lanes, loop, mode, undone } = this.options;
    const hasLeftFeed = this.#leftFeed;
    this.#on = this.#leftFeed = false;
    this.#disagreesSince = undefined;
    if (mode() === 'closed' || mode() === 'halted') return;
    lanes.restart();
    loop.restart();
    if (hasLeftFeed && mode() !== 'idle') undone();
  }

  /** Resolves when no handler of the partition runs in this process, whoever owns it. */
  whenNoneRuns(): Promise<void> {
    return this.options.lanes.whenNoneRuns();
  }

  /** What it waits for: handlers that run, and handled events whose acks are not confirmed. */
  get remaining(): { readonly running: number; readonly unconfirmed: number } {
    return { running: this.options.lanes.executor.running, unconfirmed: this.options.acks.size };
  }

  /** While it is on: handlers that run, the first few. */
  running(): RunningHandler[] | undefined {
    if (!this.#on) return undefined;
    const now = this.options.clock.now();
    const running: RunningHandler[] = [];
    for (const { aggregateId, sequence, startedAt } of this.options.lanes.running()) {
      if (running.length === MAX_REPORTED) break;
      running.push({ aggregateId, sequence, forMs: Math.round(now - startedAt) });
    }
    return running;
  }

  /**
   * Where the partition stands; undefined if it is not at rest yet, or has left its feed.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async position(): Promise<Position | undefined> {
    const { port, ledger, loop, clock, disordered } = this.options;
    if (!this.#isQuiet()) return undefined;
    const state = await port.state();
    // While a pull is open the server may deliver; and what it has delivered may still be on its way.
    if (!this.#isQuiet() || state.waitingPulls > 0) return undefined;
    const unsettled = ledger.sequencesInFlight();
    // Fewer at the server is well: the late ack of an earlier owner. More would be lost.
    if (loop.hasAll(state.deliveredConsumerSequence) && state.ackPending <= unsettled.length) {
      this.#disagreesSince = undefined;
      return this.#isTooLarge(unsettled.length) ? undefined : { delivered: state.delivered, unsettled };
    }
    this.#disagreesSince ??= clock.now();
    if (clock.now() - this.#disagreesSince > DISAGREES_FOR_MS) {
      this.#disagreesSince = undefined;
      disordered(
        `expected ${unsettled.length} unsettled events, found that the server holds ${state.ackPending}`,
      );
    }
    return undefined;
  }

  #isQuiet(): boolean {
    const { isFlowing, lanes, acks } = this.options;
    const isAtRest = lanes.areAtRest || isSabotaged('drained-while-running');
    return this.#on && !this.#leftFeed && isFlowing() && isAtRest && acks.size === 0;
  }

  #isTooLarge(unsettled: number): boolean {
    if (unsettled <= MAX_UNSETTLED) return false;
    if (!this.#reported) {
      this.options.log.error(
        `${this.options.name} cannot be drained: expected at most ${MAX_UNSETTLED} events delivered and not settled, ` +
          `found ${unsettled}; cancel the change, lower consume.maxAckPending, and let the group catch up first`,
      );
    }
    this.#reported = true;
    return true;
  }
}
