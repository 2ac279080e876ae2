import type { Clock } from '../../clock.js';
import { describeError, errorFields } from '../../errors.js';
import { KeyedExecutor, type Step } from '../../executor/keyed-executor.js';
import type { LogAt } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import { aggregateIdOf } from '../../message/subject.js';
import type { Parked } from '../../parking/parked-aggregate.js';
import { LEAST_CRASHES } from '../../parking/adoption.js';
import type { Parking, ParkingListener } from '../../parking/parking.js';
import type { Letter } from '../../records/letter.js';
import type { AloneMember, AloneTurns } from '../suspects/alone-turns.js';
import { SuspectRuns } from '../suspects/suspect-runs.js';
import type { Suspects } from '../suspects/suspects.js';
import { AttemptEnds } from '../handling/attempt-ends.js';
import { AttemptPolicies, Attempts } from '../handling/attempts.js';
import type { Breaker } from '../breaker/breaker.js';
import type { OnUnhandledType } from '../handling/event-handlers.js';
import { FailedAttempts } from '../handling/failed-attempts.js';
import type { FailureLog } from '../handling/failure-log.js';
import { HandlerCalls, type HandlerCallsOptions } from '../handling/handler-calls.js';
import { type LaneEntry, ReplayItem } from '../handling/lane-entry.js';
import type {
  AttemptSink,
  LaneListener,
  LaneObserver,
  OtherReplicas,
  ReplayPlace,
} from '../handling/lane-listener.js';
import { HandlerTimes, type WorkCounts } from './handler-times.js';
import { type LaneReport, reportLanes } from './lane-report.js';
import { LaneViews } from './lane-views.js';
import { letterEvent } from '../letters/letter-event.js';
import { LetterAttempts } from '../letters/letter-attempts.js';
import { LetterLanes } from '../letters/letter-lanes.js';
import { LetterReplay } from '../letters/letter-replay.js';
import { MissingHandlers, type TypeWait } from '../handling/missing-handlers.js';
import type { FailurePolicy } from '../handling/outcome.js';
import { type LaneBytes, MAX_SHARE } from '../letters/stuck-lanes.js';

/** How handlers are called and what follows when they fail. */
export interface HandlingPolicy {
  readonly failurePolicy: FailurePolicy;
  readonly onUnhandledType: OnUnhandledType;
  readonly concurrency: number;
  /** Events taken in and not settled, over all aggregates. */
  readonly maxAckPending: number;
}

/** What the partitions of a group, or of a process, share. */
export interface SharedParts {
  readonly breaker: Breaker;
  readonly turns: AloneTurns;
  readonly bytes: LaneBytes;
  readonly failures: FailureLog;
  readonly attempts: AttemptSink;
}

/** Why nothing starts: an event of another partition runs alone, or the run of this one grows. */
type HoldCause = 'alone' | 'run';

/** A run that broke is not the event's fault as far as we know: it is tried again after this time. */
const BROKE_AGAIN_MS = 1_000;

export interface LanesOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly calls: Omit<HandlerCallsOptions, 'listener' | 'name' | 'clock' | 'log'>;
  readonly policy: HandlingPolicy;
  readonly shared: SharedParts;
  readonly suspects: Suspects;
  readonly others: OtherReplicas;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: LogAt<'partition'>;
  readonly listener: LaneListener;
  readonly observer: LaneObserver;
}

/** Counted since the start of the process, over all leases. */
export type LaneCounts = Readonly<Attempts['counts']> & {
  readonly filed: number;
  readonly replayed: number;
  readonly replaysFailed: number;
  readonly unparked: number;
};

/**
 * Where the events of a partition are handled: a lane per aggregate, the handlers, and the detour of parked
 * aggregates.
 */
