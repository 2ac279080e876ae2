import type { AggregateAnswer, TroubleCounts } from '../../asking/answers.js';
import { isWorse } from '../../asking/worst-first.js';
import type { Clock } from '../../clock.js';
import type { LaneNow } from '../../consumer/lanes/lane-report.js';
import type { ObservedPartition } from '../observed.js';
import { aggregateAnswerOf, stateOf } from './lane-answer.js';

/** Lanes in one turn of the event loop: some 100 µs. */
const LANES_PER_TURN = 2_000;
/** An asker waits for a second. */
const ENDS_AFTER_MS = 500;

export interface WorstLanes {
  /** How long the event loop was kept, in milliseconds. */
  readonly busyMs: number;
  readonly trouble: TroubleCounts;
  readonly worst: readonly AggregateAnswer[];
}

/** A lane that may be told of, as it was when it was looked at. */
interface Kept {
  readonly state: AggregateAnswer['state'];
  readonly since: number;
  readonly partition: number;
  readonly lane: LaneNow;
}

/**
 * Goes through the lanes of these partitions, a few in each turn of the event loop, and keeps the `top` worst. Stops
 * after 500 ms: the counts say how many lanes were looked at. Never rejects.
 */
export async function findWorst(
  partitions: readonly ObservedPartition[],
  top: number,
  clock: Clock,
): Promise<WorstLanes> {
  const found = new Worst(top);
  const endsAt = clock.now() + ENDS_AFTER_MS;
  const aggregates = partitions.reduce((sum, { consumer }) => sum + consumer.load.lanes, 0);
  let looked = 0;
  let busyMs = 0;
  let leftInTurn = LANES_PER_TURN;
  for (const { partition, consumer } of partitions) {
    const walk = consumer.inside.walk();
    for (;;) {
      const before = walk.looked;
      const startedAt = clock.now();
      const isDone = walk.step(leftInTurn, (lane) => found.look(lane, partition));
      looked += walk.looked - before;
      leftInTurn -= walk.looked - before;
      const now = clock.now();
      busyMs += now - startedAt;
      if (isDone) break;
      if (now >= endsAt) return worstOf(found, { looked, aggregates, busyMs }, clock);
      await new Promise<void>((resolve) => clock.nextTurn(resolve));
      leftInTurn = LANES_PER_TURN;
    }
  }
  return worstOf(found, { looked, aggregates, busyMs }, clock);
}

function worstOf(
  found: Worst,
  { looked, aggregates, busyMs }: Pick<TroubleCounts, 'looked' | 'aggregates'> & { readonly busyMs: number },
  clock: Clock,
): WorstLanes {
  const trouble = { ...found.counts, looked, aggregates: Math.max(aggregates, looked) };
  return { trouble, worst: found.list(clock), busyMs };
}

class Worst {
  readonly #kept: Kept[] = [];
  #stuck = 0;
  #blocked = 0;
  #retrying = 0;

  constructor(private readonly top: number) {}

  get counts(): Pick<TroubleCounts, 'stuck' | 'blocked' | 'retrying'> {
    return { stuck: this.#stuck, blocked: this.#blocked, retrying: this.#retrying };
  }

  look(lane: LaneNow, partition: number): void {
    const state = stateOf(lane);
    if (state === 'stuck') this.#stuck++;
    else if (state === 'blocked') this.#blocked++;
    else if (state === 'retrying') this.#retrying++;
    if (state === 'waiting') return;
    const since = lane.event?.firstStartedAt ?? Number.POSITIVE_INFINITY;
    const last = this.#kept.at(-1);
    // Most of many lanes are no worse than those that are kept: nothing is made for them.
    const isNoWorse = last?.state === state && since >= last.since;
    if (isNoWorse && this.#kept.length >= this.top) return;
    this.#keep({ state, since, partition, lane });
  }

  list(clock: Clock): AggregateAnswer[] {
    const moment = { now: clock.now(), wallNow: clock.wallNow() };
    return this.#kept.map(({ lane, partition }) => aggregateAnswerOf(lane, partition, moment));
  }

  #keep(found: Kept): void {
    const kept = this.#kept;
    const last = kept.at(-1);
    if (kept.length >= this.top && (last === undefined || isWorse(found, last) >= 0)) return;
    let at = kept.length;
    while (at > 0 && isWorse(found, kept[at - 1] ?? found) < 0) at--;
    kept.splice(at, 0, found);
    if (kept.length > this.top) kept.pop();
  }
}
