import { isSabotaged } from '#sabotage';
import { describeError, errorFields, hasCode } from '../../errors.js';
import { NEXT, type Step } from '../../executor/keyed-executor.js';
import type { Clock } from '../../clock.js';
import type { LogAt } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import { aggregateIdOf } from '../../message/subject.js';
import { isToReplay, type Parked } from '../../parking/parked-aggregate.js';
import type { Parking } from '../../parking/parking.js';
import type { Letter } from '../../records/letter.js';
import { type Command, editAt, type Marker } from '../../records/marker.js';
import type { ReplayItem } from '../handling/lane-entry.js';
import type { LaneListener, ReplayPlace } from '../handling/lane-listener.js';
import type { AloneMember, AloneTurns } from '../suspects/alone-turns.js';
import type { DetourListener } from './diversions.js';
import { AggregateReplay, type DetourLanes } from './aggregate-replay.js';
import type { LetterAttempts } from './letter-attempts.js';
import { type EventId, type FilingLanes, SettledBefore } from './settled-before.js';

/** The lanes of letters, and the ones that hold a replay. */
export interface ReplayLanes extends FilingLanes, DetourLanes {
  /** The aggregate's lane is done with its letters, for now or for good. */
  noteReplayEnded(token: string): void;
}

export interface LetterReplayOptions {
  readonly name: string;
  readonly parking: Parking;
  readonly attempts: LetterAttempts;
  readonly log: LogAt<'partition'>;
  readonly listener: LaneListener;
  readonly lanes: ReplayLanes;
  readonly place: ReplayPlace;
  readonly clock: Clock;
  readonly turns: Pick<AloneTurns, 'isTaken'>;
  readonly member: AloneMember;
}

/** Letters are on their way, or a commit is: check again soon. */
const CHECK_AGAIN_MS = 20;
/** The server did not answer: try again. */
const TRY_AGAIN_MS = 500;
const AT_ONCE: Step = 0;

/**
 * Replays the letters of an aggregate in its own lane, through the handler that would have had the event. Afterwards
 * the aggregate is live again, and events that arrived meanwhile stand after the letters in the lane.
 *
 * 1. The marker says `retrying`, or `diverted`, before the first letter is handled.
 * 2. The first letter is taken from memory; letters are read ahead in pages ({@link LetterQueue}).
 * 3. It waits until all earlier events are settled in the confirmed position ({@link SettledBefore}).
 * 4. Its handler runs. The next letter waits for its end: one letter a step, so that other lanes have their turn.
 * 5. A handled letter is taken off in memory. Soon the marker notes it, and it is removed. The next handler does not
 *    wait for that.
 * 6. If no letter is left and none is on its way, all notes and removals are answered. Then the marker falls.
 *
 * A process that dies between 4 and the note of 5 leaves handled letters: those of the last milliseconds. If many
 * aggregates are replayed at once, it leaves those since this one's last turn (`NoteTurns`). They are at most 256 of an
 * aggregate. The next owner handles them again, in order and with all that follow. A drain waits for
 * the answers, so a partition that is handed over repeats none.
 */
export class LetterReplay implements DetourListener {
  /** The last event handled of an aggregate: a copy of its letter that came late must not be handled once more. */
  readonly #done = new Map<string, EventId>();
  readonly #settled: SettledBefore;
  readonly #replays: AggregateReplay;
  /** Aggregates whose letters cannot be reached. Told once, until they can. */
  readonly #troubled = new Set<string>();

  constructor(private readonly options: LetterReplayOptions) {
    this.#settled = new SettledBefore(options.place, options.lanes);
    this.#replays = new AggregateReplay(options);
  }

  noteHeadHandled(token: string, through: number): void {
    this.#done.set(token, { stream: this.options.place.created, sequence: through });
  }

  /** The letter an aggregate is at. */
  currentOf(token: string): Delivery | undefined {
    return this.options.attempts.currentOf(token);
  }

  forget(): void {
    this.#done.clear();
    this.#settled.forget();
    this.options.attempts.forget();
    this.#replays.forget();
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
    if (parked === undefined && !parking.replays.asked.has(token)) return NEXT;
    if (!listener.mayStart()) return TRY_AGAIN_MS;
    try {
      const step = await (parked === undefined ? this.#replays.takeUp(token) : this.#go(parked));
      this.#troubled.delete(token);
      return step;
    } catch (error) {
      if (!hasCode(error, 'LEASE_LOST') && !this.#troubled.has(token)) {
        this.#troubled.add(token);
        log.write(
          'letters-not-replayed',
          { aggregate: aggregateIdOf(token), ...errorFields(error) },
          `${name}: letters of a parked aggregate cannot be replayed, trying again: ${describeError(error)}`,
        );
      }
      return TRY_AGAIN_MS;
    }
  }

  #go(parked: Parked): Promise<Step> {
    return parked.leaving ? this.#leave(parked) : this.#step(parked);
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
    const letter = await parking.letters.head(parked);
    // One that was stored while this looked is not seen.
    if (letter === undefined && parked.tail !== tail) return AT_ONCE;
    if (letter?.isReplay === undefined && !this.#isReplayConfirmed(parked)) return CHECK_AGAIN_MS;
    return this.#next(parked, letter);
  }

  #next(parked: Parked, letter: Letter | undefined): Step | Promise<Step> {
    if (letter !== undefined && this.#isReplayed(parked, letter)) return this.#take(parked, letter);
    if (this.#replays.isToBegin(parked)) return this.#replays.begin(parked, letter);
    if (letter === undefined) return this.#leave(parked);
    const isReady = letter.isReplay !== undefined || this.#settled.isConfirmed(parked, letter.note);
    return isReady ? this.#obey(parked.marker.command, parked, letter) : CHECK_AGAIN_MS;
  }

  #obey(command: Marker['command'], parked: Parked, letter: Letter): Step | Promise<Step> {
    if (command?.kind === 'discard') return this.#discard(parked, letter);
    if (letter.isReplay === undefined && this.#isDone(parked.token, letter.note))
      return this.#take(parked, letter);
    if (command?.kind === 'skipHead') return this.#skipHead(parked, letter, command);
    return this.#handle(parked, letter);
  }

  /** What is left of a history is dropped as a whole: its events were handled before, or the operator gives them up. */
  #discard(parked: Parked, letter: Letter): Step {
    if (letter.isReplay === undefined) return this.#take(parked, letter);
    this.options.parking.letters.historyOf(parked)?.drop();
    this.options.attempts.delete(parked.token);
    return AT_ONCE;
  }

  /** True for the letter of an event that the replay has brought. */
  #isReplayed({ marker: { replay } }: Parked, { isReplay, note }: Letter): boolean {
    return isReplay === undefined && note.stream === replay?.created && note.sequence <= replay.to;
  }

