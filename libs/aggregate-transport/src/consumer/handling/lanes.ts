import type { Clock } from '../../clock.js';
import { KeyedExecutor } from '../../executor/keyed-executor.js';
import type { Delivery } from '../../message/delivery.js';
import { aggregateIdOf } from '../../message/subject.js';
import { Parking } from '../../parking/parking.js';
import { type AttemptCounts, Attempts } from './attempts.js';
import type { Breaker } from './breaker.js';
import { HandlerRuns } from './handler-calls.js';
import { type LaneNow, lookAtLanes } from './lane-report.js';
import { type LaneEntry, ParkedLanes } from './letter-lanes.js';
import type { LanesLook, PartitionLoad } from '../partition-status.js';
import type { PartitionConsumerOptions } from '../partition-options.js';
import { ReplayItem, Replays } from './letter-replay.js';
import { Suspects } from './suspects.js';

export interface LanesOptions extends PartitionConsumerOptions {
  /** False if the event was taken in under a lease that has ended: how it ends counts for nothing. */
  readonly isCurrent: (event: Delivery) => boolean;
  /** The event is handled, or a letter: it may be acked. */
  readonly handled: (event: Delivery) => void;
  readonly attempted: (event: Delivery, goesOn: boolean) => void;
  /** True while an ack of the aggregate is not confirmed; with a sequence, while that of an event up to it is not. */
  readonly isSettling: (token: string, through?: number) => boolean;
  readonly streamCreated: () => string;
  /** Handlers had to wait for the processor, and none does any more: there is room for more events. */
  readonly caughtUp: () => void;
  readonly halt: (reason: string) => void;
  readonly handBack: (event: Delivery) => void;
}

/**
 * Where the events of a partition are handled: a lane per aggregate, the handlers, and the detour of aggregates
 * that are parked.
 */
export class Lanes {
  readonly executor: KeyedExecutor<LaneEntry>;
  readonly suspects: Suspects;
  readonly parked: ParkedLanes;
  readonly #parking: Parking;
  readonly #runs: HandlerRuns;
  readonly #attempts: Attempts;
  readonly #replays: Replays;
  readonly #clock: Clock;
  readonly #breaker: Breaker;
  #crashed = false;
  #unparked = 0;

  constructor(options: LanesOptions) {
    const { clock, name, log, ownership, breaker, observer, isCurrent } = options;
    this.#clock = clock;
    this.#breaker = breaker;
    const mayStart = (): boolean => ownership.isValid();
    const maxCrashes = options.failurePolicy.retry.attempts;
    this.executor = new KeyedExecutor<LaneEntry>({
      concurrency: options.concurrency,
      clock,
      caughtUp: options.caughtUp,
      run: (entry) => (entry instanceof ReplayItem ? this.#replays.run(entry) : this.#attempts.run(entry)),
    });
    this.suspects = new Suspects({ name, port: options.suspectPort, maxStarts: maxCrashes, clock, log });
    this.#runs = new HandlerRuns({ ...options, stuck: (event, ageMs) => observer.stuck(event, ageMs) });
    this.#parking = new Parking({
      name,
      port: options.parkedPort,
      clock,
      log,
      epoch: () => ownership.epoch,
      streamCreated: options.streamCreated,
      mayWrite: mayStart,
      maxCrashes,
      commanded: ({ token }) => this.parked.replay(token),
      unparked: ({ token }) => {
        this.#unparked++;
        observer.unparked(aggregateIdOf(token));
      },
    });
    this.parked = new ParkedLanes({
      name,
      parking: this.#parking,
      lanes: this.executor,
      breaker,
      clock,
      log,
      mayStart,
      isCurrent,
      handled: (event) => {
        this.suspects.ended(event.sequence);
        options.handled(event);
      },
      headHandled: (token, sequence) => this.#replays.headHandled(token, sequence),
      parked: (event, note) => observer.parked(event, note),
    });
    this.#replays = new Replays({
      ...options,
      parking: this.#parking,
      runs: this.#runs,
      mayStart,
      isFiling: (token, through) => this.parked.isFiling(token, through),
      ended: (token) => this.parked.replayEnded(token),
    });
    this.#attempts = new Attempts({
      ...options,
      mayStart,
      runs: this.#runs,
      suspects: this.suspects,
      parkedLanes: this.parked,
    });
  }

  get counts(): Readonly<AttemptCounts> & {
    readonly unhandledType: number;
    readonly filed: number;
    readonly replayed: number;
    readonly replaysFailed: number;
    readonly unparked: number;
  } {
    const { unhandledTypes: unhandledType } = this.#runs;
    return {
      ...this.#attempts.counts,
      unhandledType,
      filed: this.parked.filed,
      replayed: this.#replays.handled,
      replaysFailed: this.#replays.failed,
      unparked: this.#unparked,
    };
  }

  get load(): Pick<PartitionLoad, 'inFlight' | 'lanes' | 'parked' | 'letterRefusal' | 'breaker'> {
    const { isOpen, prober } = this.#breaker;
    return {
      inFlight: this.executor.running,
      lanes: this.executor.laneCount,
      parked: this.#parking.size,
      letterRefusal: this.parked.refusal,
      breaker: { isOpen, prober },
    };
  }

  /** Goes through all lanes and tells of the `top` worst. */
  look(top: number): LanesLook {
    return lookAtLanes(this.#now(), this.#clock.now(), top);
  }

  /** A new lease; `crashed` if its last owner did not let it go in peace. */
  inherit(crashed: boolean): void {
    this.#crashed = crashed;
    this.suspects.inherit(crashed);
  }

  /** Reads the markers of parked aggregates; see {@link Parking.load}. */
  loadParked(): Promise<void> {
    return this.#parking.load(this.#crashed);
  }

  /** All that came through the fence is in its place: what was begun with letters goes on. */
  fenceOpened(): void {
    this.#parking.fenceOpened();
    for (const { token } of this.#parking.toReplay()) this.parked.replay(token);
  }

  abortAll(reason: unknown): void {
    this.#runs.abortAll(reason);
  }

  /** Drops everything that does not run. */
  forget(): void {
    this.parked.forget();
    this.#replays.forget();
    this.executor.discardQueued(() => undefined);
  }

  get areAtRest(): boolean {
    return this.executor.running === 0 && this.parked.filing.running === 0;
  }

  /** The attempts that run now. */
  running(): IterableIterator<Delivery> {
    return this.#runs.running();
  }

  stop(): void {
    this.executor.stop();
    this.parked.filing.stop();
  }

  /** Undoes {@link stop}. */
  restart(): void {
    this.executor.restart();
    this.parked.filing.restart();
  }

  /** Resolves when no handler runs and nothing is on its way into a letter. */
  async whenNoneRuns(): Promise<void> {
    await this.executor.whenNoneRuns();
    await this.parked.filing.whenNoneRuns();
  }

  *#now(): Generator<LaneNow> {
    for (const { key: token, mode, size, head } of this.executor.lanes()) {
      const isLetter = head instanceof ReplayItem;
      yield { token, mode, size, isLetter, event: isLetter ? this.#replays.currentOf(token) : head };
    }
  }

  close(): void {
    this.stop();
    this.#runs.close();
    this.suspects.close();
    this.parked.close();
  }
}
