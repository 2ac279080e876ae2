import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { OrderedAcks, type Settleable } from '#library/settlement/ordered-acks.js';
import { ManualClock } from '#library/testing/manual-clock.js';

function bench(maxUnconfirmedPerAggregate = 256, maySend = () => true) {
  const clock = new ManualClock();
  const sent: number[] = [];
  const lanes: string[] = [];
  const acks = new OrderedAcks({
    clock,
    maySend,
    send: (event) => sent.push(event.sequence),
    maxUnconfirmedPerAggregate,
    pauseLane: (token) => lanes.push(`pause ${token}`),
    resumeLane: (token) => lanes.push(`resume ${token}`),
  });
  const add = (token: string, ...sequences: number[]): Settleable[] =>
    sequences.map((sequence) => {
      const event = { token, sequence, ackSubject: '' };
      acks.add(event);
      return event;
    });
  return { clock, acks, sent, lanes, add };
}

describe('order', () => {
  test('the ack of n+1 leaves only when the ack of n is confirmed', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 3);
    add('b', 2);
    await clock.settle();
    expect(sent).toEqual([1, 2]);
    acks.confirmed(1);
    await clock.settle();
    expect(sent).toEqual([1, 2, 3]);
    expect(acks.size).toBe(2);
    acks.confirmed(2);
    acks.confirmed(3);
    expect(acks.size).toBe(0);
  });

  test('the acks of one turn leave together at its end', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1);
    add('b', 2);
    await Promise.resolve();
    expect(sent).toEqual([]);
    await clock.settle(1);
    expect(sent).toEqual([1, 2]);
  });

  test('confirmations of what is unknown, not sent yet, or confirmed before are ignored', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 2, 3);
    acks.confirmed(99);
    await clock.settle();
    acks.confirmed(2);
    acks.confirmed(3);
    await clock.settle();
    expect([sent, acks.size]).toEqual([[1], 3]);
    acks.confirmed(1);
    acks.confirmed(1);
    await clock.settle();
    expect([sent, acks.size]).toEqual([[1, 2], 2]);
  });

  test('an ack without a confirmation is sent again after 400 ms, and again; its followers wait', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 2);
    await clock.advance(390);
    expect(sent).toEqual([1]);
    await clock.advance(110);
    expect(sent).toEqual([1, 1]);
    await clock.advance(500);
    expect(sent).toEqual([1, 1, 1]);
    acks.confirmed(1);
    await clock.settle();
    expect(sent).toEqual([1, 1, 1, 2]);
    acks.confirmed(2);
    await clock.advance(5_000);
    expect(sent).toHaveLength(4);
  });

  test('a resend of the oldest does not keep younger ones from theirs', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1);
    await clock.advance(200);
    add('b', 2);
    await clock.advance(1_000);
    expect(sent.filter((sequence) => sequence === 2).length).toBeGreaterThanOrEqual(2);
    expect(sent.filter((sequence) => sequence === 1).length).toBeGreaterThanOrEqual(2);
  });

  test('unconfirmed names every handled event whose ack is open, sent or not', async () => {
    const { clock, acks, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 2, 3);
    add('b', 9);
    await clock.settle();
    acks.confirmed(1);
    const open: number[] = [];
    acks.unconfirmed(1, 8, (sequence) => open.push(sequence));
    expect(open).toEqual([2, 3]);
  });

  test('acks of a turn that may not leave are held back together, and tried again after 400 ms', async () => {
    let mayLeave = false;
    let asked = 0;
    const { clock, acks, sent, add } = bench(256, () => {
      asked++;
      return mayLeave;
    });
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 3);
    add('b', 2);
    await clock.settle();
    expect([sent, asked, acks.size]).toEqual([[], 1, 3]);
    mayLeave = true;
    await clock.advance(500);
    expect([sent, asked, acks.size]).toEqual([[1, 2], 2, 3]);
  });

  test('an aggregate is settled up to a sequence when no ack up to it is open, whatever the order they came in', async () => {
    const { clock, acks, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    // The head of a diverted lane is acked behind events that follow it.
    add('a', 4, 5, 2);
    await clock.settle();
    const isOpen = (): boolean[] => [1, 2, 3, 4, 5].map((through) => acks.has('a', through));
    expect([isOpen(), acks.has('a'), acks.has('b')]).toEqual([[false, true, true, true, true], true, false]);
    acks.confirmed(4);
    await clock.settle();
    acks.confirmed(5);
    await clock.settle();
    expect(isOpen()).toEqual([false, true, true, true, true]);
    acks.confirmed(2);
    expect([isOpen(), acks.has('a')]).toEqual([Array(5).fill(false), false]);
  });

  test('an ack beyond what the server has delivered waits until it is delivered again', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(4);
    acks.resume();
    const [five] = add('a', 5);
    await clock.settle();
    expect(sent).toEqual([]);
    acks.reached(5);
    acks.redelivered(five!);
    await clock.settle();
    expect(sent).toEqual([5]);
  });
});

