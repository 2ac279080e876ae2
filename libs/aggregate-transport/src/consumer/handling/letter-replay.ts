import { isSabotaged } from '#sabotage';
import type { Clock } from '../../clock.js';
import { describeError, hasCode } from '../../errors.js';
import { NEXT, type Step } from '../../executor/keyed-executor.js';
import type { Log } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import { isToReplay, type Parked } from '../../parking/parked-aggregate.js';
import type { Parking } from '../../parking/parking.js';
import type { Letter, LetterNote } from '../../records/letter.js';
import type { Marker } from '../../records/marker.js';
import type { AloneMember, AloneTurns } from '../suspects/alone-turns.js';
import type { Breaker } from '../breaker/breaker.js';
import type { FailureLog } from './failure-log.js';
import type { HandlerCalls } from './handler-calls.js';
import type { ReplayItem } from './lane-entry.js';
import type { AttemptSink, ConfirmedPlace, LaneListener, LaneObserver } from './lane-listener.js';
import { letterEvent } from './letter-event.js';
import type { DetourListener } from './letter-lanes.js';
import type { MissingHandlers } from './missing-handlers.js';
import { type Decision, decideOutcome, type Failure, type FailurePolicy, reasonOf } from './outcome.js';

/** The lanes in which events become letters. */
export interface FilingLanes {
  /** True while events of the aggregate, up to this sequence, are on their way to become letters. */
  isFiling(token: string, through?: number): boolean;
  /** The aggregate's lane is done with its letters, for now or for good. */
  noteReplayEnded(token: string): void;
}

export interface LetterReplayOptions {
  readonly name: string;
  readonly topic: string;
  readonly parking: Parking;
  readonly calls: HandlerCalls;
  readonly missing: MissingHandlers;
  readonly breaker: Breaker;
  readonly attempts: AttemptSink;
  readonly failurePolicy: FailurePolicy;
  readonly observer: Pick<LaneObserver, 'attemptEnded'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly failures: FailureLog;
  readonly listener: LaneListener;
  readonly lanes: FilingLanes;
  readonly place: ConfirmedPlace;
  readonly turns: Pick<AloneTurns, 'isTaken'>;
  readonly member: AloneMember;
}

/** Names an event: the sequences of a stream that was made again mean others. */
type EventId = Pick<LetterNote, 'stream' | 'sequence'>;

/** A letter, and the event in it with its attempts. */
interface Current {
  readonly letter: Letter;
  readonly event: Delivery;
}

/** Letters are on their way, or a commit is: check again soon. */
const CHECK_AGAIN_MS = 20;
/** The server did not answer: try again. */
const TRY_AGAIN_MS = 500;
const AT_ONCE: Step = 0;

/**
 * Replays the letters of an aggregate in its own lane, first letter first, through the handler that would have had the
 * event. It ends when no letter is left and none comes. Then the aggregate is live again, and events that arrived
 * meanwhile stand after it in the lane. A retry by command ends at the first failure. What was diverted is retried as
 * its handler's policy says, because its events have not failed yet.
 *
 * A letter is handled or removed only when every event of its aggregate up to it is settled in the confirmed position:
 *
 * 1. An owner handles event 1, parks the aggregate at 3 and dies before any commit says so.
 * 2. Its successor replays letter 3 at once. The marker falls.
 * 3. The reader brings 1 again: it starts after 3.
 */
export class LetterReplay implements DetourListener {
  /** Letters handled. */
  handled = 0;
  /** Attempts at letters that failed. */
  failed = 0;
  /** Events handled whose letter is not yet removed, by aggregate: they must not be handled once more. */
  readonly #done = new Map<string, EventId>();
  /** The letter an aggregate is at, with its attempts. */
  readonly #current = new Map<string, Current>();
  /** Up to which sequence an aggregate waits for a confirmation, and for which. */
  readonly #waiting = new Map<string, { readonly through: number; readonly ticket: number }>();

  /** Aggregates whose letters cannot be reached. Told once, until they can. */
  readonly #troubled = new Set<string>();

  constructor(private readonly options: LetterReplayOptions) {}

  noteHeadHandled(token: string, through: number): void {
    this.#done.set(token, { stream: this.options.place.created, sequence: through });
  }

  /** The letter an aggregate is at. */
  currentOf(token: string): Delivery | undefined {
    return this.#current.get(token)?.event;
  }

  forget(): void {
    this.#done.clear();
    this.#current.clear();
    this.#waiting.clear();
    this.#troubled.clear();
  }

