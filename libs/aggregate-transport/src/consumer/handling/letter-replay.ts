import { isSabotaged } from '#sabotage';
import type { Clock } from '../../clock.js';
import { describeError, hasCode } from '../../errors.js';
import { NEXT, type Step } from '../../executor/keyed-executor.js';
import type { Log } from '../../log.js';
import { Delivery, type Link } from '../../message/delivery.js';
import { subjectOf } from '../../message/subject.js';
import type { Letter, LetterNote } from '../../records/letter.js';
import type { Parked } from '../../parking/parked-aggregate.js';
import type { Parking } from '../../parking/parking.js';
import {
  decideOutcome,
  type Failure,
  type FailurePolicy,
  type Outcome,
  reasonOf,
} from './outcome.js';
import type { Breaker } from './breaker.js';
import { policyOf } from './event-handlers.js';
import type { HandlerRuns } from './handler-calls.js';
import type { PartitionObserver } from '../partition-options.js';

/** Stands in a parked aggregate's lane: while it is the head, the aggregate's letters are worked off. */
export class ReplayItem implements Link {
  next: Link | undefined = undefined;

  constructor(readonly token: string) {}
}

export interface ReplaysOptions {
  readonly name: string;
  readonly topic: string;
  readonly parking: Parking;
  readonly runs: HandlerRuns;
  readonly breaker: Breaker;
  readonly failurePolicy: FailurePolicy;
  readonly observer: Pick<PartitionObserver, 'attemptEnded'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly mayStart: () => boolean;
  /** True while events of the aggregate, up to this sequence, are on their way to become letters. */
  readonly isFiling: (token: string, through?: number) => boolean;
  /** True while acks of the aggregate, up to this sequence, are not confirmed: its events might come again behind newer ones. */
  readonly isSettling: (token: string, through?: number) => boolean;
  readonly streamCreated: () => string;
  readonly halt: (reason: string) => void;
  /** The aggregate's lane is done with its letters, for now or for good. */
  readonly ended: (token: string) => void;
}

/** Names an event: the sequences of a stream made anew mean others. */
type EventId = Pick<LetterNote, 'stream' | 'sequence'>;

/** A letter, and the event in it with its attempts. */
interface Current {
  readonly letter: Letter;
  readonly event: Delivery;
}

/** Letters are on their way, or acks: look again soon. */
const LOOK_AGAIN_MS = 20;
/** The server did not answer: try again. */
const TRY_AGAIN_MS = 500;
const AT_ONCE: Step = 0;

/**
 * Works off the letters of an aggregate in its own lane, first letter first, through the handler that would have
 * had the event. It ends when no letter is left and none comes, and the aggregate is live again; events that
 * arrived meanwhile stand behind it in the lane. A retry somebody asked for ends at the first failure; what was
 * diverted is retried as its handler's policy says, because its events have not failed yet.
 */
export class Replays {
  /** Letters handled. */
  handled = 0;
  /** Attempts at letters that failed. */
  failed = 0;
  /** Events handled whose letter is not yet removed, by aggregate: they must not be handled once more. */
  readonly #done = new Map<string, EventId>();
  /** The letter an aggregate is at, with its attempts. */
  readonly #current = new Map<string, Current>();

  constructor(private readonly options: ReplaysOptions) {}

  /** An aggregate's head was handled in its lane although it is its first letter, too. */
  headHandled(token: string, sequence: number): void {
    this.#done.set(token, { stream: this.options.streamCreated(), sequence });
  }

  /** The letter an aggregate is at. */
  currentOf(token: string): Delivery | undefined {
    return this.#current.get(token)?.event;
  }

  forget(): void {
    this.#done.clear();
    this.#current.clear();
  }

  /** One step: at most one letter. Never rejects. */
  async run({ token }: ReplayItem): Promise<Step> {
    const step = await this.#tryStep(token);
    if (step === NEXT) this.options.ended(token);
    return step;
  }

