import { describe, expect, test } from '@jest/globals';
import { AcksBench } from './acks-bench.js';

function bench(options: Partial<ConstructorParameters<typeof AcksBench>[0]> = {}): AcksBench {
  return new AcksBench({ inRows: false, ...options });
}

describe.each([true, false])('order, in rows: %s', (inRows) => {
  test('the ack of n+1 leaves only when the ack of n is confirmed', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1, 3);
    it.add('b', 2);
    await it.clock.settle();
    expect(it.sent).toEqual([1, 2]);
    await it.confirm(1, 2);
    expect([it.sent, it.acks.size]).toEqual([[1, 2, 3], 1]);
    await it.confirm(3);
    expect(it.acks.size).toBe(0);
  });

  test('the acks of one turn leave together at its end', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1);
    it.add('b', 2);
    await Promise.resolve();
    expect(it.sent).toEqual([]);
    await it.clock.settle(1);
    expect(it.sent).toEqual([1, 2]);
  });

  test('confirmations of what is unknown, or confirmed before, are ignored', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1, 2, 3);
    it.acks.confirmed(99);
    await it.clock.settle();
    const first = it.numberOf(1);
    await it.confirm(1);
    it.acks.confirmed(first);
    await it.clock.settle();
    expect([it.sent, it.acks.size]).toEqual([[1, 2], 2]);
  });

  test('an ack without a confirmation is sent again after 400 ms, and again; its followers wait', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1, 2);
    await it.clock.advance(390);
    expect(it.sent).toEqual([1]);
    await it.clock.advance(110);
    expect(it.sent).toEqual([1, 1]);
    await it.clock.advance(500);
    expect(it.sent).toEqual([1, 1, 1]);
    await it.confirm(1);
    expect(it.sent).toEqual([1, 1, 1, 2]);
    await it.confirm(2);
    await it.clock.advance(5_000);
    expect(it.sent).toHaveLength(4);
  });

  test('a confirmation that comes after its ack was sent again counts', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1, 2);
    await it.clock.settle();
    const first = it.numberOf(1);
    await it.clock.advance(500);
    expect(it.numberOf(1)).not.toBe(first);
    it.acks.confirmed(first);
    await it.clock.settle();
    expect(it.sent).toEqual([1, 1, 2]);
  });

  test('a resend of the oldest does not keep younger ones from theirs', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1);
    await it.clock.advance(200);
    it.add('b', 2);
    await it.clock.advance(1_000);
    expect(it.sent.filter((sequence) => sequence === 2).length).toBeGreaterThanOrEqual(2);
    expect(it.sent.filter((sequence) => sequence === 1).length).toBeGreaterThanOrEqual(2);
  });

  test('unconfirmed names every handled event whose ack is open, sent or not', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1, 2, 3);
    it.add('b', 9);
    await it.clock.settle();
    await it.confirm(1, 9);
    const open: number[] = [];
    it.acks.unconfirmed(1, 8, (sequence) => open.push(sequence));
    expect(open).toEqual([2, 3]);
  });

  test('acks of a turn that may not leave are held back together, and tried again soon', async () => {
    let mayLeave = false;
    const it = bench({ inRows, maySend: () => mayLeave });
    it.resume();
    it.add('a', 1, 3);
    it.add('b', 2);
    await it.clock.advance(1_000);
    expect([it.sent, it.acks.size]).toEqual([[], 3]);
    mayLeave = true;
    await it.clock.advance(110);
    expect([it.sent, it.acks.size]).toEqual([[1, 2], 3]);
  });

  test('an aggregate is settled up to a sequence when no ack up to it is open, whatever the order they came in', async () => {
    const it = bench({ inRows });
    it.resume();
    // The head of a diverted lane is acked behind events that follow it.
    it.add('a', 4, 5, 2);
    await it.clock.settle();
    const isOpen = (): boolean[] => [1, 2, 3, 4, 5].map((through) => it.acks.has('a', through));
    expect([isOpen(), it.acks.has('a'), it.acks.has('b')]).toEqual([
      [false, true, true, true, true],
      true,
      false,
    ]);
    await it.confirm(4);
    await it.confirm(5);
    expect(isOpen()).toEqual([false, true, true, true, true]);
    await it.confirm(2);
    expect([isOpen(), it.acks.has('a')]).toEqual([Array(5).fill(false), false]);
  });

  test('an ack beyond what the server has delivered waits until it is delivered again', async () => {
    const it = bench({ inRows });
    it.resume(4);
    const [five] = it.add('a', 5);
    await it.clock.settle();
    expect(it.sent).toEqual([]);
    it.acks.reached(5);
    it.acks.redelivered(five!);
    await it.clock.settle();
    expect(it.sent).toEqual([5]);
  });
});