  /** One step: at most one letter. Never rejects. */
  async run({ token }: ReplayItem): Promise<Step> {
    const step = await this.#tryStep(token);
    if (step === NEXT) this.options.lanes.noteReplayEnded(token);
    return step;
  }

  async #tryStep(token: string): Promise<Step> {
    const { parking, listener, log, name } = this.options;
    const parked = parking.find(token);
    if (parked === undefined) return NEXT;
    if (!listener.mayStart()) return TRY_AGAIN_MS;
    try {
      const step = await (parked.leaving ? this.#leave(parked) : this.#step(parked));
      this.#troubled.delete(token);
      return step;
    } catch (error) {
      if (!hasCode(error, 'LEASE_LOST') && !this.#troubled.has(token)) {
        this.#troubled.add(token);
        log.warn(
          `${name}: letters of a parked aggregate cannot be replayed, trying again: ${describeError(error)}`,
        );
      }
      return TRY_AGAIN_MS;
    }
  }

  async #step(parked: Parked): Promise<Step> {
    const { parking } = this.options;
    const { token, marker } = parked;
    const { command } = marker;
    if (parked.revision === 0) return CHECK_AGAIN_MS;
    if (!isToReplay(marker)) return NEXT;
    if (command !== undefined) await parking.begun(parked, command.kind);
    if (isSabotaged('unpark-without-check') && this.#done.has(token)) return this.#leave(parked);
    const { tail } = parked;
    const letter = await parking.head(parked);
    // One that was stored while this looked is not seen.
    if (letter === undefined) return parked.tail === tail ? this.#leave(parked) : AT_ONCE;
    if (!this.#isBehindAllOthers(parked, letter.note)) return CHECK_AGAIN_MS;
    return this.#obey(command, parked, letter);
  }

  #obey(command: Marker['command'], parked: Parked, letter: Letter): Promise<Step> {
    if (this.#isDone(parked.token, letter.note) || command?.kind === 'discard') {
      return this.#remove(parked, letter);
    }
    if (command?.kind === 'skipHead') return this.#skipHead(parked, letter, command.position);
    return this.#handle(parked, letter);
  }

