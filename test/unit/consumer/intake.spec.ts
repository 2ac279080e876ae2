import { describe, expect, test } from '@jest/globals';
import { ByteBudget } from '#library/consumer/byte-budget.js';
import { Intake } from '#library/consumer/intake.js';
import { Ledger } from '#library/consumer/position/ledger.js';
import { Position } from '#library/consumer/position/position.js';
import { DroppedEvents } from '#library/consumer/reading/dropped-events.js';
import { ReadingProof } from '#library/consumer/reading/reading-proof.js';
import { SingleFetch } from '#library/consumer/reading/single-fetch.js';
import { Suspects } from '#library/consumer/suspects/suspects.js';
import { Delivery } from '#library/message/delivery.js';
import { partitionOf } from '#library/message/partitioning.js';
import { encodeSequences } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { deliveryOf, recordedLog, recordOf, TOPIC } from './position/position-fixture.js';
import { FakeReaderPort, unanswered } from './reading/reading-fixture.js';

const [OURS, FOREIGN] = [0, 1].map((half) =>
  Array.from({ length: 50 }, (_, index) => `k${index}`).find((token) => partitionOf(token, 2) === half)!,
) as [string, string];

function fixture({ high = 0, unsettled = [] as readonly number[], partitions = 1, limit = 1_000 } = {}) {
  const clock = new ManualClock();
  const log = recordedLog();
  const port = new FakeReaderPort();
  const bytes = new ByteBudget(limit);
  const ledger = new Ledger(bytes);
  const suspects = new Suspects({
    writer: { commitNow: () => Promise.resolve(true) },
    survivors: { hasSurvived: () => false },
    ...{ partition: 0, maxOpen: 10, bound: 1_000 },
  });
  const position = new Position(ledger, suspects);
  const dropped = new DroppedEvents('p', log, partitions === 1);
  const pushed: number[] = [];
  let changes = 0;
  let suspicions = 0;
  const proof = new ReadingProof();
  const intake = new Intake({
    ...{
      address: { topic: TOPIC, partition: 0, partitions },
      ledger,
      position,
      suspects,
      dropped,
      bytes,
      proof,
    },
    singles: new SingleFetch({ name: 'p', port, clock, log }),
    lanes: { push: ({ sequence }) => void pushed.push(sequence) },
    listener: { changed: () => changes++, readerSuspected: () => suspicions++ },
  });
  const begin = (): void => {
    const record = recordOf({ high, unsettled: encodeSequences(unsettled) });
    position.begin(record, unsettled);
    suspects.begin({ record, unsettled, lastSequence: 1_000, before: undefined });
  };
  begin();
  const deliver = (...sequences: number[]): void => {
    for (const sequence of sequences) intake.deliver(deliveryOf({ sequence, token: OURS }));
  };
  const find = port.onFind;
  /** Answers that wait for the test, by sequence. */
  const answers = new Map<number, () => void>();
  const holdAnswers = (): void => {
    port.onFind = (sequence) =>
      new Promise((resolve) =>
        answers.set(sequence, () => {
          void find(sequence).then(resolve);
        }),
      );
  };
  return {
    clock,
    log,
    port,
    bytes,
    ledger,
    intake,
    pushed,
    dropped,
    deliver,
    begin,
    answers,
    holdAnswers,
    changes: () => changes,
    suspicions: () => suspicions,
    proof,
  };
}

describe('an event', () => {
  test('goes to its lane if it is above everything taken in', () => {
    const { deliver, pushed, ledger } = fixture({ high: 5 });
    deliver(6, 9);
    expect([pushed, ledger.lastTaken]).toEqual([[6, 9], 9]);
  });

  test('is passed over and counted if it was taken in, or lies below the place where reading began', () => {
    const { deliver, pushed, intake } = fixture({ high: 5 });
    deliver(3, 5, 6, 4, 6, 7);
    expect([pushed, intake.passedOver]).toEqual([[6, 7], 4]);
  });

  test('is passed over if the claimed record calls it settled', () => {
    const { deliver, pushed, ledger } = fixture({ high: 9, unsettled: [3, 7] });
    deliver(3, 4, 7, 9, 10);
    expect([pushed, ledger.placeholders]).toEqual([[3, 7, 10], 0]);
  });
});

