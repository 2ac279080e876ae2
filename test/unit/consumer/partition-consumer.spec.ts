import { afterEach, describe, expect, test } from '@jest/globals';
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
