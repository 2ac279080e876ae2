import { describe, expect, test } from '@jest/globals';
import type { ServerAnswer } from '#library/publisher/server-answer.js';
import { worthwhileAt } from '#library/publisher/batch.js';
import { type Bench, bench, type Call, refused, stored, unavailable } from './fake-publish-port.js';

const refusal = (errorCode: number): ServerAnswer => ({
  kind: 'refused',
  errorCode,
  description: 'no batch',
  wrongSequence: false,
});
const containsDuplicate = refusal(10201);

/** Batching that takes four events from two on, with the queue a:1 … a:5, of which a:1 has left alone. */
function queue(batching = {}): Bench & { calls: Call[] } {
  const made = bench({
    batching: {
      maxBatch: 4,
      maxOpenBatches: 2,
      obstacle: undefined,
      worthwhileAt: () => 2,
      ...batching,
    },
  });
  const calls = [1, 2, 3, 4, 5].map((n) => made.publish('a', n));
  return { ...made, calls };
}

/** The same, with a:2 … a:5 in a batch that is on its way. */
function sentBatch(): ReturnType<typeof queue> & { batch: number } {
  const made = queue();
  made.port.answer('a:1', stored(1));
  const batch = made.port.batches[0]!.id;
  made.sequencer.opened(batch);
  return { ...made, batch };
}

const outcomes = (calls: readonly Call[]): string[] => calls.map(({ outcome }) => outcome);
const receipts = (calls: readonly Call[]): (number | undefined)[] =>
  calls.map(({ receipt }) => receipt?.sequence);

describe('a long queue', () => {
  test('goes as one batch, whose rest leaves only when the server has opened it', () => {
    const { port, sequencer } = queue();
    expect([port.sentIds, port.batches]).toEqual([['a:1'], []]);
    port.answer('a:1', stored(1));
    expect(port.batches).toEqual([{ id: port.batches[0]!.id, ids: ['a:2'], isFull: false }]);
    sequencer.opened(port.batches[0]!.id);
    expect(port.batches.map(({ ids }) => ids)).toEqual([['a:2', 'a:3', 'a:4', 'a:5']]);
    expect(port.sentIds).toEqual(['a:1']);
  });

  test('every event of a stored batch gets its own sequence', async () => {
    const { sequencer, batch, calls } = sentBatch();
    sequencer.answered(batch, stored(20));
    await sequencer.flush();
    await Promise.resolve();
    expect(receipts(calls)).toEqual([1, 17, 18, 19, 20]);
    expect(sequencer.batching).toEqual({ on: true, batches: 1 });
  });

  test('nothing of the aggregate leaves while its batch has no answer', () => {
    const { port, publish } = sentBatch();
    publish('a', 6);
    publish('a', 7);
    expect([port.sentIds, port.batches.length]).toEqual([['a:1'], 1]);
  });

  test('an event that expects a sequence, and what is behind it, is in no batch', () => {
    const { port, publish, sequencer } = bench({
      batching: { maxBatch: 9, maxOpenBatches: 1, obstacle: undefined, worthwhileAt: () => 2 },
    });
    for (const n of [1, 2, 3]) publish('a', n);
    publish('a', 4, { expected: 3 });
    publish('a', 5);
    port.answer('a:1', stored(1));
    sequencer.opened(port.batches[0]!.id);
    expect(port.batches[0]!.ids).toEqual(['a:2', 'a:3']);
  });

  test('an event called off before it is sent is left out', async () => {
    const { port, publish, sequencer } = queue();
    const abort = new AbortController();
    publish('b', 1);
    publish('b', 2);
    const off = publish('b', 3, { signal: abort.signal });
    publish('b', 4);
    port.answer('b:1', stored(1));
    abort.abort();
    sequencer.opened(port.batches[0]!.id);
    await Promise.resolve();
    expect([off.outcome, port.batches[0]!.ids]).toEqual(['ABORTED', ['b:2', 'b:4']]);
  });

  test.each([
    ['the stream takes none', { obstacle: 'no' }],
    ['the queue is not worth one', { worthwhileAt: () => 5 }],
  ])('goes one by one if %s', (_why, batching) => {
    const { port } = queue(batching);
    port.answer('a:1', stored(1));
    expect([port.sentIds, port.batches]).toEqual([['a:1', 'a:2'], []]);
  });

  test('batches under way have a limit', () => {
    const { port, publish } = queue({ maxOpenBatches: 1 });
    for (const n of [1, 2, 3]) publish('b', n);
    port.answer('a:1', stored(1));
    port.answer('b:1', stored(2));
    expect(port.batches.length).toBe(1);
    expect(port.sentIds).toEqual(['a:1', 'b:1', 'b:2']);
  });
});

