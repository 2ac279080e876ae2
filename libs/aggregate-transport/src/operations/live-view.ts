import type { GroupAnswer, OneAggregateAnswer, TroubleCounts } from '../asking/answers.js';
import type { Gathered, GatheredAnswers } from '../asking/gather.js';
import { isWorse } from '../asking/worst-first.js';
import type { Asked, LiveAggregateView, LiveGroup, LivePartition, LiveReplica } from './live.js';

interface About {
  readonly topic: string;
  readonly group: string;
  readonly at: number;
}

/** What all answers about a group say together; `worst` bounds the list. Pure. */
export function liveGroupOf(about: About, gathered: GatheredAnswers<GroupAnswer>, worst: number): LiveGroup {
  const answers = gathered.answers.map(({ answer }) => answer);
  const newest = answers.reduce((best, { layout }) => Math.max(best, layout), -1);
  const current = answers.filter(({ layout }) => layout === newest);
  const partitionCount = current[0]?.partitionCount ?? 0;
  const partitions = partitionsOf(current);
  const named = new Set(partitions.map(({ partition }) => partition));
  const numbers = Array.from({ length: partitionCount }, (_, partition) => partition);
  const found = answers.flatMap((answer) =>
    (answer.worst ?? []).map((aggregate) => ({ ...aggregate, replica: answer.replica })),
  );
  found.sort(isWorse);
  return {
    ...askedOf(about, gathered),
    partitionCount,
    partitions,
    unknown: numbers.filter((partition) => !named.has(partition)),
    breakers: answers
      .filter(({ breaker }) => breaker.isOpen)
      .map(({ replica, breaker }) => ({ replica, probing: breaker.probing })),
    problems: answers.flatMap(({ replica, problems }) => problems.map((one) => ({ ...one, replica }))),
    trouble: sumOf(answers),
    worst: found.slice(0, worst),
    left: {
      partitions: sum(answers, ({ left }) => left?.partitions),
      worst: sum(answers, ({ left }) => left?.worst) + Math.max(0, found.length - worst),
      problems: sum(answers, ({ left }) => left?.problems),
    },
  };
}

/** What the owner's answer says of an aggregate. Pure. */
export function liveAggregateOf(
  about: About & { readonly aggregateId: string },
  gathered: GatheredAnswers<OneAggregateAnswer>,
): LiveAggregateView {
  const { aggregateId, ...where } = about;
  const owners = gathered.answers
    .map(({ answer }) => answer)
    .filter((answer) => answer.isOwner && answer.aggregateId === aggregateId)
    .sort((a, b) => (b.epoch ?? 0) - (a.epoch ?? 0));
  const [owner] = owners;
  return {
    ...askedOf(where, gathered),
    aggregateId,
    owner: owner && {
      replica: owner.replica,
      partition: owner.partition,
      epoch: owner.epoch ?? 0,
      lane: owner.lane,
      parked: owner.parked,
    },
  };
}

type AnyGathered = GatheredAnswers<GroupAnswer> | GatheredAnswers<OneAggregateAnswer>;

function askedOf(about: About, { answers, living }: AnyGathered): Asked {
  const found: readonly Gathered<GroupAnswer | OneAggregateAnswer>[] = answers;
  const names = new Set(found.map(({ answer }) => answer.replica));
  const silent = (living ?? []).filter((replica) => !names.has(replica));
  const replicas: LiveReplica[] = [
    ...found.map(({ answer, tookMs }) => ({ replica: answer.replica, state: 'answered', tookMs }) as const),
    ...silent.map((replica) => ({ replica, state: 'silent', tookMs: undefined }) as const),
  ];
  replicas.sort((a, b) => (a.replica < b.replica ? -1 : 1));
  return { ...about, replicas, isComplete: living !== undefined && silent.length === 0 };
}

/** A partition that changes hands may be named twice: the higher epoch counts. */
function partitionsOf(answers: readonly GroupAnswer[]): LivePartition[] {
  const found = new Map<number, LivePartition>();
  for (const { replica, partitions } of answers) {
    for (const partition of partitions) {
      const known = found.get(partition.partition);
      if (known === undefined || known.epoch < partition.epoch)
        found.set(partition.partition, { ...partition, replica });
    }
  }
  return [...found.values()].sort((a, b) => a.partition - b.partition);
}

function sumOf(answers: readonly GroupAnswer[]): TroubleCounts {
  return {
    stuck: sum(answers, ({ trouble }) => trouble?.stuck),
    blocked: sum(answers, ({ trouble }) => trouble?.blocked),
    retrying: sum(answers, ({ trouble }) => trouble?.retrying),
    looked: sum(answers, ({ trouble }) => trouble?.looked),
    aggregates: sum(answers, ({ trouble }) => trouble?.aggregates),
  };
}

function sum(answers: readonly GroupAnswer[], of: (answer: GroupAnswer) => number | undefined): number {
  return answers.reduce((all, answer) => all + (of(answer) ?? 0), 0);
}
