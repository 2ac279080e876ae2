import { describe, expect, test } from '@jest/globals';
import type { ServerAnswer } from '#library/publisher/server-answer.js';
import { worthwhileAt } from '#library/publisher/batch.js';
import { type Fixture, fixture, type Call, refused, stored, unavailable } from './fake-publish-port.js';

const refusal = (errorCode: number): ServerAnswer => ({
  kind: 'refused',
  errorCode,
  description: 'no batch',
  wrongSequence: false,
});
const containsDuplicate = refusal(10201);

/** Batches of up to four events from two queued events on, and the queue a:1 … a:5, of which a:1 was sent alone. */
function queue(batching = {}): Fixture & { calls: Call[] } {
  const made = fixture({
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

/** The same queue, with a:2 … a:5 sent as a batch. */
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
  test('is sent as one batch; its events after the first leave only when the server has opened it', () => {
    const { port, sequencer } = queue();
    expect([port.sentIds, port.batches]).toEqual([['a:1'], []]);
    port.answer('a:1', stored(1));
    expect(port.batches).toMatchObject([{ ids: ['a:2'], isFull: false }]);
    sequencer.opened(port.batches[0]!.id);
    expect(port.batches.map(({ ids }) => ids)).toEqual([['a:2', 'a:3', 'a:4', 'a:5']]);
    expect(port.sentIds).toEqual(['a:1']);
  });

  test('gives every event of a stored batch its own sequence', async () => {
    const { sequencer, batch, calls } = sentBatch();
    sequencer.answered(batch, stored(20));
    await sequencer.flush();
    await Promise.resolve();
    expect(receipts(calls)).toEqual([1, 17, 18, 19, 20]);
    expect(sequencer.batching).toEqual({ on: true, batches: 1 });
  });

  test('sends no further event while its batch has no answer', () => {
    const { port, publish } = sentBatch();
    publish('a', 6);
    publish('a', 7);
    expect([port.sentIds, port.batches.length]).toEqual([['a:1'], 1]);
  });

  test('keeps an event that expects a sequence, and the events after it, out of the batch', () => {
    const { port, publish, sequencer } = fixture({
      batching: { maxBatch: 9, maxOpenBatches: 1, obstacle: undefined, worthwhileAt: () => 2 },
    });
    for (const n of [1, 2, 3]) publish('a', n);
    publish('a', 4, { expected: 3 });
    publish('a', 5);
    port.answer('a:1', stored(1));
    sequencer.opened(port.batches[0]!.id);
    expect(port.batches[0]!.ids).toEqual(['a:2', 'a:3']);
  });

  test('leaves an aborted event out of the batch', async () => {
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
    ['the stream accepts no batches', { obstacle: 'no' }],
    ['the queue is too short', { worthwhileAt: () => 5 }],
  ])('is sent one by one if %s', (_why, batching) => {
    const { port } = queue(batching);
    port.answer('a:1', stored(1));
    expect([port.sentIds, port.batches]).toEqual([['a:1', 'a:2'], []]);
  });

  test('is sent one by one while maxOpenBatches batches are under way', () => {
    const { port, publish } = queue({ maxOpenBatches: 1 });
    for (const n of [1, 2, 3]) publish('b', n);
    port.answer('a:1', stored(1));
    port.answer('b:1', stored(2));
    expect(port.batches.length).toBe(1);
    expect(port.sentIds).toEqual(['a:1', 'b:1', 'b:2']);
  });
});

describe('a refused batch', () => {
  test('is followed by its events one by one, each with its own answer, duplicates as such', async () => {
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

  test('keeps its events out of later batches', async () => {
    const { port, sequencer, batch, clock } = sentBatch();
    sequencer.answered(batch, containsDuplicate);
    await clock.advance(1_000);
    port.answer('a:2', stored(2));
    expect([port.sentIds, port.batches.length]).toEqual([['a:1', 'a:2', 'a:3'], 1]);
  });

  test('stops batching for a second', async () => {
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

  test('turns batching off if the stream no longer accepts batches', () => {
    const { sequencer, batch, warnings } = sentBatch();
    sequencer.answered(batch, refusal(10174));
    expect(sequencer.batching).toEqual({ on: false, reason: 'the stream no longer accepts batches' });
    expect(warnings).toHaveLength(1);
  });

  test('leaves batching off, with one warning, if other batches under way are refused too', async () => {
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

  test('turns batching off if the server stores the first event alone; no other was sent', async () => {
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
  test('is followed by its first event, alone, under the same id, and then by the next', async () => {
    const { port, clock } = sentBatch();
    await clock.advance(2_000);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
    port.answer('a:2', stored(2, true));
    expect(port.sentIds).toEqual(['a:1', 'a:2', 'a:3']);
    expect(port.batches.length).toBe(1);
  });

  test('does not report its stored events as duplicates', async () => {
    const { port, clock, calls } = sentBatch();
    await clock.advance(2_000);
    for (const n of [2, 3, 4, 5]) port.answer(`a:${n}`, stored(n, true));
    await Promise.resolve();
    expect(calls.map(({ receipt }) => receipt?.duplicate)).toEqual([false, false, false, false, false]);
  });

  test('still counts if "stored" arrives late, for the events without an answer', async () => {
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

  test('ignores a late refusal: the copy that was sent alone decides', async () => {
    const { port, clock, sequencer, batch } = sentBatch();
    await clock.advance(2_000);
    sequencer.answered(batch, containsDuplicate);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
    await clock.advance(2_000);
    expect(port.sentIds).toEqual(['a:1', 'a:2', 'a:2']);
  });

  test('is followed by its first event, alone, immediately after a reconnect', () => {
    const { port } = sentBatch();
    port.disconnect();
    expect(port.sentIds).toEqual(['a:1']);
    port.reconnect();
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
  });

  test('is given up at a reconnect if it was only opened; a late opening sends nothing', () => {
    const { port, sequencer } = queue();
    port.answer('a:1', stored(1));
    port.disconnect();
    port.reconnect();
    sequencer.opened(port.batches[0]!.id);
    expect([port.sentIds, port.batches[0]!.isFull]).toEqual([['a:1', 'a:2'], false]);
  });

  test('ends every call of the batch as unknown when the first one does', async () => {
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

  test('looks up its last event before a refusal of the copy is believed: the batch may be stored', async () => {
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

  test('is followed by its first event, alone, shortly after the answer that there is no leader', async () => {
    const { port, clock, sequencer, batch } = sentBatch();
    sequencer.answered(batch, unavailable);
    expect(port.sentIds).toEqual(['a:1']);
    await clock.advance(200);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
  });

  test('opens the aggregate again if a refusal arrives after OUTCOME_UNKNOWN', async () => {
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
  const queues = (maxInFlight: number): Fixture => {
    const made = fixture({
      maxInFlight,
      batching: { maxBatch: 4, maxOpenBatches: 2, obstacle: undefined, worthwhileAt: () => 2 },
    });
    for (const n of [1, 2, 3, 4, 5]) made.publish('a', n);
    made.port.answer('a:1', stored(1));
    return made;
  };

  test('are kept for all events of a batch from its opening on', () => {
    const { port, sequencer, publish } = queues(5);
    for (const token of ['b', 'c', 'd']) publish(token, 1);
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
    sequencer.opened(port.batches[0]!.id);
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
    sequencer.answered(port.batches[0]!.id, stored(5));
    expect(port.sentIds).toEqual(['a:1', 'b:1', 'c:1', 'd:1']);
  });

  test('are kept for a batch that is opened while free places are given away', () => {
    const { port, publish } = fixture({
      maxInFlight: 5,
      batching: { maxBatch: 4, maxOpenBatches: 2, obstacle: undefined, worthwhileAt: () => 2 },
    });
    port.connected = false;
    for (const n of [1, 2, 3, 4]) publish('a', n);
    for (const token of ['b', 'c', 'd', 'e']) publish(token, 1);
    port.reconnect();
    const onWire = port.sentIds.length + 4 * port.batches.length;
    expect(onWire).toBeLessThanOrEqual(5);
  });

  test('are free again when the outcome of a batch is unknown, and so is its place among the batches', async () => {
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

  test('are free again when a batch without a copy was looked up', async () => {
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

  test('turn batching off if there are fewer than a batch may need', () => {
    expect(queues(3).sequencer.batching).toEqual({
      on: false,
      reason: 'publish.maxBatch (4) is more than publish.maxInFlight (3)',
    });
  });
});

test('rejects the first event of a denied batch when it is denied alone, and the events after it', async () => {
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

test('frees the place of an opened batch that was denied', async () => {
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

test('opens no batch while 100 aggregates are busy, however many of them are answered in one read', () => {
  const { port, publish } = fixture({
    maxInFlight: 2_048,
    maxPending: 100_000,
    batching: { maxBatch: 200, maxOpenBatches: 4, obstacle: undefined },
  });
  const tokens = Array.from({ length: 100 }, (_, n) => `t${n}`);
  for (let n = 1; n <= 150; n++) for (const token of tokens) publish(token, n);
  for (let n = 1; n <= 20; n++) for (const token of tokens) port.answer(`${token}:${n}`, stored(n));
  expect(port.batches).toEqual([]);
  expect(port.sent.length).toBe(21 * tokens.length);
});

test('requires a longer queue when more aggregates are busy', () => {
  expect([1, 2, 3, 16, 17].map(worthwhileAt)).toEqual([100, 100, 400, 400, Number.POSITIVE_INFINITY]);
});