describe('confirmations', () => {
  test('where acks may get lost one by one, each asks for its own', async () => {
    const it = bench();
    it.resume();
    for (const [index, token] of ['a', 'b', 'c', 'd'].entries()) it.add(token, index + 1);
    await it.clock.settle();
    expect(it.asked).toEqual([1, 2, 3, 4]);
    await it.confirm(3);
    expect([it.acks.has('c'), it.acks.size]).toEqual([false, 3]);
  });

  test('in rows, the first and the last of a turn ask, and only both together settle what is between them', async () => {
    const it = bench({ inRows: true });
    it.resume();
    for (const [index, token] of ['a', 'b', 'c', 'd'].entries()) it.add(token, index + 1);
    await it.clock.settle();
    expect([it.sent, it.asked]).toEqual([
      [1, 2, 3, 4],
      [1, 4],
    ]);
    await it.confirm(4);
    expect(it.acks.size).toBe(4);
    await it.confirm(1);
    expect(it.acks.size).toBe(0);
  });

  test('in rows, a row whose beginning the server did not get is sent again, whatever became of its end', async () => {
    const it = bench({ inRows: true });
    it.resume();
    for (const [index, token] of ['a', 'b', 'c'].entries()) it.add(token, index + 1);
    await it.clock.settle();
    await it.confirm(3);
    await it.clock.advance(500);
    expect(it.sent).toEqual([1, 2, 3, 1, 2, 3]);
  });

  test('in rows, a confirmation of one row says nothing of another', async () => {
    const it = bench({ inRows: true });
    it.resume();
    it.add('a', 1);
    await it.clock.settle();
    it.add('b', 2);
    await it.clock.settle();
    await it.confirm(2);
    expect([it.acks.has('a'), it.acks.has('b')]).toEqual([true, false]);
  });

  test('an ack that is refused voids all rows on their way, and those whose confirmation is heard in the same turn', async () => {
    const it = bench({ inRows: true });
    it.resume();
    it.add('a', 1, 5);
    it.add('b', 2, 6);
    it.add('c', 3);
    await it.clock.settle();
    const [first, last] = [it.numberOf(1), it.numberOf(3)];
    // The client hears both confirmations before it tells of the refusal that came before them.
    it.acks.confirmed(first);
    it.acks.confirmed(last);
    it.acks.refused();
    await it.clock.settle();
    expect([it.acks.size, it.sent, it.asked]).toEqual([5, [1, 2, 3, 1, 2, 3], [1, 3, 1, 2, 3]]);
    await it.confirm(2);
    expect(it.sent).toEqual([1, 2, 3, 1, 2, 3, 6]);
    it.acks.refused();
    await it.clock.settle();
    expect(it.sent).toHaveLength(7);
    // Until the next takeover.
    it.acks.pause();
    it.resume();
    await it.clock.settle();
    expect([it.sent.slice(7), it.asked.slice(6)]).toEqual([
      [1, 6, 3],
      [1, 3],
    ]);
  });

  test('what is about to leave when an ack is refused leaves once', async () => {
    const it = bench({ inRows: true });
    it.resume();
    it.add('a', 1, 2);
    it.acks.refused();
    await it.clock.settle();
    expect(it.wire).toEqual([{ sequence: 1, number: 1 }]);
  });
});

