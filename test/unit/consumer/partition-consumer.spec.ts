import { afterEach, describe, expect, test } from '@jest/globals';
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
    a.consumer.noteFirstSequence(8);
    expect([world.handled, a.consumer.counts.lost]).toEqual([[8, 9], 2]);
  });
});