describe('a refused batch', () => {
  test('its events go one by one, each for its own answer, duplicates known as such', async () => {
    const { port, sequencer, batch, calls } = sentBatch();
    sequencer.answered(batch, containsDuplicate);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
    port.answer('a:2', stored(7, true));
    port.answer('a:3', stored(8));
    port.answer('a:4', refused);
    await sequencer.flush();
    await Promise.resolve();
    expect(outcomes(calls)).toEqual([
      'stored',
      'stored',
      'stored',
      'PUBLISH_REJECTED',
      'PREDECESSOR_REJECTED',
    ]);
    expect(calls[1]!.receipt).toEqual({ topic: 'orders', sequence: 7, duplicate: true });
    expect(port.sentIds).toEqual(['a:1', 'a:2', 'a:3', 'a:4']);
  });

  test('its events are in no later batch', async () => {
    const { port, sequencer, batch, clock } = sentBatch();
    sequencer.answered(batch, containsDuplicate);
    await clock.advance(1_000);
    port.answer('a:2', stored(2));
    expect([port.sentIds, port.batches.length]).toEqual([['a:1', 'a:2', 'a:3'], 1]);
  });

  test('after one the lane rests for a second', async () => {
    const { port, sequencer, batch, publish, clock } = sentBatch();
    sequencer.answered(batch, containsDuplicate);
    for (const n of [1, 2, 3]) publish('b', n);
    port.answer('b:1', stored(1));
    expect(port.batches.length).toBe(1);
    await clock.advance(1_000);
    for (const n of [1, 2, 3]) publish('c', n);
    port.answer('c:1', stored(2));
    expect(port.batches.length).toBe(2);
  });

  test('a stream that takes none any more switches the lane off', () => {
    const { sequencer, batch, warnings } = sentBatch();
    sequencer.answered(batch, refusal(10174));
    expect(sequencer.batching).toEqual({ on: false, reason: 'the stream no longer accepts batches' });
    expect(warnings).toHaveLength(1);
  });

  test('batching stays off, and warns once, if batches that were under way are refused too', async () => {
    const { port, sequencer, batch, publish, warnings, clock } = sentBatch();
    for (const n of [1, 2, 3]) publish('b', n);
    port.answer('b:1', stored(2));
    const other = port.batches[1]!.id;
    sequencer.answered(batch, refusal(10174));
    sequencer.answered(other, containsDuplicate);
    expect(warnings).toHaveLength(1);
    await clock.advance(1_000);
    for (const n of [1, 2, 3]) publish('c', n);
    port.answer('c:1', stored(3));
    expect([port.batches.length, sequencer.batching.on]).toEqual([2, false]);
  });

  test('a server that knows no batches and stored the first event switches the lane off; nothing else was sent', async () => {
    const { port, sequencer, calls } = queue();
    port.answer('a:1', stored(1));
    sequencer.answered(port.batches[0]!.id, stored(2));
    await Promise.resolve();
    expect(receipts(calls).slice(0, 3)).toEqual([1, 2, undefined]);
    expect(sequencer.batching.on).toBe(false);
    expect([port.sentIds, port.batches[0]!.isFull]).toEqual([['a:1', 'a:3'], false]);
  });
});