describe.each([true, false])('takeovers, in rows: %s', (inRows) => {
  test('it starts paused; while paused nothing leaves, not even a resend or what was about to leave', async () => {
    const it = bench({ inRows });
    it.add('a', 1);
    await it.clock.advance(1_000);
    expect(it.sent).toEqual([]);
    it.resume();
    it.add('b', 2);
    it.acks.pause();
    await it.clock.advance(5_000);
    expect(it.sent).toEqual([]);
    it.resume();
    it.resume();
    await it.clock.settle();
    expect(it.sent).toEqual([1, 2]);
    it.acks.pause();
    expect(it.clock.pendingTimers).toBe(0);
  });

  test('resume sends the head of each aggregate, no follower', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1, 2);
    await it.clock.settle();
    it.acks.pause();
    it.add('b', 3, 4);
    it.resume();
    await it.clock.settle();
    expect(it.sent).toEqual([1, 1, 3]);
  });

  test('a confirmation of what left before a pause counts for nothing, in the pause and behind it', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 1, 2);
    await it.clock.settle();
    const before = it.numberOf(1);
    it.acks.pause();
    it.acks.confirmed(before);
    await it.clock.settle();
    it.resume();
    it.acks.confirmed(before);
    await it.clock.settle();
    expect([it.sent, it.acks.size]).toEqual([[1, 1], 2]);
    await it.confirm(1);
    expect(it.sent).toEqual([1, 1, 2]);
  });

  test('what the server has forgotten is acked anew before all that was handled after it, one at a time', async () => {
    const it = bench({ inRows });
    it.resume();
    const [one, two, five] = it.add('a', 1, 2, 5, 7);
    await it.clock.settle();
    await it.confirm(1);
    await it.confirm(2);
    it.acks.pause();
    // Behind the fence, in stream order.
    for (const event of [one, two, five]) it.acks.redelivered(event!);
    expect([it.acks.size, it.acks.lowest()]).toEqual([4, 1]);
    it.resume();
    const from = it.sent.length;
    for (const sequence of [1, 2, 5, 7]) {
      await it.clock.settle();
      await it.confirm(sequence);
    }
    expect([it.sent.slice(from), it.acks.size]).toEqual([[1, 2, 5, 7], 0]);
  });

  test('one that comes in front of an ack on its way is acked, and so is that one', async () => {
    const it = bench({ inRows });
    it.resume();
    it.add('a', 5);
    await it.clock.settle();
    const five = it.numberOf(5);
    it.acks.redelivered({ token: 'a', sequence: 3, ackSubject: '' });
    await it.clock.settle();
    it.acks.confirmed(five);
    await it.clock.settle();
    expect([it.sent, it.acks.size]).toEqual([[5, 3], 2]);
    await it.confirm(3);
    await it.confirm(5);
    expect([it.sent, it.acks.size]).toEqual([[5, 3, 5], 0]);
  });
});

describe('bounds', () => {
  test('an aggregate with 256 unconfirmed acks pauses its lane, once; it resumes when one is confirmed', async () => {
    const it = bench();
    it.resume();
    it.add('a', ...Array.from({ length: 255 }, (_, n) => n + 1));
    it.add('b', 1_000);
    expect(it.lanes).toEqual([]);
    it.add('a', 256);
    it.add('a', 257);
    await it.clock.settle();
    expect(it.lanes).toEqual(['pause a']);
    await it.confirm(1);
    expect(it.lanes).toEqual(['pause a']);
    await it.confirm(2);
    expect(it.lanes).toEqual(['pause a', 'resume a']);
  });

  test('clear resumes the lanes it paused, and no other', () => {
    const it = bench({ maxUnconfirmedPerAggregate: 3 });
    it.add('a', 1, 2, 3);
    it.add('b', 4, 5);
    it.acks.clear();
    expect([it.lanes, it.acks.size]).toEqual([['pause a', 'resume a'], 0]);
  });
});

describe('the end', () => {
  test('whenEmpty waits for the last confirmation', async () => {
    const it = bench();
    it.resume();
    await it.acks.whenEmpty();
    it.add('a', 1);
    let empty = 0;
    void it.acks.whenEmpty().then(() => empty++);
    void it.acks.whenEmpty().then(() => empty++);
    await it.clock.settle();
    expect(empty).toBe(0);
    await it.confirm(1);
    expect(empty).toBe(2);
  });

  test('clear forgets: nothing is sent or settled any more, and nobody waits', async () => {
    const it = bench();
    it.resume();
    it.add('a', 1, 2);
    let empty = false;
    void it.acks.whenEmpty().then(() => (empty = true));
    it.acks.clear();
    await it.clock.advance(2_000);
    it.acks.confirmed(1);
    expect([it.sent, empty, it.acks.size]).toEqual([[], true, 0]);
    it.add('a', 3);
    await it.clock.settle();
    expect(it.sent).toEqual([3]);
  });
});
