import { reached } from '#sabotage';
import { type Clock, delay } from '../../clock.js';
import { CLOSE, NEXT, type Step } from '../../executor/keyed-executor.js';
import type { Delivery } from '../../message/delivery.js';
import { ALONE_MS, type AloneMember, type AloneTurns, type Turn } from './alone-turns.js';
import type { Suspects } from './suspects.js';

/** How a suspect is handled, once it may start. */
export interface SuspectHandling {
  /** How many attempts the event's handler may make. */
  attemptsAllowed(event: Delivery): number;
  attempt(event: Delivery): Step | PromiseLike<Step>;
  /** Each of its starts ended its process: it is not started again. */
  giveUp(event: Delivery, starts: number): Step | Promise<Step>;
}

/** The tenure, as a suspect sees it. */
export interface SuspectTenure {
  /** False once the partition may belong to another process: no attempt starts then. */
  mayStart(): boolean;
  /** False if the event was taken in during a tenure that has ended. */
  isCurrent(event: Delivery): boolean;
}

export interface SuspectRunsOptions {
  readonly suspects: Suspects;
  readonly handling: SuspectHandling;
  readonly turns: AloneTurns;
  readonly member: AloneMember;
  readonly tenure: SuspectTenure;
  readonly clock: Clock;
}

/** The turn to run alone is taken: ask again. */
const ASK_AGAIN_MS = 20;
/** The start could not be written down: try again. */
const NOTE_AGAIN_MS = 200;
/** An event that is to run alone keeps the whole process waiting for its write no longer than this. */
const NOTE_WITHIN_MS = 1_000;
/** The write was not confirmed in that time: others run meanwhile. */
const NOTE_MUCH_LATER_MS = 5_000;

/**
 * Runs events that may have killed an earlier owner. Their starts are written down first. Those that were started
 * before run alone. The killer is given up once it is found.
 */
export class SuspectRuns {
  constructor(private readonly options: SuspectRunsOptions) {}

  isSuspect({ sequence }: Delivery): boolean {
    return this.options.suspects.isSuspect(sequence);
  }

  /** One attempt. Never rejects. */
  async run(event: Delivery): Promise<Step> {
    const { suspects, turns, member, handling } = this.options;
    if (suspects.isExhausted(event.sequence, handling.attemptsAllowed(event)))
      return handling.giveUp(event, suspects.startsOf(event.sequence));
    if (!suspects.mustRunAlone(event.sequence)) return this.#runNoted(event, undefined);
    const turn = turns.tryTake(member);
    if (turn === undefined) return ASK_AGAIN_MS;
    try {
      await turns.whenQuiet(turn);
      return await this.#runNoted(event, turn);
    } finally {
      turns.give(turn);
    }
  }

  async #runNoted(event: Delivery, turn: Turn | undefined): Promise<Step> {
    const { suspects, tenure, handling, turns, member } = this.options;
    const isNoted = await this.#note(event, turn !== undefined);
    reached('suspects: start written');
    // The lease may have ended meanwhile; then the event is in a lane that knows nothing of it any more.
    if (!tenure.isCurrent(event)) return NEXT;
    if (!tenure.mayStart()) return CLOSE;
    if (isNoted === undefined) return NOTE_MUCH_LATER_MS;
    if (!isNoted) return NOTE_AGAIN_MS;
    // Another event may have taken the turn while this one waited for its write.
    if (turn === undefined && turns.isTaken(member)) return ASK_AGAIN_MS;
    const step = Promise.resolve(handling.attempt(event));
    if (turn !== undefined) await this.#untilItEndsOrHangs(event, step, turn);
    const ended = await step;
    suspects.clear(event.sequence);
    return ended;
  }

  /** Undefined if an event that is to run alone has waited for too long; then it is not alone any more. */
  async #note(event: Delivery, alone: boolean): Promise<boolean | undefined> {
    const { clock, suspects } = this.options;
    const noted = suspects.noteStart(event, { alone });
    if (!alone) return noted;
    const late = delay(clock, NOTE_WITHIN_MS).then(() => undefined);
    const isNoted = await Promise.race([noted, late]);
    if (isNoted === undefined) void suspects.noteCompany(event.sequence);
    return isNoted;
  }

  /** What hangs alone continues beside others, and must not be charged with a death of theirs. */
  async #untilItEndsOrHangs(event: Delivery, step: Promise<Step>, turn: Turn): Promise<void> {
    const { clock, suspects, turns } = this.options;
    const hangs = await Promise.race([step.then(() => false), delay(clock, ALONE_MS).then(() => true)]);
    if (!hangs) return;
    await suspects.noteCompany(event.sequence);
    turns.give(turn);
  }
}