describe('takeovers', () => {
  test('it starts paused; while paused nothing leaves, not even a resend or what was about to leave', async () => {
    const { clock, acks, sent, add } = bench();
    add('a', 1);
    await clock.advance(1_000);
    expect(sent).toEqual([]);
    acks.reached(1_000_000);
    acks.resume();
    add('b', 2);
    acks.pause();
    await clock.advance(5_000);
    expect(sent).toEqual([]);
    acks.reached(1_000_000);
    acks.resume();
    acks.reached(1_000_000);
    acks.resume();
    await clock.settle();
    expect(sent).toEqual([1, 2]);
    acks.pause();
    expect(clock.pendingTimers).toBe(0);
  });

  test('resume sends the head of each aggregate, no follower', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 2);
    await clock.settle();
    acks.pause();
    add('b', 3, 4);
    acks.reached(1_000_000);
    acks.resume();
    await clock.settle();
    expect(sent).toEqual([1, 1, 3]);
  });

  test('a confirmation while paused counts, and its follower leaves after the pause', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 2);
    await clock.settle();
    acks.pause();
    acks.confirmed(1);
    await clock.settle();
    expect(sent).toEqual([1]);
    acks.reached(1_000_000);
    acks.resume();
    await clock.settle();
    expect(sent).toEqual([1, 2]);
  });

  test('toRepeat names, ascending, all that is handled and unconfirmed, and what was confirmed within 5 s', async () => {
    const { clock, acks, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 5);
    await clock.settle();
    acks.confirmed(5);
    await clock.advance(4_000);
    add('b', 2);
    await clock.settle();
    acks.confirmed(2);
    add('c', 9, 12);
    add('d', 7);
    expect(acks.toRepeat(true)).toEqual([2, 5, 7, 9, 12]);
    // The window counts back from the last confirmation: a server that is away writes nothing meanwhile.
    await clock.advance(10_000);
    expect(acks.toRepeat(true)).toEqual([2, 5, 7, 9, 12]);
    acks.confirmed(7);
    expect(acks.toRepeat(true)).toEqual([7, 9, 12]);
    // A server that has forgotten nothing is only told what it never confirmed.
    expect(acks.toRepeat(false)).toEqual([9, 12]);
  });

  test('what a takeover repeated is settled, in order, and counts as fresh again', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 2, 3);
    add('b', 4);
    await clock.settle();
    acks.pause();
    acks.repeated([1, 2, 4]);
    expect(acks.size).toBe(1);
    expect(acks.toRepeat(true)).toEqual([1, 2, 3, 4]);
    acks.reached(1_000_000);
    acks.resume();
    await clock.settle();
    expect(sent).toEqual([1, 4, 3]);
  });

  test('an event handled while a takeover repeats stays, even behind one that is settled', async () => {
    const { clock, acks, sent, add } = bench();
    add('a', 1);
    const repeating = acks.toRepeat(true);
    add('a', 2);
    acks.repeated(repeating);
    expect(acks.size).toBe(1);
    acks.reached(1_000_000);
    acks.resume();
    await clock.settle();
    expect(sent).toEqual([2]);
  });

  test('repeating 2 but not 1 settles neither: acks are a prefix', () => {
    const { acks, add } = bench();
    add('a', 1, 2);
    acks.repeated([2]);
    expect(acks.size).toBe(2);
  });
});

