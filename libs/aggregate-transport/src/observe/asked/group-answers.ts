import type {
  AnswerHead,
  GroupAnswer,
  OneAggregateAnswer,
  ParkedAnswer,
  PartitionAnswer,
  ProblemAnswer,
  Question,
} from '../../asking/answers.js';
import { errorAnswerOf, shortTextOf } from '../../asking/error-answer.js';
import { fittedJson } from '../../asking/fit-answer.js';
import { MAX_WORST } from '../../asking/read-question.js';
import type { Clock } from '../../clock.js';
import { partitionOf } from '../../message/partitioning.js';
import { tokenOf } from '../../message/subject.js';
import type { Marker } from '../../records/marker.js';
import type { HealthProblem } from '../health-problem.js';
import type { ObservedGroup, ObservedPartition } from '../observed.js';
import { aggregateAnswerOf } from './lane-answer.js';
import { partitionAnswerOf } from './partition-answer.js';
import { findWorst, type WorstLanes } from './worst-lanes.js';

export interface GroupAnswersOptions {
  readonly group: ObservedGroup;
  /** What health said last. Must be cheap. */
  readonly problems: () => readonly HealthProblem[];
  readonly clock: Clock;
}

/** Lanes are gone through at most so often, however many ask. */
const WORST_FOR_MS = 500;
/** And so that it takes 1 % of the time at most. A walk through 100 000 lanes in trouble takes some 15 ms. */
const REST_PER_BUSY = 100;
const MAX_REST_MS = 5_000;

/** What this process answers about one group, from its memory alone. */
export class GroupAnswers {
  #worst: { readonly found: Promise<WorstLanes>; restsUntil: number } | undefined;

  constructor(private readonly options: GroupAnswersOptions) {}

  /** The answer as JSON of at most `maxBytes`. */
  async answer(question: Question, maxBytes: number): Promise<string> {
    if (question.ask === 'aggregate') return JSON.stringify(this.#aggregate(question.aggregateId));
    return fittedJson(await this.#group(question.worst), maxBytes);
  }

  async #group(worst: number | undefined): Promise<GroupAnswer> {
    const lanes = worst === undefined ? undefined : await this.#findWorst();
    const { group, clock } = this.options;
    const owned = this.#owned();
    const now = clock.now();
    const { breaker, attempts } = group.partitions[0]?.consumer.load ?? {};
    const { withinMs = 0, total = 0, failed = 0 } = attempts ?? {};
    const { isOpen = false, prober: probing } = breaker ?? {};
    return {
      ...this.#head(),
      answers: 'group',
      layout: group.layout,
      partitionCount: group.partitions.length,
      breaker: { isOpen, ...(probing === undefined ? {} : { probing }) },
      attempts: { withinMs, total, failed },
      problems: this.#problems(),
      partitions: owned.map((one) => partitionAnswerOf(one, now)).sort(moreUrgent),
      ...(lanes && { trouble: lanes.trouble, worst: lanes.worst.slice(0, worst) }),
    };
  }

  #aggregate(aggregateId: string): OneAggregateAnswer {
    const { group, clock } = this.options;
    const token = tokenOf(aggregateId);
    const partition = partitionOf(token, group.partitions.length);
    const owned = this.#owned().find((one) => one.partition === partition);
    const base = { ...this.#head(), answers: 'aggregate', aggregateId, partition } as const;
    if (owned === undefined) return { ...base, isOwner: false };
    const { inside } = owned.consumer;
    const lane = inside.laneOf(token);
    const marker = inside.parked(token);
    const moment = { now: clock.now(), wallNow: clock.wallNow() };
    return {
      ...{ ...base, isOwner: true, epoch: owned.lease.epoch },
      ...(lane === undefined ? {} : { lane: aggregateAnswerOf(lane, partition, moment) }),
      ...(marker === undefined ? {} : { parked: parkedAnswerOf(marker) }),
    };
  }

  #head(): AnswerHead {
    const { group, clock } = this.options;
    const replica = group.partitions[0]?.owner ?? '';
    return { v: 1, topic: group.topic, group: group.group, replica, at: clock.wallNow() };
  }

  #owned(): readonly ObservedPartition[] {
    return this.options.group.partitions.filter(({ lease }) => lease.mode === 'held');
  }

  /** Those who ask at the same time share one walk. */
  #findWorst(): Promise<WorstLanes> {
    const { clock } = this.options;
    const now = clock.now();
    if (this.#worst !== undefined && now < this.#worst.restsUntil) return this.#worst.found;
    const found = findWorst(this.#owned(), MAX_WORST, clock);
    const walk = (this.#worst = { found, restsUntil: Number.POSITIVE_INFINITY });
    const rest = (ms: number): void => void (walk.restsUntil = clock.now() + ms);
    found.then(
      ({ busyMs }) => rest(Math.min(MAX_REST_MS, Math.max(WORST_FOR_MS, REST_PER_BUSY * busyMs))),
      // Who waits for it hears of the failure.
      () => rest(0),
    );
    return found;
  }

  #problems(): ProblemAnswer[] {
    const { topic, group } = this.options.group;
    return this.options
      .problems()
      .filter((one) => (one.topic ?? topic) === topic && (one.group ?? group) === group)
      .map(({ code, partition, since, why, do: todo }) => ({
        ...{ code, since, why: shortTextOf(why), do: todo },
        ...(partition === undefined ? {} : { partition }),
      }));
  }
}

function parkedAnswerOf({ state, reason, since, attempts, error }: Marker): ParkedAnswer {
  return { state, reason, since, attempts, error: errorAnswerOf({ stage: 'handler', error }) };
}

/** Partitions that are held up first, then those with the most to do: what is left out is the least urgent. */
function moreUrgent(a: PartitionAnswer, b: PartitionAnswer): number {
  const paused = Number(b.pause !== undefined) - Number(a.pause !== undefined);
  if (paused !== 0) return paused;
  return b.aggregates + b.parked - (a.aggregates + a.parked) || a.partition - b.partition;
}
