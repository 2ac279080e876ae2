import { expect, test } from '@jest/globals';
import type { AggregateAnswer, GroupAnswer, PartitionAnswer } from '#library/asking/answers.js';
import { fittedJson } from '#library/asking/fit-answer.js';

function answerOf(partitions: number, worst: number): GroupAnswer {
  const partition = (n: number): PartitionAnswer => ({
    ...{ partition: n, epoch: 1, mode: 'running', running: 0, waiting: 0 },
    ...{ aggregates: 0, parked: 0, bytes: 0, handled: 0, failed: 0 },
  });
  const aggregate = (n: number): AggregateAnswer => ({
    ...{ aggregateId: `ä${n}`.repeat(40), partition: 0, state: 'running', isRunning: true },
    ...{ attempt: 1, queued: 1 },
  });
  return {
    ...{ v: 1, answers: 'group', topic: 't', group: 'g', replica: 'r', at: 1, layout: 0 },
    partitionCount: partitions,
    partitions: Array.from({ length: partitions }, (_, n) => partition(n)),
    worst: Array.from({ length: worst }, (_, n) => aggregate(n)),
    problems: [],
    breaker: { isOpen: false },
    attempts: { withinMs: 0, total: 0, failed: 0 },
  };
}

test('an answer that fits is whole', () => {
  const answer = answerOf(4, 10);
  expect(JSON.parse(fittedJson(answer, 65_536))).toEqual(answer);
});

test.each([2_000, 5_000, 20_000, 65_536])(
  'an answer of %i bytes at most leaves ends out, and counts them',
  (max) => {
    const answer = answerOf(256, 200);
    const text = fittedJson(answer, max);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(max);
    const fitted = JSON.parse(text) as GroupAnswer;
    const { partitions = 0, worst = 0 } = fitted.left ?? {};
    expect(fitted.worst).toEqual(answer.worst?.slice(0, 200 - worst));
    expect(fitted.partitions).toEqual(answer.partitions.slice(0, 256 - partitions));
    // Partitions are left out only once no other list is left.
    if (partitions > 0) expect(worst).toBe(200);
  },
);
