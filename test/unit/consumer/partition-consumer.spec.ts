import { afterEach, describe, expect, test } from '@jest/globals';
import { decodeSequences, encodeSequences } from '#library/records/position-record.js';
import { recordOf } from './position/position-fixture.js';
import { PartitionWorld, type WorldOptions } from './walks/partition-fixture.js';

const worlds: PartitionWorld[] = [];

function worldOf(options?: WorldOptions): PartitionWorld {
  const world = new PartitionWorld(options);
  worlds.push(world);
  return world;
}

afterEach(() => {
  for (const world of worlds.splice(0)) world.close();
});

describe('an owner', () => {
  test('claims, reads, handles in order and commits what is handled', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.store('k', 'l', 'k');
    world.own(a);
    expect(a.consumer.mode).toBe('claiming');
    await world.settle();
    expect(a.consumer.mode).toBe('running');
    expect(world.handled).toEqual([1, 2, 3]);
    expect(world.record).toMatchObject({ epoch: 1, owner: 'a', high: 3, unsettled: '' });
    world.store('k');
    await world.settle();
    expect(world.record.high).toBe(4);
  });
});

describe('a hand-over', () => {
  test('that was called off leaves no mark of rest when its handlers end later', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.holds = () => true;
    world.store('k', 'k');
    world.own(a);
    await world.settle();
    const isDrained = a.consumer.drain.completed(200);
    await world.pass(200);
    expect(await isDrained).toBe(false);
    a.consumer.drain.undo();
    world.running[0]!.end();
    await world.settle();
    expect(world.started).toEqual(['a: k 1', 'a: k 2']);
    expect(world.record).not.toHaveProperty('rest');
  });
});

describe('events that the stream drops', () => {
  test('count as lost only if the claimed position does not call them settled', async () => {
    const world = worldOf();
    world.store(...Array.from({ length: 9 }, () => 'k'));
    const { created } = world.stream;
    // Event 2 hangs while all others up to 6 are settled; then retention drops the first seven.
    world.position.restore({
      value: recordOf({ created, high: 6, unsettled: '2', owner: 'x' }),
      revision: 1,
    });
    world.stream.purge(7);
    world.epoch = 1;
    const a = world.open('a');
    world.own(a);
    await world.settle();
    a.consumer.noteLoss({ firstSequence: 8, holes: [], unlisted: 0, wasBehind: true });
    expect([world.handled, a.consumer.counts.lost]).toEqual([[8, 9], 2]);
  });
});

describe('a position near the size that the server takes', () => {
  test('does not keep its unsettled events from being read', async () => {
    const world = worldOf({ batch: 10 });
    const listed = Array.from({ length: 400 }, (_, index) => 1 + index * 2 + (index % 3 === 0 ? 1 : 0));
    world.store(...Array.from({ length: 1_000 }, (_, index) => `k${index % 50}`));
    const { created } = world.stream;
    const unsettled = encodeSequences(listed);
    world.position.restore({ value: recordOf({ created, high: 1_000, unsettled, owner: 'x' }), revision: 1 });
    world.position.maxBytes = 1_500;
    world.epoch = 1;
    const hung = listed[0]!;
    world.holds = ({ sequence }) => sequence === hung;
    world.own(world.open('a'));
    await world.pass(5_000);
    // The later events of its aggregate wait for the one that hangs.
    const waiting = listed.filter((sequence) => sequence % 50 === hung % 50);
    expect(world.handled).toHaveLength(400 - waiting.length);
    expect(decodeSequences(world.record.unsettled)).toEqual(waiting);
  });
});

