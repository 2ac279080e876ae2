import { expect, test } from '@jest/globals';
import type { AggregateAnswer, GroupAnswer, PartitionAnswer } from '#library/asking/answers.js';
import { isLiving } from '#library/operations/living-names.js';
import { liveGroupOf } from '#library/operations/live-view.js';

const about = { topic: 't', group: 'g', at: 5 };

function partition(number: number, epoch: number): PartitionAnswer {
  return {
    ...{ partition: number, epoch, mode: 'running', running: 0, waiting: 0, aggregates: 0 },
    ...{ parked: 0, bytes: 0, handled: 0, failed: 0 },
  };
}

function aggregate(aggregateId: string, state: AggregateAnswer['state'], since: number): AggregateAnswer {
  return { aggregateId, partition: 0, state, isRunning: false, attempt: 1, since, queued: 1 };
}

function answer(replica: string, more: Partial<GroupAnswer>): { answer: GroupAnswer; tookMs: number } {
  const base: GroupAnswer = {
    ...{ v: 1, answers: 'group', topic: 't', group: 'g', replica, at: 1, layout: 3, partitionCount: 4 },
    ...{ partitions: [], problems: [], breaker: { isOpen: false } },
    attempts: { withinMs: 0, total: 0, failed: 0 },
  };
  return { answer: { ...base, ...more }, tookMs: 7 };
}

test('answers are put together: the higher epoch of a partition counts, and the worst come first', () => {
  const live = liveGroupOf(
    about,
    {
      living: ['a', 'b', 'silent'],
      answers: [
        answer('a', {
          partitions: [partition(2, 1), partition(0, 5)],
          worst: [aggregate('x', 'retrying', 10)],
          left: { worst: 3 },
        }),
        answer('b', {
          partitions: [partition(0, 4)],
          worst: [aggregate('y', 'stuck', 90), aggregate('z', 'retrying', 5)],
          breaker: { isOpen: true, probing: 'y' },
        }),
      ],
    },
    2,
  );
  expect(live.partitions.map((one) => [one.partition, one.replica])).toEqual([
    [0, 'a'],
    [2, 'a'],
  ]);
  expect(live.unknown).toEqual([1, 3]);
  expect(live.worst.map(({ aggregateId, replica }) => [aggregateId, replica])).toEqual([
    ['y', 'b'],
    ['z', 'b'],
  ]);
  expect(live.left).toEqual({ partitions: 0, worst: 4, problems: 0 });
  expect(live.breakers).toEqual([{ replica: 'b', probing: 'y' }]);
  expect(live.isComplete).toBe(false);
  expect(live.replicas.map(({ replica, state }) => [replica, state])).toEqual([
    ['a', 'answered'],
    ['b', 'answered'],
    ['silent', 'silent'],
  ]);
});

test('an answer of an older layout does not tell of partitions', () => {
  const live = liveGroupOf(
    about,
    {
      living: undefined,
      answers: [
        answer('old', { layout: 2, partitionCount: 2, partitions: [partition(0, 9)] }),
        answer('new', { partitions: [partition(0, 1)] }),
      ],
    },
    20,
  );
  expect(live).toMatchObject({ partitionCount: 4, unknown: [1, 2, 3], isComplete: false });
  expect(live.partitions).toEqual([expect.objectContaining({ replica: 'new' })]);
});

test('a replica lives while its session is renewed', () => {
  const value = { member: 'a', ttlMs: 10_000, beat: 1, term: 1 };
  const stored = { value, revision: 1, writtenAt: 100_000 };
  expect(isLiving(stored, 110_900)).toBe(true);
  expect(isLiving(stored, 111_100)).toBe(false);
  expect(isLiving({ ...stored, value: { ...value, ended: true } }, 100_000)).toBe(false);
  expect(isLiving({ ...stored, value: { ...value, released: true } }, 100_000)).toBe(false);
  expect(isLiving({ value: undefined, revision: 0 }, 0)).toBe(false);
});