  /**
   * True if every event that the replay settles, and that comes live, is settled in the confirmed position. Before that
   * nothing follows the history: an owner that read such an event later would handle it after newer ones.
   */
  #isReplayConfirmed(parked: Parked): boolean {
    const { replay } = parked.marker;
    if (replay === undefined || isSabotaged('replay-falls-early')) return true;
    const { created: stream, to: sequence } = replay;
    return this.#settled.isConfirmed(parked, { stream, sequence });
  }

  /** Removes the first letter if it is the one that was meant. The aggregate stays parked if another one is left. */
  async #skipHead(parked: Parked, letter: Letter, { position, sequence }: Command): Promise<Step> {
    const { parking } = this.options;
    const isMeant =
      letter.isReplay === undefined ? position === letter.position : sequence === letter.note.sequence;
    if (isMeant) this.#take(parked, letter);
    if ((await parking.letters.head(parked)) === undefined) return AT_ONCE;
    await parking.stay(parked, undefined);
    return afterStay(parked);
  }

  async #handle(parked: Parked, letter: Letter): Promise<Step> {
    const { parking, turns, member } = this.options;
    // The letter took its time: the lease may have ended since, or an event may have begun to run alone.
    if (!this.#isStillOurs(parked)) return TRY_AGAIN_MS;
    if (turns.isTaken(member)) return CHECK_AGAIN_MS;
    if (editAt(parked.marker, letter.position) === undefined) return this.#attempt(parked, letter, letter);
    const edited = await parking.edits.inPlaceOf(parked, letter);
    if (edited === undefined) return this.#stayFor(parked, letter);
    return this.#isStillOurs(parked) ? this.#attempt(parked, letter, edited) : TRY_AGAIN_MS;
  }

  /** Runs the handler for a letter, in the form that stands in its place. */
  async #attempt(parked: Parked, letter: Letter, inPlace: Letter): Promise<Step> {
    const { attempts, parking, listener } = this.options;
    const { token } = parked;
    const event = attempts.eventOf(token, inPlace);
    const waitMs = attempts.waitMsOf(event);
    if (waitMs !== undefined) return waitMs;
    const failure = await attempts.run(event);
    if (!this.#isStillOurs(parked)) {
      attempts.lost(event, failure);
      return NEXT;
    }
    const end = attempts.judge(event, failure, parked.marker.state === 'retrying');
    switch (end.kind) {
      case 'handled':
        if (letter.isReplay === undefined) this.#done.set(token, letter.note);
        return this.#take(parked, letter);
      case 'again':
        return end.delayMs;
      case 'skipped':
        await parking.skip(event, end.note);
        return this.#take(parked, letter);
      case 'stays':
        attempts.delete(token);
        await parking.stay(parked, { ...end.note, sequence: event.sequence });
        return afterStay(parked);
      case 'halts':
        listener.halt(end.reason);
        return NEXT;
    }
  }

  /** The edited form of this letter was removed from the stream. The original must not be handled instead. */
  async #stayFor(parked: Parked, { note: { sequence } }: Letter): Promise<Step> {
    const error = `the edit of letter ${sequence} was removed from the parked stream: edit it again, or skip it`;
    const { attempts } = parked.marker;
    await this.options.parking.stay(parked, { reason: 'UNDECODABLE', error, attempts, sequence });
    return afterStay(parked);
  }

  #isStillOurs(parked: Parked): boolean {
    const { parking, listener } = this.options;
    return parking.find(parked.token) === parked && listener.mayStart();
  }

  /** Letters of one stream rise, so one that does not is a copy that came late. */
  #isDone(token: string, { stream, sequence }: EventId): boolean {
    const done = this.#done.get(token);
    return done?.stream === stream && sequence <= done.sequence;
  }

  /** The letter is worked through. */
  #take(parked: Parked, letter: Letter): Step {
    this.options.parking.letters.done(parked, letter);
    this.options.attempts.delete(parked.token);
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
    this.#settled.delete(token);
    return NEXT;
  }
}

/** Another command may have come meanwhile. */
function afterStay({ marker }: Parked): Step {
  return marker.command === undefined ? NEXT : AT_ONCE;
}
