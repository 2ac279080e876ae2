import type { BlockReason } from '../../errors.js';
import type { LaneMode } from '../../executor/lane.js';
import type { AttemptFailure, Delivery, LastFailure } from '../../message/delivery.js';
import { aggregateIdOf } from '../../message/subject.js';

/** An aggregate whose lane stands still or is slow, as it is at this moment. Names, numbers and reasons; no payload. */
export interface AggregateStatus {
  /** Its id. */
  readonly aggregateId: string;
  /** The event at the head of its lane, in the topic's stream; 0 while a letter is looked for. */
  readonly sequence: number;
  /** The type of that event; undefined until its body was decoded. */
  readonly type: string | undefined;
  /**
   * `running`: its handler runs; `waiting`: for its next attempt; `ready`: for a free handler; `closed`: for something
   * else.
   */
  readonly state: LaneMode;
  /** Attempts at that event in this process, the running one included. */
  readonly attempts: number;
  /** Since the first of them began, in milliseconds. */
  readonly ageMs: number;
  /** Events in its lane. */
  readonly queued: number;
  /** Its handler has not settled for twice its `timeoutMs`. */
  readonly isStuck: boolean;
  /** The event is a letter that is handled again. */
  readonly isLetter: boolean;
  /** The last attempt at it that failed; undefined without one. */
  readonly lastFailure: AttemptFailure | undefined;
}

/** Why an aggregate stands still: it waits for a guard, is blocked otherwise, or its handler does not settle. */
export type Standing = 'guard' | 'blocked' | 'stuck';

/** What all lanes of a partition say together. */
export interface LaneReport {
  /** Lanes that try for ever: a guard refuses, the error says so, or `onExhausted: 'block'`. */
  readonly blocked: number;
  /** Those of them that wait for a guard. */
  readonly refusedByGuard: number;
  /** Those of them whose error says the reason, by kind of reason, and what the first one says. */
  readonly byReason: readonly { readonly lanes: number; readonly first: BlockReason }[];
  readonly stuck: number;
  /** The oldest of each kind. A blocked one whose error says the reason is not among them. */
  readonly oldest: Readonly<Partial<Record<Standing, AggregateStatus>>>;
  /** Stuck and blocked ones first, then the oldest. */
  readonly slowest: readonly AggregateStatus[];
}

/** A lane as it stands. */
export interface LaneNow {
  readonly token: string;
  readonly mode: LaneMode;
  readonly size: number;
  /** The event at its head; undefined while its letters are looked for. */
  readonly event: Delivery | undefined;
  readonly isLetter: boolean;
  /** When a lane that waits runs again, on the clock. */
  readonly runsAgainAt: number;
}

/** What lanes that stand still say together, lane by lane. */
class StandingLanes {
  blocked = 0;
  refusedByGuard = 0;
  stuck = 0;
  readonly #byReason = new Map<BlockReason['problem'], { lanes: number; readonly first: BlockReason }>();
  readonly #oldest = new Map<Standing, { readonly lane: LaneNow; readonly startedAt: number }>();

  get byReason(): LaneReport['byReason'] {
    return [...this.#byReason.values()];
  }

  oldestAt(now: number): LaneReport['oldest'] {
    return Object.fromEntries([...this.#oldest].map(([kind, { lane }]) => [kind, aggregateOf(lane, now)]));
  }

  countBlocked(lane: LaneNow, startedAt: number, { stage, block }: LastFailure): void {
    this.blocked++;
    if (stage === 'guard') this.refusedByGuard++;
    if (block === undefined) {
      this.#keep(stage === 'guard' ? 'guard' : 'blocked', lane, startedAt);
      return;
    }
    const known = this.#byReason.get(block.problem);
    if (known === undefined) this.#byReason.set(block.problem, { lanes: 1, first: block });
    else known.lanes++;
  }

  countStuck(lane: LaneNow, startedAt: number): void {
    this.stuck++;
    this.#keep('stuck', lane, startedAt);
  }

  #keep(kind: Standing, lane: LaneNow, startedAt: number): void {
    const known = this.#oldest.get(kind);
    if (known === undefined || startedAt < known.startedAt) this.#oldest.set(kind, { lane, startedAt });
  }
}

/** Goes through all lanes once and keeps the `top` worst. Pure. */
export function reportLanes(lanes: Iterable<LaneNow>, now: number, top: number): LaneReport {
  const found = new StandingLanes();
  const worst: { lane: LaneNow; badness: number }[] = [];
  for (const lane of lanes) {
    const { event } = lane;
    // An event that waits for its first attempt says nothing against its aggregate.
    if (event === undefined || event.attempt === 0) continue;
    const { lastFailure } = event;
    const isBlocked = lastFailure?.outcome === 'block';
    if (isBlocked) found.countBlocked(lane, event.firstStartedAt, lastFailure);
    const isStuck = lane.mode === 'running' && event.reportedStuck;
    if (isStuck) found.countStuck(lane, event.firstStartedAt);
    const badness = badnessOf({ ageMs: now - event.firstStartedAt, isBlocked, isStuck });
    keepWorst(worst, { lane, badness }, top);
  }
  const { blocked, refusedByGuard, byReason, stuck } = found;
  const slowest = worst.map(({ lane }) => aggregateOf(lane, now));
  return { blocked, refusedByGuard, byReason, stuck, oldest: found.oldestAt(now), slowest };
}

/** More than any age in milliseconds. */
const BEFORE_ALL_OTHERS = 1e15;

/** How badly an aggregate stands: stuck and blocked ones first, then the oldest. Pure. */
export function badnessOf({
  ageMs,
  isBlocked,
  isStuck,
}: {
  readonly ageMs: number;
  readonly isBlocked: boolean;
  readonly isStuck: boolean;
}): number {
  return ageMs + (isBlocked || isStuck ? BEFORE_ALL_OTHERS : 0);
}

function keepWorst<T extends { badness: number }>(worst: T[], found: T, top: number): void {
  if (worst.length >= top && found.badness <= (worst.at(-1)?.badness ?? Number.POSITIVE_INFINITY)) return;
  let at = worst.length;
  while (at > 0 && (worst[at - 1]?.badness ?? 0) < found.badness) at--;
  worst.splice(at, 0, found);
  if (worst.length > top) worst.pop();
}

function failureOf({ stage, outcome, error, traceId }: AttemptFailure): AttemptFailure {
  return { stage, outcome, error, ...(traceId === undefined ? {} : { traceId }) };
}

function aggregateOf({ token, mode, size, event, isLetter }: LaneNow, now: number): AggregateStatus {
  return {
    aggregateId: aggregateIdOf(token),
    sequence: event?.sequence ?? 0,
    type: event?.envelope?.event_type,
    state: mode,
    attempts: event?.attempt ?? 0,
    ageMs: event === undefined ? 0 : Math.round(now - event.firstStartedAt),
    queued: size,
    isStuck: mode === 'running' && event?.reportedStuck === true,
    isLetter,
    lastFailure: event?.lastFailure && failureOf(event.lastFailure),
  };
}