  async #tryStep(token: string): Promise<Step> {
    const { parking, mayStart, log, name } = this.options;
    const parked = parking.find(token);
    if (parked === undefined) return NEXT;
    if (!mayStart()) return TRY_AGAIN_MS;
    try {
      if (parked.leaving) return await this.#leave(parked);
      return await this.#step(parked);
    } catch (error) {
      if (!hasCode(error, 'LEASE_LOST')) {
        log.warn(
          `${name}: letters of a parked aggregate cannot be worked off, trying again: ${describeError(error)}`,
        );
      }
      return TRY_AGAIN_MS;
    }
  }

  async #step(parked: Parked): Promise<Step> {
    const { parking } = this.options;
    const { token, marker } = parked;
    const { command, state } = marker;
    if (parked.revision === 0) return LOOK_AGAIN_MS;
    if (command === undefined && state === 'parking') return this.#leaveIfBare(parked);
    if (command === undefined && state !== 'retrying' && state !== 'diverted') return NEXT;
    if (command !== undefined) await parking.begun(parked, command.kind);
    if (isSabotaged('unpark-without-check') && this.#done.has(token)) return this.#leave(parked);
    const { tail } = parked;
    const letter = await parking.head(parked);
    // One that was stored while this looked is not seen.
    if (letter === undefined) return parked.tail === tail ? this.#leave(parked) : AT_ONCE;
    if (!this.#isSettled(token, letter.note)) return LOOK_AGAIN_MS;
    if (this.#isDone(token, letter.note) || command?.kind === 'discard') {
      return this.#remove(token, letter);
    }
    if (command?.kind === 'skipHead') {
      if (command.position === letter.position) await this.#remove(token, letter);
      if ((await parking.head(parked)) === undefined) return AT_ONCE;
      await parking.stay(parked, undefined);
      return afterStay(parked);
    }
    return this.#handle(parked, letter);
  }

  async #handle(parked: Parked, letter: Letter): Promise<Step> {
    const { parking, runs, breaker } = this.options;
    const { token } = parked;
    // The letter took its time: the lease may have ended since.
    if (parking.find(token) !== parked || !this.options.mayStart()) return TRY_AGAIN_MS;
    let current = this.#current.get(token);
    if (current?.letter.position !== letter.position) {
      current = { letter, event: deliveryOf(this.options.topic, letter) };
      this.#current.set(token, current);
    }
    const { event } = current;
    const failure = await this.#attempt(event);
    // The lease ended meanwhile: whoever has it now finds the letter where it was.
    if (parking.find(token) !== parked || !this.options.mayStart()) return NEXT;
    breaker.attempted(failure !== undefined, event.startedAt);
    if (failure === undefined) {
      this.handled++;
      this.#done.set(token, letter.note);
      return this.#remove(token, letter);
    }
    if (parked.marker.state === 'retrying') {
      return this.#failed(parked, current, failure, { kind: 'park', reason: reasonOf(failure) });
    }
    const policy = policyOf(runs.handlerOf(event), this.options.failurePolicy);
    const about = { attempt: event.attempt, type: event.envelope?.event_type };
    const outcome = decideOutcome(failure, about, policy, this.options.random());
    return this.#failed(parked, current, failure, outcome);
  }

  async #attempt(event: Delivery): Promise<Failure | undefined> {
    const { runs, clock } = this.options;
    event.begin(clock.now());
    const handler = runs.handlerOf(event);
    if (handler === undefined || 'stage' in handler) return handler;
    const failure = await runs.start(event, handler);
    runs.ended(event);
    this.options.observer.attemptEnded?.(clock.now() - event.startedAt, failure?.stage);
    return failure;
  }

  /** What follows a letter that failed: another attempt in its place, or the aggregate stays parked. */
  async #failed(
    parked: Parked,
    { letter, event }: Current,
    failure: Failure,
    outcome: Outcome,
  ): Promise<Step> {
    const { parking, runs, log } = this.options;
    const why = describeError(failure.error);
    this.failed++;
    event.failed({ stage: failure.stage, outcome: outcome.kind, error: why });
    const what = `${runs.nameOf(event)} failed as a letter in its ${failure.stage} (attempt ${event.attempt})`;
    if (outcome.kind === 'retry' || outcome.kind === 'block') {
      log.warn(`${what}, again in ${outcome.delayMs} ms: ${why}`);
      return outcome.delayMs;
    }
    if (outcome.kind === 'halt') {
      this.options.halt(`${what}: ${why}`);
      return NEXT;
    }
    const note = { reason: outcome.reason, error: why, attempts: event.attempt };
    if (outcome.kind === 'skip') {
      log.error(`${what} and is skipped: ${why}`, failure.error);
      await parking.skip(event, note);
      return this.#remove(parked.token, letter);
    }
    log.error(`${what}; its aggregate stays parked: ${why}`, failure.error);
    this.#current.delete(parked.token);
    await parking.stay(parked, { ...note, sequence: event.sequence });
    return afterStay(parked);
  }

  /**
   * A diverted head is acked after events that follow it. If its letter, or one behind it, went before that, a crash
   * would bring it again, alone, behind newer ones.
   */
  #isSettled(token: string, { stream, sequence }: EventId): boolean {
    const { isFiling, isSettling, streamCreated } = this.options;
    if (stream === streamCreated() && (isFiling(token, sequence) || isSettling(token, sequence)))
      return false;
    const done = this.#done.get(token);
    return done?.stream !== streamCreated() || !isSettling(token, done.sequence);
  }

  /** Letters of one stream rise, so one that does not is a copy that came late. */
  #isDone(token: string, { stream, sequence }: EventId): boolean {
    const done = this.#done.get(token);
    return done?.stream === stream && sequence <= done.sequence;
  }

  async #remove(token: string, letter: Letter): Promise<Step> {
    await this.options.parking.remove(letter);
    this.#current.delete(token);
    return AT_ONCE;
  }

  /**
   * An inherited marker without a letter waits for the event it was made for. If that is not among those that came
   * again it was settled: the marker came late, while nobody looked, and would park the aggregate's next event.
   */
  #leaveIfBare(parked: Parked): Step | Promise<Step> {
    const isBare = parked.lastSequence === 0 && !this.options.isFiling(parked.token);
    return isBare ? this.#leave(parked) : NEXT;
  }

  async #leave(parked: Parked): Promise<Step> {
    const { parking, isFiling, isSettling } = this.options;
    const { token } = parked;
    if (!parked.leaving && (isFiling(token) || isSettling(token))) return LOOK_AGAIN_MS;
    // From here to the end of the lane's step nothing of this aggregate can become a letter any more.
    parking.leave(parked);
    await parking.unpark(parked);
    this.#done.delete(token);
    return NEXT;
  }
}

/** Somebody may have asked for something meanwhile. */
function afterStay({ marker }: Parked): Step {
  return marker.command === undefined ? NEXT : AT_ONCE;
}

function deliveryOf(topic: string, { token, note, headers, body }: Letter): Delivery {
  return new Delivery({
    subject: subjectOf(topic, token),
    token,
    ackSubject: '',
    sequence: note.sequence,
    consumerSequence: 0,
    deliveryCount: 0,
    body,
    readHeaders: () => headers,
  });
}