describe('a batch without an answer', () => {
  test('its first event follows alone under the same id, and the next only when that one is stored', async () => {
    const { port, clock } = sentBatch();
    await clock.advance(2_000);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
    port.answer('a:2', stored(2, true));
    expect(port.sentIds).toEqual(['a:1', 'a:2', 'a:3']);
    expect(port.batches.length).toBe(1);
  });

  test('what was stored by it is no duplicate to its caller', async () => {
    const { port, clock, calls } = sentBatch();
    await clock.advance(2_000);
    for (const n of [2, 3, 4, 5]) port.answer(`a:${n}`, stored(n, true));
    await Promise.resolve();
    expect(calls.map(({ receipt }) => receipt?.duplicate)).toEqual([false, false, false, false, false]);
  });

  test('a late "stored" still counts, for the events that have no answer yet', async () => {
    const { port, clock, sequencer, batch, calls, publish } = sentBatch();
    publish('a', 6);
    await clock.advance(2_000);
    port.answer('a:2', stored(2, true));
    sequencer.answered(batch, stored(5));
    await Promise.resolve();
    expect(receipts(calls)).toEqual([1, 2, 3, 4, 5]);
    expect(port.sentIds.at(-1)).toBe('a:6');
    port.answer('a:6', stored(6));
    expect(sequencer.pending).toBe(0);
  });

  test('a late refusal changes nothing: the copy that was sent alone decides', async () => {
    const { port, clock, sequencer, batch } = sentBatch();
    await clock.advance(2_000);
    sequencer.answered(batch, containsDuplicate);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
    await clock.advance(2_000);
    expect(port.sentIds).toEqual(['a:1', 'a:2', 'a:2']);
  });

  test('after a reconnect its first event leaves alone, at once', () => {
    const { port } = sentBatch();
    port.disconnect();
    expect(port.sentIds).toEqual(['a:1']);
    port.reconnect();
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
  });

  test('one that was only opened is given up at a reconnect; an opening that comes late fills nothing', () => {
    const { port, sequencer } = queue();
    port.answer('a:1', stored(1));
    port.disconnect();
    port.reconnect();
    sequencer.opened(port.batches[0]!.id);
    expect([port.sentIds, port.batches[0]!.isFull]).toEqual([['a:1', 'a:2'], false]);
  });

  test('when the caller hears that the outcome is unknown, so do all whose events were in the batch', async () => {
    const { port, clock, publish, calls } = sentBatch();
    const behind = publish('a', 6);
    port.disconnect();
    await clock.advance(60_000);
    expect(outcomes([...calls, behind])).toEqual([
      'stored',
      ...Array<string>(4).fill('OUTCOME_UNKNOWN'),
      'PREDECESSOR_UNKNOWN',
    ]);
  });

  test('a refusal of the copy is not believed while the batch may be stored: its last event is looked up', async () => {
    const { port, clock, sequencer, calls } = sentBatch();
    port.findStoredResult = () => Promise.resolve(port.lookups.at(-1)?.messageId === 'a:5' ? 15 : undefined);
    await clock.advance(2_000);
    for (const n of [2, 3, 4, 5]) {
      port.answer(`a:${n}`, refused);
      await clock.advance(0);
    }
    expect([outcomes(calls), receipts(calls)]).toEqual([
      Array<string>(5).fill('stored'),
      [1, 12, 13, 14, 15],
    ]);
    expect(sequencer.failed).toBe(0);
  });

  test('no leader: its first event leaves alone after a moment', async () => {
    const { port, clock, sequencer, batch } = sentBatch();
    sequencer.answered(batch, unavailable);
    expect(port.sentIds).toEqual(['a:1']);
    await clock.advance(200);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
  });

  test('a refusal after the caller heard "unknown" opens the aggregate again', async () => {
    const { sequencer, batch, clock, port, publish } = sentBatch();
    port.disconnect();
    await clock.advance(60_000);
    expect(sequencer.unknownAggregates()).toEqual(['a']);
    port.connected = true;
    sequencer.answered(batch, containsDuplicate);
    expect(sequencer.unknownAggregates()).toEqual([]);
    publish('a', 6);
    expect(port.sentIds).toEqual(['a:1', 'a:6']);
  });
});