  /** Removes the first letter if it is the one that was meant. The aggregate stays parked if another one is left. */
  async #skipHead(parked: Parked, letter: Letter, position: number | undefined): Promise<Step> {
    const { parking } = this.options;
    if (position === letter.position) await this.#remove(parked, letter);
    if ((await parking.head(parked)) === undefined) return AT_ONCE;
    await parking.stay(parked, undefined);
    return afterStay(parked);
  }

  async #handle(parked: Parked, letter: Letter): Promise<Step> {
    const { breaker, attempts, turns, member } = this.options;
    const { token } = parked;
    // The letter took its time: the lease may have ended since, or an event may have begun to run alone.
    if (!this.#isStillOurs(parked)) return TRY_AGAIN_MS;
    if (turns.isTaken(member)) return CHECK_AGAIN_MS;
    const current = this.#makeCurrent(token, letter);
    const { event } = current;
    const waitMs = this.options.missing.waitMsOf(event, this.options.calls);
    if (waitMs !== undefined) return waitMs;
    const failure = await this.#attempt(event);
    // The lease ended meanwhile: the next owner finds the letter where it was.
    if (!this.#isStillOurs(parked)) return NEXT;
    breaker.attempted(failure !== undefined, event.startedAt);
    attempts.attempted(token, failure !== undefined);
    if (failure === undefined) {
      this.handled++;
      if (event.attempt > 1)
        this.options.failures.recovered(
          `${this.options.calls.nameOf(event)} handled as a letter in attempt ${event.attempt}`,
        );
      this.#done.set(token, letter.note);
      return this.#remove(parked, letter);
    }
    if (parked.marker.state === 'retrying') {
      return this.#failed(parked, current, failure, { kind: 'park', reason: reasonOf(failure) });
    }
    const policy = this.options.calls.find(event)?.failurePolicy ?? this.options.failurePolicy;
    const about = { attempt: event.attempt, type: event.envelope?.event_type };
    const outcome = decideOutcome(failure, about, policy, this.options.random());
    return this.#failed(parked, current, failure, outcome);
  }

  #isStillOurs(parked: Parked): boolean {
    const { parking, listener } = this.options;
    return parking.find(parked.token) === parked && listener.mayStart();
  }

  /** The attempts at a letter count on while it is the current one. */
  #makeCurrent(token: string, letter: Letter): Current {
    const known = this.#current.get(token);
    if (known?.letter.position === letter.position) return known;
    const current = { letter, event: letterEvent(this.options.topic, letter) };
    this.#current.set(token, current);
    return current;
  }

  async #attempt(event: Delivery): Promise<Failure | undefined> {
    const { calls, missing, clock } = this.options;
    event.begin(clock.now());
    const undecodable = calls.decode(event);
    if (undecodable !== undefined) return undecodable;
    const handler = calls.find(event);
    if (handler === undefined) return missing.judge(event.envelope?.event_type ?? '');
    const failure = await calls.start(event, handler);
    calls.noteEnded(event);
    this.options.observer.attemptEnded?.(clock.now() - event.startedAt, failure?.stage);
    return failure;
  }

  /** What follows a letter that failed: another attempt in its place, or the aggregate stays parked. */
  async #failed(
    parked: Parked,
    { letter, event }: Current,
    failure: Failure,
    outcome: Decision,
  ): Promise<Step> {
    const { parking, calls, log, failures } = this.options;
    const why = describeError(failure.error);
    const hasChanged = event.lastFailure?.outcome !== outcome.kind;
    this.failed++;
    if (outcome.classifierFault !== undefined)
      failures.classifierFailed(calls.nameOf(event), outcome.classifierFault);
    event.failed({ stage: failure.stage, outcome: outcome.kind, error: why });
    const what = `${calls.nameOf(event)} failed as a letter in its ${failure.stage} (attempt ${event.attempt})`;
    if (outcome.kind === 'retry' || outcome.kind === 'block') {
      const text = `${what}, again in ${outcome.delayMs} ms: ${why}`;
      failures.attemptFailed(parked.token, why, hasChanged ? { level: 'warn', text } : undefined);
      return outcome.delayMs;
    }
    if (outcome.kind === 'halt') {
      this.options.listener.halt(`${what}: ${why}`);
      return NEXT;
    }
    const note = { reason: outcome.reason, error: why, attempts: event.attempt };
    if (outcome.kind === 'skip') {
      log.error(`${what} and is skipped: ${why}`, failure.error);
      await parking.skip(event, note);
      return this.#remove(parked, letter);
    }
    log.error(`${what}; its aggregate stays parked: ${why}`, failure.error);
    this.#current.delete(parked.token);
    await parking.stay(parked, { ...note, sequence: event.sequence });
    return afterStay(parked);
  }

  /**
   * True if every event of the aggregate up to this letter is settled in the confirmed position. Its live head has left
   * the lane before this runs. So only the lane of letters, and events that are still to be read, can hold one.
   */
  #isBehindAllOthers({ token, lastSequence }: Parked, { stream, sequence }: EventId): boolean {
    const { place } = this.options;
    // Sequences of another stream say nothing of this one's events.
    if (stream !== place.created || isSabotaged('letters-not-waited-for')) return true;
    if (!this.#isSettledThrough(token, sequence)) return false;
    let waiting = this.#waiting.get(token);
    if (waiting === undefined || waiting.through < sequence) {
      // One confirmation for all letters there are: a commit for each would be slower than what comes after them.
      const isAll = lastSequence > sequence && this.#isSettledThrough(token, lastSequence);
      waiting = { through: isAll ? lastSequence : sequence, ticket: place.ticket() };
      this.#waiting.set(token, waiting);
    }
    return place.isConfirmed(waiting.ticket);
  }

  /** True if no event of the aggregate, up to this sequence, is still to be read or on its way to become a letter. */
  #isSettledThrough(token: string, sequence: number): boolean {
    const { place, lanes } = this.options;
    if (lanes.isFiling(token, sequence)) return false;
    return isSabotaged('letter-waits-for-itself-only') ? !place.isListed(sequence) : place.hasRead(sequence);
  }

  /** Letters of one stream rise, so one that does not is a copy that came late. */
  #isDone(token: string, { stream, sequence }: EventId): boolean {
    const done = this.#done.get(token);
    return done?.stream === stream && sequence <= done.sequence;
  }

  async #remove(parked: Parked, letter: Letter): Promise<Step> {
    await this.options.parking.remove(parked, letter);
    this.#current.delete(parked.token);
    return AT_ONCE;
  }

  async #leave(parked: Parked): Promise<Step> {
    const { parking, lanes } = this.options;
    const { token } = parked;
    if (!parked.leaving && lanes.isFiling(token)) return CHECK_AGAIN_MS;
    // From here to the end of the lane's step nothing of this aggregate can become a letter any more.
    parking.leave(parked);
    await parking.unpark(parked);
    this.#done.delete(token);
    this.#waiting.delete(token);
    return NEXT;
  }
}

/** Another command may have come meanwhile. */
function afterStay({ marker }: Parked): Step {
  return marker.command === undefined ? NEXT : AT_ONCE;
}