describe('unsettled events that a reader has gone past', () => {
  test('are asked for, and what follows waits for the answer, in order', async () => {
    const { deliver, pushed, intake, answers, holdAnswers, clock, port } = fixture({
      high: 9,
      unsettled: [3, 5, 7],
    });
    holdAnswers();
    deliver(7, 10, 11);
    expect([pushed, intake.isAsking, intake.held, port.asked]).toEqual([[], true, 3, [3, 5]]);
    answers.get(5)!();
    await clock.settle();
    expect(pushed).toEqual([]);
    answers.get(3)!();
    await clock.settle();
    expect([pushed, intake.isAsking, intake.held]).toEqual([[3, 5, 7, 10, 11], false, 0]);
  });

  test('are found in an event that waited, too', async () => {
    const { deliver, pushed, answers, holdAnswers, clock } = fixture({ high: 9, unsettled: [3, 7] });
    holdAnswers();
    deliver(5, 9, 10);
    answers.get(3)!();
    await clock.settle();
    expect(pushed).toEqual([3]);
    deliver(11);
    answers.get(7)!();
    await clock.settle();
    expect(pushed).toEqual([3, 7, 10, 11]);
  });

  test('are found by a heartbeat, which counts only after the answer', async () => {
    const { intake, pushed, ledger, answers, holdAnswers, clock, deliver } = fixture({
      high: 9,
      unsettled: [3, 7],
    });
    holdAnswers();
    intake.readThrough(20);
    deliver(21);
    intake.readThrough(25);
    expect(ledger.readThrough).toBe(2);
    answers.get(3)!();
    answers.get(7)!();
    await clock.settle();
    expect([pushed, ledger.readThrough]).toEqual([[3, 7, 21], 25]);
  });

  test('are given up, counted and reported if the stream does not hold them', async () => {
    const { deliver, pushed, port, clock, dropped, log, ledger, changes } = fixture({
      high: 9,
      unsettled: [3, 7],
    });
    port.missing.add(3);
    deliver(7);
    await clock.settle();
    expect([pushed, dropped.lost, changes()]).toEqual([[7], 1, 1]);
    expect(log.lines).toEqual([expect.stringContaining('dropped event 3')]);
    expect(ledger.snapshot().unsettled).toEqual([7]);
  });

  test('are given up in silence if they belong to another partition since a split', async () => {
    const { deliver, pushed, port, clock, dropped, log, ledger } = fixture({
      high: 9,
      unsettled: [3, 7],
      partitions: 2,
    });
    port.onFind = (sequence) => Promise.resolve(deliveryOf({ sequence, token: FOREIGN }));
    deliver(7);
    await clock.settle();
    expect([pushed, dropped.lost, log.lines]).toEqual([[7], 0, []]);
    expect(ledger.snapshot().unsettled).toEqual([7]);
  });

  test('wait for room in bytes, unless nothing is in lanes', async () => {
    const { deliver, pushed, bytes, ledger, clock } = fixture({ high: 9, unsettled: [3, 7], limit: 10 });
    deliver(3);
    expect(bytes.isSpent).toBe(true);
    deliver(10);
    await clock.advance(1_000);
    expect(pushed).toEqual([3]);
    const again = fixture({ high: 9, unsettled: [3, 7], limit: 10 });
    again.bytes.take(10);
    again.deliver(10);
    await again.clock.settle();
    expect(again.pushed).toEqual([3, 7, 10]);
    expect(ledger.held).toBe(1);
  });

  test('are asked for again until the server answers', async () => {
    const { deliver, pushed, port, clock } = fixture({ high: 9, unsettled: [3] });
    const find = port.onFind;
    port.onFind = () => Promise.reject(unanswered());
    deliver(10);
    await clock.advance(2_000);
    expect(pushed).toEqual([]);
    port.onFind = find;
    await clock.advance(500);
    expect(pushed).toEqual([3, 10]);
  });
});

describe('the end of a tenure', () => {
  test('forgets what is held and asked for: a late answer counts for nothing in the next one', async () => {
    const { deliver, pushed, intake, answers, holdAnswers, clock, begin, ledger } = fixture({
      high: 9,
      unsettled: [3],
    });
    holdAnswers();
    deliver(10);
    intake.forget();
    begin();
    expect([intake.isAsking, intake.held]).toEqual([false, 0]);
    answers.get(3)!();
    await clock.settle();
    expect([pushed, ledger.placeholders]).toEqual([[], 1]);
    deliver(3, 10);
    expect(pushed).toEqual([3, 10]);
  });

  test('while asking lets the next tenure ask for itself', async () => {
    const { deliver, pushed, intake, answers, holdAnswers, clock, begin } = fixture({
      high: 9,
      unsettled: [3],
    });
    holdAnswers();
    deliver(10);
    const late = answers.get(3)!;
    intake.forget();
    begin();
    deliver(11);
    late();
    await clock.settle();
    expect(pushed).toEqual([]);
    answers.get(3)!();
    await clock.settle();
    expect(pushed).toEqual([3, 11]);
  });
});