describe('bounds', () => {
  test('an aggregate with 256 unconfirmed acks pauses its lane, once; it resumes when one is confirmed', async () => {
    const { clock, acks, lanes, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', ...Array.from({ length: 255 }, (_, n) => n + 1));
    add('b', 1_000);
    expect(lanes).toEqual([]);
    add('a', 256);
    add('a', 257);
    await clock.settle();
    expect(lanes).toEqual(['pause a']);
    acks.confirmed(1);
    await clock.settle();
    expect(lanes).toEqual(['pause a']);
    acks.confirmed(2);
    expect(lanes).toEqual(['pause a', 'resume a']);
  });

  test('a takeover that repeats its acks resumes the lane, too', () => {
    const { acks, lanes, add } = bench(3);
    add('a', 1, 2, 3);
    acks.repeated([1, 2, 3]);
    expect(lanes).toEqual(['pause a', 'resume a']);
  });

  test('clear resumes the lanes it paused, and no other', () => {
    const { acks, lanes, add } = bench(3);
    add('a', 1, 2, 3);
    add('b', 4, 5);
    acks.clear();
    expect(lanes).toEqual(['pause a', 'resume a']);
    expect([acks.size, acks.toRepeat(true)]).toEqual([0, []]);
  });
});

describe('the end', () => {
  test('whenEmpty waits for the last confirmation', async () => {
    const { clock, acks, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    await acks.whenEmpty();
    add('a', 1);
    let empty = 0;
    void acks.whenEmpty().then(() => empty++);
    void acks.whenEmpty().then(() => empty++);
    await clock.settle();
    expect(empty).toBe(0);
    acks.confirmed(1);
    await clock.settle();
    expect(empty).toBe(2);
  });

  test('clear forgets: nothing is sent or settled any more, and nobody waits', async () => {
    const { clock, acks, sent, add } = bench();
    acks.reached(1_000_000);
    acks.resume();
    add('a', 1, 2);
    let empty = false;
    void acks.whenEmpty().then(() => (empty = true));
    acks.clear();
    await clock.advance(2_000);
    acks.confirmed(1);
    expect([sent, empty, acks.toRepeat(true)]).toEqual([[], true, []]);
    add('a', 3);
    await clock.settle();
    expect(sent).toEqual([3]);
  });
});

test("whatever is lost, the server's settled events are at any time a prefix of each aggregate's handled ones", async () => {
  const action = fc.oneof(
    { weight: 5, arbitrary: fc.record({ handle: fc.constantFrom('a', 'b') }) },
    { weight: 4, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 500 }) }) },
    { weight: 2, arbitrary: fc.record({ takeover: fc.boolean() }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 40 }),
      fc.infiniteStream(fc.nat(3)),
      async (actions, luck) => {
        const clock = new ManualClock();
        const settled = new Set<number>();
        const handled = new Map<string, number[]>();
        let healthy = false;
        const acks: OrderedAcks = new OrderedAcks({
          clock,
          maySend: () => true,
          send: ({ sequence }) => {
            const fate = healthy ? 3 : (luck.next().value as number);
            if (fate === 0) return; // the ack is lost
            settled.add(sequence);
            if (fate === 1) return; // its confirmation is lost
            clock.after(fate === 2 ? 450 : 5, () => acks.confirmed(sequence));
          },
          maxUnconfirmedPerAggregate: 256,
          pauseLane: () => undefined,
          resumeLane: () => undefined,
        });
        acks.reached(1_000_000);
        acks.resume();
        let sequence = 0;
        for (const step of actions) {
          if ('handle' in step) {
            const of = step.handle;
            handled.set(of, [...(handled.get(of) ?? []), ++sequence]);
            acks.add({ token: of, sequence, ackSubject: '' });
          } else if ('wait' in step) await clock.advance(step.wait);
          else {
            acks.pause();
            if (step.takeover) {
              const all = acks.toRepeat(true);
              for (const one of all) settled.add(one);
              acks.repeated(all);
            }
            acks.reached(1_000_000);
            acks.resume();
          }
          for (const sequences of handled.values()) {
            const settledHere = sequences.filter((one) => settled.has(one));
            expect(settledHere).toEqual(sequences.slice(0, settledHere.length));
          }
        }
        healthy = true;
        await clock.advance(2_000 + sequence * 10);
        expect(settled.size).toBe(sequence);
        expect(acks.size).toBe(0);
      },
    ),
    { numRuns: 100 },
  );
});
