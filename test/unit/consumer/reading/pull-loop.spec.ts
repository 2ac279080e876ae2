import { describe, expect, test } from '@jest/globals';
import { PullLoop } from '#library/consumer/reading/pull-loop.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { CREATED, deliveryOf } from '../position/position-fixture.js';
import { FakeFeed } from './reading-fixture.js';

function fixture({ batch = 10 } = {}) {
  const clock = new ManualClock();
  const taken: number[] = [];
  const through: number[] = [];
  const broken: string[] = [];
  const heard = { count: 0 };
  const room = {
    ...{ unconfirmed: 0, bound: 100, heldBytes: 0, maxHeldBytes: 1_000_000 },
    ...{ held: 0, isBehind: false, isPaused: false },
  };
  const loop = new PullLoop({
    ...{ clock, batch, pullExpiresMs: 1_000, room },
    sink: {
      deliver: (event) => void taken.push(event.sequence),
      readThrough: (sequence) => void through.push(sequence),
    },
    listener: { broken: (reason) => void broken.push(reason), heard: () => heard.count++ },
  });
  const open = (): FakeFeed => {
    const feed = new FakeFeed({ name: CREATED, fromSequence: 1 }, loop);
    loop.begin(feed);
    return feed;
  };
  const sizes = (feed: FakeFeed): number[] => feed.pulls.map(({ events }) => events);
  return { clock, loop, room, taken, through, broken, heard, open, sizes };
}

