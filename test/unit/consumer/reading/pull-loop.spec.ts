import { describe, expect, test } from '@jest/globals';
import { PullLoop, type PullLoopOptions } from '#library/consumer/reading/pull-loop.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { deliveryOf, FakeConsumerPort, stateOf } from './fake-consumer-port.js';

function bench(options: Partial<PullLoopOptions> = {}) {
  const port = new FakeConsumerPort();
  const clock = new ManualClock();
  const delivered: number[] = [];
  const released: number[][] = [];
  const broken: string[] = [];
  const held = { events: 0, bytes: 0 };
  const loop = new PullLoop({
    port,
    clock,
    batch: 10,
    maxHeld: 100,
    maxHeldBytes: 1_000_000,
    pullExpiresMs: 1_000,
    remainingMs: () => Number.POSITIVE_INFINITY,
    held: () => held,
    isBehind: () => false,
    unconfirmed: () => 0,
    released: (events) => released.push(events.map(({ sequence }) => sequence)),
    delivered: (event) => delivered.push(event.sequence),
    broken: (reason) => broken.push(reason),
    ...options,
  });
  const deliver = (sequence: number, consumerSequence: number): void =>
    port.listener?.delivered(deliveryOf({ sequence, consumerSequence }));
  return { port, clock, loop, delivered, released, broken, held, deliver };
}

const calm = stateOf({ ackFloor: 20, delivered: 20, deliveredConsumerSequence: 50 });
const behind = stateOf({ ackFloor: 10, delivered: 20, deliveredConsumerSequence: 50, ackPending: 3 });

describe('behind a takeover with nothing unsettled', () => {
  test('it flows at once: an empty release, then each event as it comes', () => {
    const { loop, port, delivered, released, deliver } = bench();
    expect(loop.mode).toBe('closed');
    loop.begin(calm);
    expect(loop.mode).toBe('flowing');
    expect(released).toEqual([[]]);
    expect(port.pulls).toEqual([{ events: 10, expiresMs: 1_000, idleHeartbeatMs: 333 }]);
    deliver(21, 51);
    deliver(25, 52);
    expect(delivered).toEqual([21, 25]);
  });

  test('the next pull leaves when half of the batch is used', async () => {
    const { loop, port, deliver, clock } = bench();
    loop.begin(calm);
    for (let n = 1; n <= 4; n++) deliver(20 + n, 50 + n);
    await clock.settle();
    expect(port.pulls).toHaveLength(1);
    deliver(25, 55);
    await clock.settle();
    expect(port.pulls.map(({ events }) => events)).toEqual([10, 5]);
  });

  test('what arrives in one turn is answered by one pull, after all of it', async () => {
    const { loop, port, deliver, clock } = bench();
    loop.begin(calm);
    for (let n = 1; n <= 10; n++) deliver(20 + n, 50 + n);
    expect(port.pulls).toHaveLength(1);
    await clock.settle();
    expect(port.pulls.map(({ events }) => events)).toEqual([10, 10]);
  });

  test('while handlers wait for the processor no more than a batch is held in advance', async () => {
    let isBehind = true;
    const { loop, port, held, deliver, clock } = bench({ isBehind: () => isBehind });
    loop.begin(calm);
    for (let n = 1; n <= 10; n++) deliver(20 + n, 50 + n);
    held.events = 11;
    await clock.settle();
    expect(port.pulls).toHaveLength(1);
    held.events = 10;
    loop.replenish();
    expect(port.pulls).toHaveLength(2);
    port.listener!.pullEnded(10);
    expect(port.pulls).toHaveLength(3);
    port.listener!.pullEnded(0);
    held.events = 50;
    for (let n = 11; n <= 20; n++) deliver(20 + n, 50 + n);
    await clock.settle();
    expect(port.pulls).toHaveLength(3);
    // Should nobody tell that they have caught up: the loop looks now and then.
    isBehind = false;
    await clock.advance(100);
    expect(port.pulls).toHaveLength(4);
  });

  test('it is no more than two batches ahead of the acks, and goes on when they are confirmed', async () => {
    let unconfirmed = 21;
    const { loop, port, deliver, clock } = bench({ unconfirmed: () => unconfirmed });
    loop.begin(calm);
    expect(port.pulls).toEqual([]);
    unconfirmed = 20;
    loop.replenishSoon();
    await clock.settle();
    expect(port.pulls).toHaveLength(1);
    unconfirmed = 30;
    for (let n = 1; n <= 10; n++) deliver(20 + n, 50 + n);
    await clock.settle();
    expect(port.pulls).toHaveLength(1);
    // Should nobody tell that acks were confirmed: the loop looks now and then.
    unconfirmed = 0;
    await clock.advance(100);
    expect(port.pulls).toHaveLength(2);
  });

  test('it pulls no more than the lanes can hold, and again when there is room', async () => {
    const { loop, port, held, clock } = bench();
    held.events = 100;
    loop.begin(calm);
    expect(port.pulls).toEqual([]);
    held.events = 97;
    loop.replenish();
    expect(port.pulls.map(({ events }) => events)).toEqual([3]);
    held.events = 90;
    await clock.advance(100);
    expect(port.pulls.map(({ events }) => events)).toEqual([3, 7]);
  });

  test('large events make smaller pulls', async () => {
    const { loop, port, clock } = bench({ maxHeldBytes: 65_536, maxHeld: 1_000, batch: 200 });
    loop.begin(calm);
    const big = new Uint8Array(60_000);
    for (let n = 1; n <= 128; n++) {
      port.listener!.delivered(deliveryOf({ sequence: 20 + n, consumerSequence: 50 + n, body: big }));
      await clock.settle(1);
    }
    expect(port.pulls[0]!.events).toBe(128);
    expect(port.pulls.at(-1)!.events).toBe(1);
  });

  test('a pull that ended gives its unused events back', () => {
    const { loop, port } = bench();
    loop.begin(calm);
    port.listener!.pullEnded(10);
    expect(port.pulls.map(({ events }) => events)).toEqual([10, 10]);
    port.listener!.pullEnded(4);
    expect(port.pulls).toHaveLength(2);
    port.listener!.pullEnded(4);
    expect(port.pulls.map(({ events }) => events)).toEqual([10, 10, 8]);
  });

  test('a pull that gives back more than was asked for does no harm', () => {
    const { loop, port } = bench();
    loop.begin(calm);
    port.listener!.pullEnded(1_000);
    expect(port.pulls.map(({ events }) => events)).toEqual([10, 10]);
  });
});

