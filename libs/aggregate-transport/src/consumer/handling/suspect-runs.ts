import { reached } from '#sabotage';
import { type Clock, delay } from '../../clock.js';
import { CLOSE, NEXT, type Step } from '../../executor/keyed-executor.js';
import type { Delivery } from '../../message/delivery.js';
import { ALONE_MS, type AloneMember, type AloneTurns, type Turn } from './alone-turns.js';
import type { Attempts } from './attempts.js';
import type { HandlerCalls } from './handler-calls.js';
import type { LaneListener } from './lane-listener.js';
import type { FailurePolicy } from './outcome.js';
import type { Suspects } from './suspects.js';

export interface SuspectRunsOptions {
  readonly suspects: Suspects;
  readonly attempts: Attempts;
  readonly calls: HandlerCalls;
  readonly turns: AloneTurns;
  readonly member: AloneMember;
  readonly topicPolicy: FailurePolicy;
  readonly clock: Clock;
  readonly listener: LaneListener;
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
 * Runs events that may have killed an earlier owner: writes their starts down first, runs those alone that were started
 * before, and gives up the one that is found.
 */
export class SuspectRuns {
  constructor(private readonly options: SuspectRunsOptions) {}

  isSuspect({ sequence }: Delivery): boolean {
    return this.options.suspects.isSuspect(sequence);
  }

  /** One attempt. Never rejects. */
  async run(event: Delivery): Promise<Step> {
    const { suspects, turns, member } = this.options;
    const policy = this.#policyOf(event);
    if (suspects.isExhausted(event.sequence, policy.retry.attempts)) return this.#giveUp(event, policy);
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
    const { suspects, listener, attempts, turns, member } = this.options;
    const isNoted = await this.#note(event, turn !== undefined);
    reached('suspects: start written');
    // The lease may have ended meanwhile; then the event is in a lane that knows nothing of it any more.
    if (!listener.isCurrent(event)) return NEXT;
    if (!listener.mayStart()) return CLOSE;
    if (isNoted === undefined) return NOTE_MUCH_LATER_MS;
    if (!isNoted) return NOTE_AGAIN_MS;
    // Another event may have taken the turn while this one waited for its write.
    if (turn === undefined && turns.isTaken(member)) return ASK_AGAIN_MS;
    const step = Promise.resolve(attempts.attempt(event));
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

  #giveUp(event: Delivery, policy: FailurePolicy): Step | Promise<Step> {
    const { suspects, attempts, clock } = this.options;
    if (event.attempt === 0) {
      event.begin(clock.now());
      attempts.counts.crashed++;
    }
    const starts = suspects.startsOf(event.sequence);
    const error = new Error(`it was started ${starts} times and each time its process ended; it is not started again`);
    const step = attempts.fail(event, { stage: 'crash', error, unrecoverable: true }, policy);
    // Blocked means: not started again, here or by a successor.
    return policy.onExhausted === 'block' ? CLOSE : step;
  }

  #policyOf(event: Delivery): FailurePolicy {
    const { calls, topicPolicy } = this.options;
    const failure = calls.decode(event);
    return (failure === undefined ? calls.find(event)?.failurePolicy : undefined) ?? topicPolicy;
  }
}