describe('a jump of the only partition', () => {
  test('above the claimed position is a loss, counted and reported', () => {
    const { deliver, dropped, log } = fixture({ high: 5 });
    deliver(6, 10);
    expect(dropped.lost).toBe(3);
    expect(log.lines).toEqual([expect.stringContaining('up to sequence 9; those after 6')]);
  });

  test('is none among several partitions, nor below the claimed high, where events may be settled and gone', () => {
    const several = fixture({ high: 5, partitions: 2 });
    several.deliver(6, 10);
    expect(several.dropped.lost).toBe(0);
    const below = fixture({ high: 9, unsettled: [2, 8] });
    below.deliver(2, 8, 10);
    expect(below.dropped.lost).toBe(0);
  });

  test('counts no event that the claimed position calls settled', () => {
    const { deliver, dropped } = fixture({ high: 20, unsettled: [5] });
    deliver(5, 25);
    expect(dropped.lost).toBe(4);
  });
});

describe('a quiet partition', () => {
  test('is worth a commit once its reader has gone past 10 000 events of others', () => {
    const { intake, changes } = fixture({ high: 5, partitions: 2 });
    intake.readThrough(10_005);
    expect(changes()).toBe(0);
    intake.readThrough(10_006);
    expect(changes()).toBe(1);
  });
});

test.each([
  [1, 3],
  [2, 0],
])(
  'with %i partition(s) a reader that has gone past 5 after delivery 2 tells of %i lost events',
  (partitions, lost) => {
    const { intake, deliver, dropped } = fixture({ partitions });
    deliver(1, 2);
    intake.readThrough(5);
    intake.readThrough(5);
    expect(dropped.lost).toBe(lost);
  },
);

describe('an edited reader', () => {
  test('loses nothing: a later reader delivers what it passed over, which stands unsettled in stream order', () => {
    const { deliver, pushed, ledger, intake, proof } = fixture();
    proof.begin(0);
    deliver(1, 4, 9);
    proof.doubt();
    deliver(1, 2, 4, 6, 9, 11);
    expect(pushed).toEqual([1, 4, 9, 2, 6, 11]);
    expect(intake.passedOver).toBe(3);
    const settled = deliveryOf({ sequence: 12, token: OURS });
    intake.deliver(settled);
    ledger.settle(settled);
    expect(ledger.snapshot()).toMatchObject({ high: 12, unsettled: [1, 2, 4, 6, 9, 11] });
  });

  test('with a wider filter brings no event of another partition, and is suspected', () => {
    const { intake, pushed, ledger, suspicions } = fixture({ partitions: 2 });
    intake.deliver(deliveryOf({ sequence: 3, token: FOREIGN }));
    expect([pushed, ledger.lastTaken, suspicions()]).toEqual([[], 0, 1]);
  });

  test('that leaves out bodies has them fetched, in order, and is suspected', async () => {
    const { intake, pushed, port, clock, suspicions, ledger } = fixture();
    intake.deliver(bare(1));
    intake.deliver(deliveryOf({ sequence: 2, token: OURS }));
    expect([pushed, ledger.snapshot().unsettled]).toEqual([[], []]);
    await clock.settle();
    expect([pushed, port.asked, suspicions()]).toEqual([[1, 2], [1], 1]);
    expect(ledger.heldBytes).toBe(20);
  });

  test('whose body is gone from the stream counts it as lost', async () => {
    const { intake, pushed, port, clock, dropped, ledger } = fixture();
    port.missing.add(1);
    intake.deliver(bare(1));
    intake.deliver(deliveryOf({ sequence: 2, token: OURS }));
    await clock.settle();
    expect([pushed, dropped.lost, ledger.placeholders]).toEqual([[2], 1, 0]);
  });
});

/** As a reader with `headers_only` delivers it. */
function bare(sequence: number): Delivery {
  const { origin } = deliveryOf({ sequence, token: OURS, bytes: 0 });
  return new Delivery({ ...origin, readHeaders: () => ({ 'Nats-Msg-Size': '10' }) });
}