describe('losing the lease', () => {
  test('aborts what runs, forgets what waits, and the next tenure waits for the lane that is still held', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.holds = ({ sequence }) => sequence === 1;
    world.store('k', 'k', 'l');
    world.own(a);
    await world.settle();
    const [run] = world.running;
    world.lose(a);
    expect([run!.event.signal.aborted, a.consumer.mode, a.bytes.held]).toEqual([true, 'idle', 0]);
    world.holds = () => false;
    world.own(a);
    await world.settle();
    world.store('l');
    await world.settle();
    // Aggregate k waits for its handler of the tenure before; how that ends counts for nothing.
    expect(world.started).toEqual(['a: k 1', 'a: l 3', 'a: l 4']);
    run!.end();
    await world.settle();
    expect(world.started.slice(3)).toEqual(['a: k 1', 'a: k 2']);
    expect(world.record).toMatchObject({ epoch: 2, high: 4, unsettled: '' });
  });

  test('to another process leaves that one to repeat what is not settled in the position, in order', async () => {
    const world = worldOf();
    const [a, b] = [world.open('a'), world.open('b')];
    world.holds = ({ sequence }, process) => process === 'a' && sequence === 2;
    world.store('k', 'k', 'k');
    world.own(a);
    await world.settle();
    world.lose(a);
    world.own(b);
    await world.settle();
    expect(world.started).toEqual(['a: k 1', 'a: k 2', 'b: k 2', 'b: k 3']);
    world.running[0]!.end();
    await world.settle();
    expect(world.record).toMatchObject({ owner: 'b', high: 3, unsettled: '' });
  });

  test('during the claim, or while markers are loaded, starts nothing', async () => {
    for (let turns = 0; turns < 16; turns++) {
      const world = worldOf();
      const a = world.open('a');
      world.store('k');
      world.own(a);
      await world.settle(turns);
      if (world.started.length > 0) break;
      world.lose(a);
      await world.pass(200);
      expect([world.started, a.consumer.mode]).toEqual([[], 'idle']);
      world.own(a);
      await world.settle();
      expect(world.started).toEqual(['a: k 1']);
    }
  });

  test('while unsettled events are fetched singly leaves no fetch behind', async () => {
    const world = worldOf();
    world.store(...Array.from({ length: 6 }, () => 'k'));
    const { created } = world.stream;
    world.position.restore({
      value: recordOf({ created, high: 6, unsettled: '2', owner: 'x' }),
      revision: 1,
    });
    world.readers.faults.skip(2);
    world.epoch = 1;
    const a = world.open('a');
    for (let fault = 0; fault < 7; fault++) world.readers.faults.dropAnswer('find');
    world.own(a);
    await world.pass(600);
    expect(world.started).toEqual([]);
    world.lose(a);
    await world.pass(40_000, 500);
    world.own(a);
    await world.pass(2_000);
    expect(world.handled).toEqual([2]);
    expect(world.record).toMatchObject({ epoch: 3, high: 6, unsettled: '' });
  });
});

describe('a partition far behind', () => {
  test('fetches its unsettled events singly, starts nothing later of their aggregates before, and reads on above', async () => {
    const world = worldOf();
    world.store('k', 'l', ...Array.from({ length: 20_100 }, () => 'settled'), 'k', 'l');
    const { created, lastSequence } = world.stream;
    const high = lastSequence - 2;
    world.position.restore({ value: recordOf({ created, high, unsettled: '1*2', owner: 'x' }), revision: 1 });
    world.epoch = 1;
    world.own(world.open('a'));
    await world.settle();
    expect(world.handled).toEqual([1, 2, lastSequence - 1, lastSequence]);
    expect(world.readers.names).toHaveLength(1);
    expect(world.record).toMatchObject({ high: lastSequence, unsettled: '' });
  });
});

describe('a halt', () => {
  test('reads and starts nothing more, still commits what ends, and says why', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.holds = () => true;
    world.store('k', 'k', 'l');
    world.own(a);
    await world.settle();
    a.consumer.halt('the test says so');
    a.consumer.halt('again');
    expect([a.consumer.mode, a.consumer.haltReason]).toEqual(['halted', 'the test says so']);
    world.store('m');
    for (const run of [...world.running]) run.end();
    await world.pass(1_000);
    expect(world.started).toEqual(['a: k 1', 'a: l 3']);
    expect(world.record).toMatchObject({ high: 3, unsettled: '2' });
    world.lose(a);
    world.own(a);
    expect(a.consumer.mode).toBe('halted');
    expect(await a.consumer.drain.completed(1_000)).toBe(true);
  });

  test('follows a position that does not fit into a message', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.own(a);
    await world.settle();
    world.position.maxBytes = 10;
    world.store('k');
    await world.settle();
    expect(a.consumer.haltReason).toContain('raise max_payload');
  });

  test('follows a claim that finds no record where there must be one', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.position.delete();
    world.store('k');
    world.own(a);
    await world.settle();
    expect(a.consumer.haltReason).toContain('found none');
    expect(world.started).toEqual([]);
  });
});

describe('a superseded owner', () => {
  test('takes the next epoch above, by a claim of its own, and repeats in order what is not settled', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.store('k');
    world.own(a);
    await world.settle();
    const { value, revision } = world.position.stored;
    world.position.restore({
      value: { ...value!, epoch: 7, owner: 'other', write: 1 },
      revision: revision + 1,
    });
    world.store('k');
    await world.pass(500);
    expect(a.tenancy.calls).toContain('start over above 7: its position was claimed in epoch 7');
    expect(world.record).toMatchObject({ epoch: 8, owner: 'a', high: 2, unsettled: '' });
    expect(world.started).toEqual(['a: k 1', 'a: k 2', 'a: k 2']);
  });
});