describe('pulls', () => {
  test('ask a new reader for a batch at once, with three heartbeats in its time', () => {
    const { open } = fixture();
    expect(open().pulls).toEqual([{ events: 10, expiresMs: 1_000, idleHeartbeatMs: 333 }]);
  });

  test('follow when half of a batch is used', async () => {
    const { open, sizes, clock } = fixture();
    const feed = open();
    feed.deliver(1, 2, 3, 4);
    await clock.settle();
    expect(sizes(feed)).toEqual([10]);
    feed.deliver(5);
    await clock.settle();
    expect(sizes(feed)).toEqual([10, 5]);
  });

  test('leave once a turn, after all that has come in it', async () => {
    const { open, sizes, clock, loop } = fixture();
    const feed = open();
    feed.deliver(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    loop.replenishSoon();
    loop.replenishSoon();
    expect(sizes(feed)).toEqual([10]);
    await clock.settle();
    expect(sizes(feed)).toEqual([10, 10]);
  });

  test('keep within the bound, and the next one leaves when a commit is confirmed', async () => {
    const { open, sizes, clock, loop, room } = fixture();
    room.bound = 4;
    const feed = open();
    expect(sizes(feed)).toEqual([4]);
    room.unconfirmed = 4;
    feed.deliver(1, 2, 3, 4);
    await clock.advance(500);
    expect(sizes(feed)).toEqual([4]);
    room.unconfirmed = 1;
    loop.replenishSoon();
    await clock.settle();
    expect(sizes(feed)).toEqual([4, 3]);
  });

  test('wait while handlers are behind with more than a batch', async () => {
    const { open, sizes, clock, room } = fixture();
    const feed = open();
    feed.deliver(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    Object.assign(room, { held: 11, isBehind: true });
    await clock.advance(300);
    expect(sizes(feed)).toEqual([10]);
    room.held = 10;
    await clock.advance(100);
    expect(sizes(feed)).toEqual([10, 10]);
  });

  test.each(['isPaused', 'draining'])(
    'do not leave while the intake is %s, and again when it is not',
    async (why) => {
      const { open, sizes, clock, room, loop } = fixture();
      if (why === 'draining') loop.drain();
      else room.isPaused = true;
      const feed = open();
      await clock.advance(5_000);
      expect(sizes(feed)).toEqual([]);
      expect(loop.pausedSince === undefined).toBe(why === 'draining');
      room.isPaused = false;
      loop.restart();
      expect(sizes(feed)).toEqual([10]);
    },
  );

  test('find room that no event has asked to fill', async () => {
    const { open, sizes, clock, room } = fixture();
    room.unconfirmed = 100;
    const feed = open();
    room.unconfirmed = 0;
    await clock.advance(100);
    expect(sizes(feed)).toEqual([10]);
  });

  test('are smaller for larger events', async () => {
    const { loop, open, sizes, clock, room } = fixture();
    room.maxHeldBytes = 100_000;
    const feed = open();
    for (let number = 1; number <= 200; number++) {
      loop.delivered(deliveryOf({ sequence: number, consumerSequence: number, bytes: 60_000 }));
      await clock.settle(1);
    }
    expect(sizes(feed)[0]).toBe(10);
    expect(sizes(feed).at(-1)).toBe(1);
  });

  test('that end give back what was not delivered, and no more than was asked for', () => {
    const { open, sizes, loop } = fixture();
    const feed = open();
    loop.pullEnded(4);
    expect(sizes(feed)).toEqual([10]);
    loop.pullEnded(4);
    expect(sizes(feed)).toEqual([10, 8]);
    loop.pullEnded(1_000);
    expect([loop.outstanding, sizes(feed)]).toEqual([10, [10, 8, 10]]);
  });
});

describe('a reader is left', () => {
  test('when a delivery is missing, and what came after it is not taken in', () => {
    const { open, broken, taken } = fixture();
    const feed = open();
    feed.deliver(1);
    feed.lose();
    feed.deliver(3, 4);
    expect([taken, broken, feed.isClosed]).toEqual([
      [1],
      ['expected delivery 2, found 3: deliveries were lost'],
      true,
    ]);
  });

  test('when a delivery comes twice', () => {
    const { open, broken, taken, loop } = fixture();
    open().deliver(1);
    loop.delivered(deliveryOf({ sequence: 1, consumerSequence: 1 }));
    expect([taken, broken.length]).toEqual([[1], 1]);
  });

  test('when a heartbeat counts another number of deliveries; one that agrees tells how far it has read', () => {
    const { open, broken, through } = fixture();
    const feed = open();
    feed.deliver(1);
    feed.beat(7);
    expect([through, broken]).toEqual([[7], []]);
    feed.lose();
    feed.beat(9);
    expect([through, broken.length, feed.isClosed]).toEqual([[7], 1, true]);
  });

  test.each(['409 Consumer Deleted', '409 Leadership Change', '400 Bad Request'])(
    'when the server says %s',
    (status) => {
      const { open, loop, broken } = fixture();
      const feed = open();
      loop.lost(status);
      expect([broken, feed.isClosed, loop.isOpen]).toEqual([[status], true, false]);
    },
  );

  test('when it is silent for four heartbeats while events are asked for, once', async () => {
    const { open, clock, broken, loop } = fixture();
    open();
    await clock.advance(1_300);
    expect(broken).toEqual([]);
    await clock.advance(10_000);
    expect([broken.length, loop.isOpen]).toEqual([1, false]);
  });

  test('not while its heartbeats come, nor while nothing is asked for', async () => {
    const { open, clock, broken, room } = fixture();
    const feed = open();
    for (let beat = 0; beat < 30; beat++) {
      await clock.advance(333);
      feed.beat();
    }
    room.unconfirmed = 100;
    open();
    await clock.advance(60_000);
    expect(broken).toEqual([]);
  });

  test('when it is unheard, unless it is new: then it is asked again up to five times', async () => {
    const { open, clock, broken, sizes, loop } = fixture();
    const feed = open();
    for (let answer = 1; answer <= 5; answer++) {
      loop.unheard();
      await clock.advance(20);
      expect([broken.length, sizes(feed).length]).toEqual([0, 1 + answer]);
    }
    loop.unheard();
    expect([broken.length, feed.isClosed]).toEqual([1, true]);
  });

  test('when it is unheard a second after its making', async () => {
    const { open, clock, broken, loop } = fixture();
    open();
    await clock.advance(1_000);
    loop.unheard();
    expect(broken).toHaveLength(1);
  });

  test('and its late question is not asked of the next one', async () => {
    const { open, clock, sizes, loop } = fixture();
    open();
    loop.unheard();
    const next = open();
    await clock.advance(20);
    expect(sizes(next)).toEqual([10]);
  });
});

describe('a reader that answers', () => {
  test('is heard once for many events, and for each heartbeat that agrees', async () => {
    const { open, clock, heard } = fixture();
    const feed = open();
    feed.deliver(1, 2, 3);
    expect(heard.count).toBe(1);
    feed.beat();
    expect(heard.count).toBe(2);
    await clock.advance(100);
    feed.deliver(4, 5);
    expect(heard.count).toBe(3);
  });

  test('is not heard by a delivery that is not the next one, nor by a heartbeat that disagrees', () => {
    const { open, heard } = fixture();
    const first = open();
    first.lose();
    first.deliver(2);
    const second = open();
    second.lose();
    second.beat();
    expect(heard.count).toBe(0);
  });
});

describe('the loop', () => {
  test('starts over with another reader: the old one is closed, its numbers and pulls are forgotten', async () => {
    const { open, clock, sizes, taken, broken } = fixture();
    const old = open();
    old.deliver(1, 2);
    const next = open();
    next.deliver(3);
    await clock.settle();
    expect([old.isClosed, sizes(next), taken, broken]).toEqual([true, [10], [1, 2, 3], []]);
  });

  test('pulls nothing more after it is disposed of, and leaves no timer', async () => {
    const { open, clock, sizes, loop } = fixture();
    const feed = open();
    loop.dispose();
    loop.replenish();
    await clock.advance(10_000);
    expect([sizes(feed), feed.isClosed, clock.pendingTimers]).toEqual([[10], true, 0]);
  });
});
