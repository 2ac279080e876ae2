import { expect, test } from '@jest/globals';
import { following, type OutgoingEvent } from '#library/message/outgoing/outgoing-event.js';
import { parseHeaders } from '#library/message/headers.js';
import {
  type Call,
  callOn,
  eventOf,
  type Fixture,
  fixture,
  stored,
  wrongSequence,
} from './fake-publish-port.js';

const HEADERS = Buffer.from('NATS/1.0\r\n\r\n');

/** Batches of up to four events from two queued events on. */
function able(): Fixture {
  return fixture({
    batching: { maxBatch: 4, maxOpenBatches: 2, obstacle: undefined, worthwhileAt: () => 2 },
  });
}

/** Events a:1 … a:n, the first of which expects `after`, and each other one the event before it. */
function chain(
  { sequencer }: Fixture,
  n: number,
  after: number,
  signals: readonly AbortSignal[] = [],
): Call[] {
  let before: OutgoingEvent | undefined;
  return Array.from({ length: n }, (_, index) => {
    const plain = { ...eventOf('a', index + 1, before === undefined ? after : undefined), headers: HEADERS };
    before = before === undefined ? plain : following(plain, before);
    return callOn(sequencer, before, signals[index]);
  });
}

const outcomes = (calls: readonly Call[]): string[] => calls.map(({ outcome }) => outcome);
const receipts = (calls: readonly Call[]): (number | undefined)[] =>
  calls.map(({ receipt }) => receipt?.sequence);
const expectedBy = ({ headers }: OutgoingEvent): string | undefined =>
  parseHeaders(Buffer.from(headers).toString())['Nats-Expected-Last-Subject-Sequence'];

/** The same chain, of which a:1 was sent alone and stored as 10, and a:2 … as a batch. */
function sentChain(n: number): Fixture & { calls: Call[]; batch: number } {
  const made = able();
  const calls = chain(made, n, 7);
  const { port, sequencer } = made;
  port.answer('a:1', stored(10));
  const batch = port.batches[0]!.id;
  sequencer.opened(batch);
  return { ...made, calls, batch };
}

test('a chain is sent as batches: the first event of each expects, and what follows is told by the answer', async () => {
  const { port, sequencer, clock, calls, batch } = sentChain(7);
  const [first] = port.batches;
  expect([port.sentIds, first!.ids]).toEqual([['a:1'], ['a:2', 'a:3', 'a:4', 'a:5']]);
  expect([first!.first.expectedSequence, expectedBy(first!.first)]).toEqual([10, '10']);
  sequencer.answered(batch, stored(20));
  const [, second] = port.batches;
  sequencer.opened(second!.id);
  expect([second!.ids, expectedBy(second!.first)]).toEqual([['a:6', 'a:7'], '20']);
  sequencer.answered(second!.id, stored(24));
  await clock.settle();
  expect(receipts(calls)).toEqual([10, 17, 18, 19, 20, 23, 24]);
});

test('no event but the first of a batch says what it expects: the server compares nothing within a batch', () => {
  const { port } = sentChain(5);
  expect(port.batches[0]!.rest.map(expectedBy)).toEqual([undefined, undefined, undefined]);
});

test('a batch whose expectation is wrong is followed by its first event alone, which is told the conflict', async () => {
  const { port, sequencer, clock, publish, calls, batch } = sentChain(4);
  port.lastSequenceResult = () => Promise.resolve(12);
  sequencer.answered(batch, wrongSequence);
  expect(port.sentIds).toEqual(['a:1', 'a:2']);
  port.answer('a:2', wrongSequence);
  await clock.settle();
  expect(outcomes(calls)).toEqual([
    ...['stored', 'SEQUENCE_CONFLICT', 'PREDECESSOR_REJECTED', 'PREDECESSOR_REJECTED'],
  ]);
  expect(calls[1]!.error).toMatchObject({ expectedSequence: 10, actualSequence: 12 });
  // The refusal said nothing of batches: others are opened at once.
  for (const n of [1, 2, 3]) publish('b', n);
  port.answer('b:1', stored(13));
  expect(port.batches.map(({ ids }) => ids[0])).toEqual(['a:2', 'b:2']);
});

test('a batch without an answer is followed by its first event, with its expectation, and then by the next', async () => {
  const { port, clock, calls } = sentChain(4);
  await clock.advance(2_000);
  expect([port.sentIds, port.sent[1]!.event.expectedSequence]).toEqual([['a:1', 'a:2'], 10]);
  // 1. The batch was stored as 11, 12 and 13.
  port.findStoredResult = () => Promise.resolve(port.lookups.at(-1)?.messageId === 'a:4' ? 13 : undefined);
  // 2. The server says "wrong sequence" of the event's own first copy.
  port.answer('a:2', wrongSequence);
  await clock.settle();
  expect(port.sent[2]!.event.expectedSequence).toBe(11);
  port.answer('a:3', stored(12, true));
  expect(port.sent[3]!.event.expectedSequence).toBe(12);
  port.answer('a:4', stored(13, true));
  await clock.settle();
  expect(receipts(calls)).toEqual([10, 11, 12, 13]);
});

test('an event that says itself what it expects begins a batch and stands in the middle of none', () => {
  const { port, publish, sequencer } = able();
  for (const n of [1, 2]) publish('a', n);
  publish('a', 3, { expected: 2 });
  publish('a', 4);
  port.answer('a:1', stored(1));
  expect([port.sentIds, port.batches]).toEqual([['a:1', 'a:2'], []]);
  port.answer('a:2', stored(2));
  sequencer.opened(port.batches[0]!.id);
  expect(port.batches.map(({ ids }) => ids)).toEqual([['a:3', 'a:4']]);
});

test('a batch ends where a chain has lost its link', () => {
  const made = able();
  const abort = new AbortController();
  const none = new AbortController().signal;
  chain(made, 5, 7, [none, none, none, abort.signal, none]);
  abort.abort();
  made.port.answer('a:1', stored(10));
  made.sequencer.opened(made.port.batches[0]!.id);
  expect(made.port.batches.map(({ ids }) => ids)).toEqual([['a:2', 'a:3']]);
});