describe('a drain', () => {
  test('starts nothing, lets end what runs, commits the mark of rest, and works again when it is called off', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.holds = () => true;
    world.store('k', 'k');
    world.own(a);
    await world.settle();
    let isDrained: boolean | undefined;
    void a.consumer.drain.completed(5_000).then((is) => (isDrained = is));
    world.store('l');
    await world.pass(1_000);
    expect([isDrained, world.started]).toEqual([undefined, ['a: k 1']]);
    world.running[0]!.end();
    await world.settle();
    expect([isDrained, world.started]).toEqual([true, ['a: k 1']]);
    expect(world.record).toMatchObject({ rest: true, high: 1 });
    a.consumer.drain.undo();
    await world.pass(200);
    expect(world.started).toEqual(['a: k 1', 'a: l 3', 'a: k 2']);
    expect(world.record).not.toHaveProperty('rest');
  });

  test('that ends during the claim leaves the mark of rest in the position', async () => {
    for (let turns = 0; turns < 16; turns++) {
      const world = worldOf();
      const a = world.open('a');
      world.own(a);
      await world.settle(turns);
      const isClaimed = a.consumer.isClaimed;
      const wasRunning = a.consumer.mode === 'running';
      expect(await Promise.all([a.consumer.drain.completed(5_000), world.settle()])).toEqual([
        true,
        undefined,
      ]);
      if (isClaimed) expect(world.record).toMatchObject({ rest: true });
      if (wasRunning) break;
    }
  });

  test('without a claim leaves the position as it was', async () => {
    const world = worldOf();
    const a = world.open('a');
    expect(await a.consumer.drain.completed(1_000)).toBe(true);
    expect(world.position.stored.revision).toBe(0);
  });

  test('for a change of layout marks the position only when nothing runs, and a new owner keeps the mark and waits', async () => {
    const world = worldOf();
    const [a, b] = [world.open('a'), world.open('b')];
    world.holds = () => true;
    world.store('k', 'k');
    world.own(a);
    await world.settle();
    a.consumer.drain.begin();
    await a.consumer.markDrained(3);
    expect(a.consumer.drainedFor).toBe(0);
    world.running[0]!.end();
    await world.settle();
    await Promise.all([a.consumer.markDrained(3), world.settle()]);
    expect(a.consumer.drainedFor).toBe(3);
    expect(world.record).toMatchObject({ rest: true, drained: { change: 3 } });
    world.lose(a);
    world.holds = () => false;
    world.own(b);
    await world.pass(2_000);
    expect([b.consumer.mode, b.consumer.drainedFor, world.started]).toEqual(['drained', 3, ['a: k 1']]);
    expect(world.record).toMatchObject({ owner: 'b', drained: { change: 3 } });
    world.group.cancelled.add(3);
    await world.pass(200);
    expect([b.consumer.mode, b.consumer.drainedFor, world.started]).toEqual([
      'running',
      0,
      ['a: k 1', 'b: k 2'],
    ]);
    expect(world.record).not.toHaveProperty('drained');
  });
});

describe('a stream that is another one', () => {
  test('ends the tenure when it was made again: the next one begins at its first event, in another run', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.store('k', 'k');
    world.own(a);
    await world.settle();
    world.stream.remake();
    world.store('l');
    await world.pass(1_000);
    expect(world.started).toEqual(['a: k 1', 'a: k 2', 'a: l 1']);
    expect([a.consumer.runOf(1), world.record.run, world.record.high]).toEqual([1, 1, 1]);
    expect(a.consumer.created).toBe(world.stream.created);
  });

  test('halts the partition when it ends before what this process took in, even in an earlier tenure', async () => {
    const world = worldOf();
    const a = world.open('a');
    world.store('k', 'k', 'k', 'k');
    // Only the first event is settled in the position: the others hang.
    world.holds = ({ sequence }) => sequence > 1;
    world.own(a);
    await world.settle();
    world.lose(a);
    // A tenure that reads nothing must not forget what an earlier one has seen.
    for (let fault = 0; fault < 20; fault++) world.readers.faults.dropAnswer('open');
    world.own(a);
    await world.settle();
    world.lose(a);
    const { value, revision } = world.position.stored;
    expect(value).toMatchObject({ high: 1 });
    world.position.restore({ value, revision });
    world.stream.restore(1);
    world.own(a);
    await world.pass(2_000);
    expect([a.consumer.mode, world.started.length]).toEqual(['halted', 2]);
  });
});

describe('the end', () => {
  test('gives back all bytes and leaves no timer, reader or connection, whenever it comes', async () => {
    for (let turns = 0; turns < 20; turns++) {
      const world = worldOf();
      const a = world.open('a');
      world.store('k', 'l', 'k');
      world.holds = () => turns % 2 === 0;
      world.own(a);
      await world.settle(turns);
      world.close();
      await world.pass(20_000, 1_000);
      expect([world.bytesHeld(), world.readers.open.length, a.consumer.mode]).toEqual([0, 0, 'closed']);
      expect(world.clock.pendingTimers).toBe(0);
    }
  });
});
