import { afterEach, describe, expect, test } from '@jest/globals';
import type { Marker } from '#library/records/marker.js';
import { recordOf } from './position/position-fixture.js';
import { GROUP, type Process, PartitionWorld, TTL_MS, type WorldOptions } from './walks/partition-fixture.js';

const worlds: PartitionWorld[] = [];

function fixture(options?: WorldOptions): { world: PartitionWorld; a: Process } {
  const world = new PartitionWorld(options);
  worlds.push(world);
  world.staysGivenUp = true;
  return { world, a: world.open('a') };
}

afterEach(() => {
  for (const world of worlds.splice(0)) world.close();
});

describe('a claim that is not answered', () => {
  test('is tried again with growing pauses, reported once, and nothing starts before it stands', async () => {
    const { world, a } = fixture();
    world.store('k');
    world.position.faults.failRead(4);
    world.own(a);
    await world.pass(700);
    expect([a.consumer.mode, world.started]).toEqual(['claiming', []]);
    await world.pass(500);
    expect([a.consumer.mode, world.started]).toEqual(['running', ['a: k 1']]);
    expect(a.log.lines.filter((line) => line.includes('cannot be claimed, trying again'))).toHaveLength(1);
    expect(a.tenancy.calls).toEqual(['claimed']);
  });

  test('for longer than the ttl of the lease gives the lease up', async () => {
    const { world, a } = fixture();
    world.position.faults.failRead(1_000);
    world.own(a);
    await world.pass(TTL_MS - 100);
    expect(a.tenancy.calls).toEqual([]);
    await world.pass(1_000);
    expect([a.tenancy.calls, a.consumer.mode]).toEqual([
      ['give up: its position could not be claimed'],
      'idle',
    ]);
    const timers = world.clock.pendingTimers;
    await world.pass(10_000);
    expect([a.tenancy.calls.length, world.clock.pendingTimers]).toEqual([1, timers]);
  });

  test('because the stream does not answer is tried again, too', async () => {
    const { world, a } = fixture();
    world.store('k');
    for (let fault = 0; fault < 3; fault++) world.readers.faults.dropAnswer('stream');
    world.own(a);
    await world.pass(1_000);
    expect(world.started).toEqual(['a: k 1']);
  });

  test('leaves nothing behind that counts when the lease ends and is taken again meanwhile', async () => {
    const { world, a } = fixture();
    world.store('k');
    world.position.faults.holdWrite();
    world.own(a);
    await world.settle();
    world.lose(a);
    world.own(a);
    await world.settle();
    expect(world.record).toMatchObject({ epoch: 2, high: 1 });
    expect(world.position.faults.held[0]!.arrive()).toBeUndefined();
    await world.pass(1_000);
    expect([world.started, a.consumer.counts.claims]).toEqual([['a: k 1'], 1]);
  });
});

describe('a claim that is answered', () => {
  test('by a record of an epoch that is not below takes the lease again, above it', async () => {
    const { world, a } = fixture();
    const { created } = world.stream;
    world.position.restore({ value: recordOf({ created, epoch: 8, owner: 'x', rest: true }), revision: 4 });
    world.own(a);
    await world.settle();
    expect(a.tenancy.calls).toEqual([
      'start over above 8: its position is of epoch 8, which is not below 1',
      'claimed',
    ]);
    expect(world.record).toMatchObject({ epoch: 9, owner: 'a' });
  });

  test.each([
    ['ends before the highest settled event', 4, '1'],
    ['holds an event of another time there', 2, '1'],
  ])('halts if the stream %s', async (_what, high, highTime) => {
    const { world, a } = fixture();
    world.store('k', 'k', 'k');
    const { created } = world.stream;
    world.position.restore({ value: recordOf({ created, high, highTime, owner: 'x' }), revision: 4 });
    world.epoch = 1;
    world.own(a);
    await world.pass(900);
    expect(a.consumer.mode).toBe('claiming');
    await world.pass(200);
    expect(a.consumer.haltReason).toContain('group reset');
    expect(world.started).toEqual([]);
  });

  test.each([
    ['continues after its position', 3, ['a: k 4']],
    ['halts if it ends before that position', 1, []],
  ])('in a stream that was restored under a new time of creation %s', async (_what, last, started) => {
    const { world, a } = fixture();
    world.store('k', 'k', 'k');
    world.own(a);
    await world.pass(100);
    world.lose(a);
    const { run } = world.record;
    const before = world.stream.created;
    world.stream.restore(last, { asNew: true });
    expect(world.stream.created).not.toBe(before);
    if (last === 3) world.store('k');
    world.started.length = 0;
    world.own(a);
    await world.pass(1_500);
    expect(world.started).toEqual(started);
    expect(a.consumer.mode).toBe(last === 3 ? 'running' : 'halted');
    expect(world.record.run).toBe(run);
  });

  test('waits under the mark of a drain until its change is cancelled, under any owner', async () => {
    const { world, a } = fixture();
    world.store('k');
    const { created } = world.stream;
    const drained = { change: 3 };
    world.position.restore({ value: recordOf({ created, owner: 'x', rest: true, drained }), revision: 4 });
    world.epoch = 1;
    world.own(a);
    await world.pass(20_000, 500);
    expect([a.consumer.mode, a.consumer.drainedFor, world.started, world.readers.names]).toEqual([
      'drained',
      3,
      [],
      [],
    ]);
    world.lose(a);
    world.own(a);
    await world.pass(500);
    expect([a.consumer.mode, world.record.drained]).toEqual(['drained', drained]);
    world.group.cancelled.add(3);
    await world.pass(200);
    expect([a.consumer.mode, world.started]).toEqual(['running', ['a: k 1']]);
    expect(world.record).not.toHaveProperty('drained');
  });

  test('halts if a letter of this stream holds an event that the stream does not reach', async () => {
    const { world, a } = fixture();
    world.store('k', 'k', 'k', 'l');
    const { created } = world.stream;
    const letter = world.stream.find(3)!;
    const token = letter.subject.split('.').at(-1)!;
    const port = world.parked.connect(GROUP, '');
    const marker = await port.writeMarker(token, markerOf(3), 0);
    await port.append(
      [
        {
          token,
          sequence: 3,
          origin: { body: letter.body, readHeaders: () => ({}), readStoredAt: () => letter.storedAtNs },
        },
      ],
      { marker: marker!, stream: created },
      0,
    );
    world.position.restore({ value: recordOf({ created, high: 1, owner: 'x' }), revision: 4 });
    world.stream.restore(2);
    world.epoch = 1;
    world.own(a);
    await world.pass(1_500);
    expect(a.consumer.haltReason).toContain('group reset');
    expect(world.started).toEqual([]);
  });
});

function markerOf(sequence: number): Marker {
  return {
    ...{ epoch: 1, state: 'parked', made: 0, reason: 'EXHAUSTED', error: 'no stock', attempts: 1 },
    ...{ sequence, since: 0, crashes: 0 },
  };
}