export class Lanes implements AloneMember, ParkingListener {
  readonly executor: KeyedExecutor<LaneEntry>;
  readonly times: HandlerTimes;
  readonly views: LaneViews;
  readonly #letterLanes: LetterLanes;
  readonly #parking: Parking;
  readonly #calls: HandlerCalls;
  readonly #attempts: Attempts;
  readonly #letterAttempts: LetterAttempts;
  readonly #replay: LetterReplay;
  readonly #missing: MissingHandlers;
  readonly #share: number;
  readonly #holds = new Set<HoldCause>();
  /** Entries whose run broke: told once. */
  readonly #broken = new WeakSet<LaneEntry>();
  #unparked = 0;

  constructor(
    private readonly options: LanesOptions,
    parking: Parking,
    place: ReplayPlace,
  ) {
    const { name, clock, random, log, listener, observer, policy, shared, suspects } = options;
    const common = { name, clock, random, log, listener, observer };
    const { breaker, turns, failures, attempts } = shared;
    this.#parking = parking;
    // One event has nothing behind it that it could hold up.
    this.#share = Math.max(2, Math.floor(policy.maxAckPending * MAX_SHARE));
    this.executor = new KeyedExecutor<LaneEntry>({
      concurrency: policy.concurrency,
      clock,
      caughtUp: () => listener.caughtUp(),
      spanOf: options.calls.handlers.hasBatches ? (entry) => this.#attempts.spanOf(entry) : undefined,
      run: (entry, span) =>
        entry instanceof ReplayItem ? this.#replay.run(entry) : this.#attempts.run(entry, span),
      broke: (entry, error) => this.#broke(entry, error),
    });
    this.#calls = new HandlerCalls({ ...options.calls, name, clock, log, listener: observer });
    const { onUnhandledType } = policy;
    const missing = new MissingHandlers({ name, onUnhandledType, others: options.others, clock, log });
    this.#missing = missing;
    const failed = new FailedAttempts({ calls: this.#calls, failures, random, log });
    this.times = new HandlerTimes(() => this.#work());
    const ends = new AttemptEnds({ breaker, attempts, observer, clock, times: this.times });
    const handling = { calls: this.#calls, missing, ends, failed, clock };
    this.#letterLanes = new LetterLanes({
      ...common,
      parking,
      lanes: this.executor,
      breaker,
      bytes: shared.bytes,
      detours: { noteHeadHandled: (token, through) => this.#replay.noteHeadHandled(token, through) },
    });
    const { failurePolicy } = policy;
    const { topic } = options.calls;
    this.#letterAttempts = new LetterAttempts({ ...handling, topic, failurePolicy });
    this.#replay = new LetterReplay({
      ...{ name, log, listener, parking, place, turns, clock },
      attempts: this.#letterAttempts,
      lanes: this.#letterLanes,
      member: this,
    });
    this.views = new LaneViews({ executor: this.executor, letters: this.#letterAttempts });
    const policies = new AttemptPolicies(failurePolicy, onUnhandledType);
    this.#attempts = new Attempts({ ...handling, listener, letterLanes: this.#letterLanes, policies });
    this.#attempts.attach(
      new SuspectRuns({
        ...{ suspects, turns, clock, tenure: listener },
        handling: this.#attempts,
        member: this,
      }),
    );
    turns.join(this);
  }

  get counts(): LaneCounts {
    return {
      ...this.#attempts.counts,
      filed: this.#letterLanes.filing.filed,
      replayed: this.#letterAttempts.handled,
      replaysFailed: this.#letterAttempts.failed,
      unparked: this.#unparked,
    };
  }

  /**
   * Handlers wait for the processor or for a place, so that more events would only wait, too. Where handlers take
   * batches, events that wait beside a handler in input or output make the next batch larger.
   */
  get areBehind(): boolean {
    const { executor } = this;
    return executor.isBehind && !(this.options.calls.handlers.hasBatches && executor.running > 0);
  }

  /** Why events cannot become letters at the moment. */
  get letterRefusal(): string | undefined {
    return this.#letterLanes.refusal;
  }

  /** The type that events have waited longest for, because only other replicas handle it. */
  get typeWait(): TypeWait | undefined {
    return this.#missing.longestWait;
  }

  /** Goes through all lanes and tells of the `top` worst. */
  report(top: number): LaneReport {
    return reportLanes(this.views.all(), this.options.clock.now(), top);
  }

  /** Puts an event that was taken in where it belongs: in its lane, or on the way to a letter. */
  push(event: Delivery): void {
    if (this.#parking.isParked(event.token)) this.#letterLanes.pushToLetters(event);
    // The stream delivers in its order, so an aggregate's share of the intake cannot be refused.
    else if (this.executor.push(event.token, event) === this.#share)
      this.#letterLanes.watchShare(event.token);
  }

  /** The markers of this tenure are loaded: what was begun with letters continues. */
  replayLetters(): void {
    for (const token of this.#parking.toReplay()) this.#letterLanes.replay(token);
  }

  commanded({ token }: Pick<Parked, 'token'>): void {
    this.#letterLanes.replay(token);
  }

  unparked({ token }: Parked): void {
    this.#unparked++;
    this.options.observer.unparked(aggregateIdOf(token));
  }

  crashesAllowed(first: Letter): number {
    return Math.max(
      LEAST_CRASHES,
      this.#attempts.attemptsAllowed(letterEvent(this.options.calls.topic, first)),
    );
  }

  hold(by: HoldCause = 'alone'): void {
    this.#holds.add(by);
    this.executor.hold();
  }

  release(by: HoldCause = 'alone'): void {
    this.#holds.delete(by);
    if (this.#holds.size === 0) this.executor.release();
  }

  youngestStart(): number | undefined {
    let youngest: number | undefined;
    for (const { startedAt } of this.#calls.running()) youngest = Math.max(youngest ?? startedAt, startedAt);
    return youngest;
  }

  abortAll(reason: unknown): void {
    this.#calls.abortAll(reason);
  }

  /** Drops everything that does not run. */
  forget(): void {
    this.#letterLanes.forget();
    this.#replay.forget();
    this.executor.discardQueued(() => undefined);
  }

  get areAtRest(): boolean {
    return (
      this.executor.running === 0 &&
      this.#letterLanes.filing.lanes.running === 0 &&
      !this.#parking.letters.areWorking
    );
  }

  /** The attempts that run now. */
  running(): IterableIterator<Delivery> {
    return this.#calls.running();
  }

  stop(): void {
    this.executor.stop();
    this.#letterLanes.filing.lanes.stop();
  }

  /** Undoes {@link stop}. */
  restart(): void {
    this.executor.restart();
    this.#letterLanes.filing.lanes.restart();
  }

  /** Resolves when no handler runs, and no letter is being written or removed. */
  async whenNoneRuns(): Promise<void> {
    await this.executor.whenNoneRuns();
    await this.#letterLanes.filing.lanes.whenNoneRuns();
    await this.#parking.letters.whenNoneIsWorking();
  }

  close(): void {
    this.stop();
    this.options.shared.turns.leave(this);
    this.#calls.close();
    this.#letterLanes.close();
    this.options.shared.failures.flush();
  }

  /** The handling itself failed, and not a handler. Its aggregate waits, and all others continue. */
  #broke(entry: LaneEntry, error: unknown): Step {
    const { log, name } = this.options;
    if (!(entry instanceof ReplayItem)) this.#calls.noteEnded(entry);
    if (!this.#broken.has(entry)) {
      this.#broken.add(entry);
      const aggregate = aggregateIdOf(entry.token);
      log.write(
        'transport-failed',
        { aggregate, againInMs: BROKE_AGAIN_MS, ...errorFields(error) },
        `${name}: the transport failed at an event of aggregate "${aggregate}", tried again every ` +
          `${BROKE_AGAIN_MS} ms: ${describeError(error)}; report it with this stack`,
        error,
      );
    }
    return BROKE_AGAIN_MS;
  }

  #work(): WorkCounts {
    const { handled, failedIn } = this.#attempts.counts;
    const { handled: replayed, failed } = this.#letterAttempts;
    const all = handled + replayed;
    return { handled: all, attempts: Object.values(failedIn).reduce((sum, one) => sum + one, all + failed) };
  }
}