describe('pulls and the right to pull', () => {
  test('no pull outlives it, and none leaves when it is nearly over', async () => {
    let remaining = 400;
    const { loop, port, clock } = bench({ remainingMs: () => remaining });
    loop.begin(calm);
    expect(port.pulls).toEqual([{ events: 10, expiresMs: 400, idleHeartbeatMs: 133 }]);
    remaining = 10;
    port.listener!.pullEnded(10);
    expect(port.pulls).toHaveLength(1);
    remaining = 3_000;
    await clock.advance(100);
    expect(port.pulls).toHaveLength(2);
  });

  test('a drained loop asks for nothing new, but for what its fence still needs', () => {
    const { loop, port, deliver } = bench();
    loop.drain();
    loop.begin(behind);
    expect(port.pulls.map(({ events }) => events)).toEqual([3]);
    deliver(11, 51);
    port.listener!.pullEnded(2);
    expect(port.pulls.map(({ events }) => events)).toEqual([3, 2]);
    deliver(12, 52);
    deliver(13, 53);
    expect(loop.mode).toBe('flowing');
    loop.replenish();
    expect(port.pulls).toHaveLength(2);
  });
});

describe('the fence', () => {
  test('holds everything until every unsettled event has come again, then lets all go in stream order', () => {
    const { loop, delivered, released, deliver, port } = bench();
    loop.begin(behind);
    expect(loop.mode).toBe('fenced');
    expect(port.pulls.map(({ events }) => events)).toEqual([13]);
    deliver(15, 51);
    deliver(21, 52);
    deliver(12, 53);
    deliver(12, 54);
    deliver(22, 55);
    expect([delivered, released]).toEqual([[], []]);
    deliver(11, 56);
    expect(released).toEqual([[11, 12, 15, 21, 22]]);
    deliver(23, 57);
    expect(delivered).toEqual([23]);
  });

  test('asks again for what is missing when its pull ends', () => {
    const { loop, port, deliver } = bench();
    loop.begin(behind);
    deliver(11, 51);
    port.listener!.pullEnded(12);
    expect(port.pulls.map(({ events }) => events)).toEqual([13, 2]);
  });

  test('that gets nothing for 500 ms is a takeover; each event gives it time again', async () => {
    const { loop, clock, broken, deliver } = bench();
    loop.begin(behind);
    await clock.advance(400);
    deliver(11, 51);
    await clock.advance(500);
    expect(broken).toEqual([]);
    await clock.advance(200);
    expect(broken).toHaveLength(1);
    expect(broken[0]).toContain('2 more unsettled events');
    expect(loop.mode).toBe('closed');
  });
});

