import { expect, test } from '@jest/globals';
import { systemClock } from '#library/clock.js';
import type { LaneNow } from '#library/consumer/lanes/lane-report.js';
import { type LaneView, LaneWalk } from '#library/consumer/lanes/lane-walk.js';
import type { Delivery } from '#library/message/delivery.js';
import { findWorst } from '#library/observe/asked/worst-lanes.js';
import type { ObservedPartition } from '#library/observe/observed.js';
import { eventOf } from '../../consumer/handling/deliveries.js';

interface Story {
  readonly attempt?: number;
  readonly age?: number;
  readonly mode?: LaneView['mode'];
  readonly outcome?: string;
  readonly isStuck?: boolean;
}

const NOW = systemClock.now();

function laneOf(id: string, story: Story): LaneView & { head: Delivery } {
  const { attempt = 0, age = 0, mode = 'ready', outcome, isStuck = false } = story;
  const head = eventOf(id, 1);
  head.attempt = attempt;
  head.startedAt = NOW - age;
  head.reportedStuck = isStuck;
  if (outcome !== undefined) head.failed({ stage: 'handler', outcome, error: 'Error: no stock' });
  return { key: head.token, mode, size: 1, head, runsAgainAt: 0 };
}

function partitionOf(partition: number, lanes: readonly LaneView[]): ObservedPartition {
  const now = ({ key: token, head, ...lane }: LaneView): LaneNow => ({
    ...{ ...lane, token, isLetter: false, event: head as Delivery },
  });
  const inside = { walk: () => new LaneWalk(lanes.values(), now) };
  return { partition, consumer: { load: { lanes: lanes.length }, inside } } as unknown as ObservedPartition;
}

test('stuck ones come first, then blocked, retrying and running ones, each the oldest first', async () => {
  const { worst, trouble } = await findWorst(
    [
      partitionOf(0, [
        laneOf('waits', {}),
        laneOf('runs', { attempt: 1, age: 9_000, mode: 'running' }),
        laneOf('retries', { attempt: 2, age: 10, mode: 'waiting', outcome: 'retry' }),
        laneOf('retries longer', { attempt: 3, age: 500, mode: 'waiting', outcome: 'retry' }),
      ]),
      partitionOf(1, [
        laneOf('blocked', { attempt: 5, age: 20, mode: 'waiting', outcome: 'block' }),
        laneOf('stuck', { attempt: 1, age: 30, mode: 'running', isStuck: true }),
      ]),
    ],
    10,
    systemClock,
  );
  expect(worst.map(({ aggregateId }) => aggregateId)).toEqual([
    ...['stuck', 'blocked', 'retries longer', 'retries', 'runs'],
  ]);
  expect(trouble).toEqual({ stuck: 1, blocked: 1, retrying: 2, looked: 6, aggregates: 6 });
});

test('100 000 lanes are gone through in steps that leave the event loop to others', async () => {
  const lanes = Array.from({ length: 10_000 }, (_, n) =>
    laneOf(`a ${n}`, n % 100 === 0 ? { attempt: 2, age: n, mode: 'waiting', outcome: 'retry' } : {}),
  );
  // Many partitions count together: a step ends across them.
  const partitions = Array.from({ length: 10 }, (_, n) => partitionOf(n, lanes));
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  // A busy machine must not end the walk early.
  const clock = { ...systemClock, now: () => NOW };
  const { worst, trouble } = await findWorst(partitions, 200, clock);
  isDone = true;
  expect(trouble).toMatchObject({ retrying: 1_000, looked: 100_000, aggregates: 100_000 });
  expect(worst).toHaveLength(200);
  expect(worst[0]).toMatchObject({ aggregateId: 'a 9900', error: { name: 'Error', text: 'no stock' } });
  expect(turns).toBeGreaterThanOrEqual(49);
});