describe('places on the wire', () => {
  const queues = (maxInFlight: number): Bench => {
    const made = bench({
      maxInFlight,
      batching: { maxBatch: 4, maxOpenBatches: 2, obstacle: undefined, worthwhileAt: () => 2 },
    });
    for (const n of [1, 2, 3, 4, 5]) made.publish('a', n);
    made.port.answer('a:1', stored(1));
    return made;
  };

  test('a batch has its places from when it is opened; others wait for the rest', () => {
    const { port, sequencer, publish } = queues(5);
    for (const token of ['b', 'c', 'd']) publish(token, 1);
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
    sequencer.opened(port.batches[0]!.id);
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
    sequencer.answered(port.batches[0]!.id, stored(5));
    expect(port.sentIds).toEqual(['a:1', 'b:1', 'c:1', 'd:1']);
  });

  test('one whose outcome is unknown holds none, nor one of the batches that may be under way', async () => {
    const { port, sequencer, publish, clock } = queues(5);
    sequencer.opened(port.batches[0]!.id);
    port.disconnect();
    await clock.advance(60_000);
    port.connected = true;
    for (const n of [1, 2, 3, 4]) publish('b', n);
    for (const token of ['c', 'd', 'e']) publish(token, 1);
    port.answer('b:1', stored(7));
    expect(port.sentIds).toEqual(expect.arrayContaining(['b:1', 'c:1', 'd:1', 'e:1']));
  });

  test('one that no copy followed is forgotten when its outcome was looked up', async () => {
    const { port, sequencer, publish, clock } = queues(20);
    sequencer.opened(port.batches[0]!.id);
    port.disconnect();
    await clock.advance(115_000);
    port.reconnect();
    await clock.advance(1_000);
    expect(sequencer.unknownAggregates()).toEqual([]);
    expect(port.sentIds).toEqual(['a:1']);
    for (const token of ['b', 'c']) for (const n of [1, 2, 3, 4, 5]) publish(token, n);
    port.answer('b:1', stored(7));
    port.answer('c:1', stored(8));
    expect(port.batches.map(({ ids }) => ids[0])).toEqual(['a:2', 'b:2', 'c:2']);
  });

  test('with fewer places than a batch may need the lane is off', () => {
    expect(queues(3).sequencer.batching).toEqual({
      on: false,
      reason: 'publish.maxBatch (4) is more than publish.maxInFlight (3)',
    });
  });
});

test('a batch that the user may not publish: its first event, alone, hears so; none behind it is stored', async () => {
  const { port, sequencer, calls, clock } = sentBatch();
  sequencer.denied('orders.a');
  expect(port.sentIds).toEqual(['a:1', 'a:2']);
  sequencer.denied('orders.a');
  await clock.settle();
  expect(outcomes(calls)).toEqual([
    'stored',
    'PUBLISH_REJECTED',
    ...Array<string>(3).fill('PREDECESSOR_REJECTED'),
  ]);
  expect(port.lookups.map(({ messageId }) => messageId)).toEqual(['a:5', 'a:2']);
});

test('an unfilled batch that was denied takes nothing of the lane with it', async () => {
  const { port, sequencer, publish, clock } = queue({ maxOpenBatches: 1 });
  port.answer('a:1', stored(1));
  sequencer.denied('orders.a');
  sequencer.denied('orders.a');
  await clock.settle();
  sequencer.opened(port.batches[0]!.id);
  expect(port.batches.map(({ isFull }) => isFull)).toEqual([false]);
  for (const n of [1, 2, 3]) publish('b', n);
  port.answer('b:1', stored(2));
  expect(port.batches.map(({ ids }) => ids[0])).toEqual(['a:2', 'b:2']);
});

test('the busier the wire, the longer a queue must be', () => {
  expect([1, 2, 3, 16, 17].map(worthwhileAt)).toEqual([100, 100, 400, 400, Number.POSITIVE_INFINITY]);
});