describe('the order may be broken', () => {
  test('a gap in the deliveries is a takeover, and what came behind it is not handed on', () => {
    const { loop, broken, delivered, deliver, port } = bench();
    loop.begin(calm);
    deliver(21, 51);
    deliver(23, 53);
    deliver(24, 54);
    expect(delivered).toEqual([21]);
    expect(broken).toHaveLength(1);
    expect(loop.mode).toBe('closed');
    expect(port.calls.at(-1)).toBe('close');
  });

  test('a gap behind the fence is one, too', () => {
    const { loop, broken, released, deliver } = bench();
    loop.begin(behind);
    deliver(11, 51);
    deliver(12, 53);
    expect([broken.length, released, loop.mode]).toEqual([1, [], 'closed']);
  });

  test('a delivery that comes twice is a gap', () => {
    const { loop, broken, deliver, delivered } = bench();
    loop.begin(calm);
    deliver(21, 51);
    deliver(21, 51);
    expect([broken.length, delivered]).toEqual([1, [21]]);
  });

  test('a heartbeat that counts more deliveries than came is a takeover; one that agrees is none', () => {
    const { loop, broken, deliver, port } = bench();
    loop.begin(calm);
    port.listener!.idle(50);
    deliver(21, 51);
    port.listener!.idle(51);
    expect(broken).toEqual([]);
    port.listener!.idle(52);
    expect(broken).toHaveLength(1);
    expect(loop.mode).toBe('closed');
  });

  test('a feed the server ended is a takeover', () => {
    const { loop, broken, port } = bench();
    loop.begin(calm);
    port.listener!.lost('409 Leadership Change');
    expect(broken).toEqual(['409 Leadership Change']);
  });

  test('a feed that hears nothing for four heartbeats is a takeover, once', async () => {
    const { loop, clock, broken } = bench();
    loop.begin(calm);
    await clock.advance(1_300);
    expect(broken).toEqual([]);
    await clock.advance(100);
    expect(broken).toHaveLength(1);
    expect(loop.mode).toBe('closed');
    await clock.advance(10_000);
    expect(broken).toHaveLength(1);
  });

  test('heartbeats keep an idle feed alive', async () => {
    const { loop, clock, broken, port } = bench();
    loop.begin(calm);
    for (let beat = 0; beat < 30; beat++) {
      await clock.advance(333);
      port.listener!.idle(50);
    }
    expect(broken).toEqual([]);
  });

  test('full lanes that ask for nothing may be silent for as long as they like', async () => {
    const { loop, clock, broken, held, port } = bench();
    held.events = 100;
    loop.begin(calm);
    await clock.advance(60_000);
    expect([broken, port.pulls]).toEqual([[], []]);
  });

  test('begin starts over: the old feed is closed, its numbers and its pulls are forgotten', () => {
    const { loop, port, deliver, delivered, broken } = bench();
    loop.begin(calm);
    const old = port.listener!;
    loop.begin({ ...calm, deliveredConsumerSequence: 80 });
    expect(port.calls).toEqual(['open', 'pull 10', 'close', 'open', 'pull 10']);
    expect(port.listener).not.toBeUndefined();
    expect(old).toBe(port.listener);
    deliver(21, 81);
    expect([delivered, broken]).toEqual([[21], []]);
  });

  test('dispose ends it for good', async () => {
    const { loop, port, clock } = bench();
    loop.begin(calm);
    loop.dispose();
    expect([loop.mode, clock.pendingTimers, port.calls.at(-1)]).toEqual(['closed', 0, 'close']);
    loop.replenish();
    await clock.advance(10_000);
    expect(port.pulls).toHaveLength(1);
  });
});
