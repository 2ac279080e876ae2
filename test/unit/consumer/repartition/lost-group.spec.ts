import { beforeEach, describe, expect, test } from '@jest/globals';
import { DrainUnowned } from '#library/consumer/repartition/drain-unowned.js';
import { LostGroup } from '#library/consumer/repartition/lost-group.js';
import { Repartition } from '#library/consumer/repartition/repartition.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { GroupKeys, leaseOf } from './group-keys.js';
import { CREATED, positionOf } from './positions.js';

const RESET = { to: undefined, id: 'x', start: { sequence: 5, created: CREATED } };

describe('a group that has lost its record', () => {
  let keys: GroupKeys;
  let clock: ManualClock;
  let lost: LostGroup;

  beforeEach(() => {
    keys = new GroupKeys();
    clock = new ManualClock();
    keys.start(4);
    keys.group.purge();
    lost = new LostGroup({ name: 'it', ports: keys, clock, owner: 'command' });
  });

  async function finish(): Promise<void> {
    const repartition = new Repartition('it', keys);
    const drain = new DrainUnowned({ name: 'it', ports: keys, clock, owner: 'command' });
    for (let pass = 0; pass < 3; pass++) {
      const progress = await repartition.advance(drain.lost);
      if (progress.kind === 'none') return;
      expect(await drain.pass(progress)).toEqual([]);
    }
    throw new Error('it does not end');
  }

  test('is drained from the positions it has left, and begins above all of them', async () => {
    keys.position({ layout: 0, partitions: 4, partition: 2 }).put(positionOf({ epoch: 9, run: 3, high: 40 }));
    expect(await lost.isLost()).toBe(true);
    expect(await lost.remake(RESET)).toEqual([]);
    expect(await lost.isLost()).toBe(false);
    expect(keys.record).toMatchObject({ partitions: 4, layout: 0, change: { number: 1, to: 4, id: 'x' } });
    await finish();
    expect(keys.record).toMatchObject({
      ...{ layout: 1, run: 4, replayUntil: 40, lastReset: 'x', hasRecords: false },
      // The command has taken the lease of that partition one epoch above its record.
      start: { sequence: 5, epoch: 10 },
    });
  });

  test('with all positions gone takes epochs from leases, and a run that no partition can have reached', async () => {
    keys.isMissing = true;
    for (const key of keys.positions.values()) key.purge();
    keys.lease({ layout: 0, partitions: 4, partition: 1 }).put(leaseOf({ epoch: 20, released: true }));
    await lost.remake(RESET);
    expect(keys.isMissing).toBe(false);
    await finish();
    expect(keys.record).toMatchObject({ partitions: 4, layout: 1, run: 41, start: { epoch: 21 } });
  });

  test('is not made again while a process holds one of its leases', async () => {
    const place = { layout: 0, partitions: 4, partition: 1 };
    keys.lease(place).put(leaseOf({ epoch: 2, owner: 'replica', ttlMs: 1_000 }));
    await keys.beat('replica', 1);
    expect(await lost.remake(RESET)).toEqual(['replica']);
    await clock.advance(1_400);
    await keys.beat('replica', 2);
    expect(await lost.remake(RESET)).toEqual(['replica']);
    await clock.advance(1_501);
    expect(await lost.remake(RESET)).toEqual([]);
  });

  test('had the highest layout that an owner has worked in, and gets a number above every one in use', async () => {
    // Prepared for a change that was cancelled, and drained for it.
    keys.position({ layout: 3, partitions: 8, partition: 0 }).put(positionOf({ write: 0, owner: '' }));
    keys.position({ layout: 0, partitions: 4, partition: 0 }).put(positionOf({ drained: { change: 6 } }));
    expect(await lost.plan(RESET)).toMatchObject({
      ...{ partitions: 4, layout: 0, changes: 7, hasRecords: true },
      change: { number: 7, to: 4 },
    });
    expect(await lost.plan({ ...RESET, to: 2 })).toMatchObject({ partitions: 4, change: { to: 2 } });
  });

  test('that was made again by another command is left as it is', async () => {
    const other = new LostGroup({ name: 'it', ports: keys, clock, owner: 'other' });
    await other.remake({ ...RESET, id: 'y' });
    expect(await lost.remake(RESET)).toEqual([]);
    expect(keys.record.change?.id).toBe('y');
    await expect(new Repartition('it', keys).begin({ ...RESET, to: 8 })).rejects.toMatchObject({
      code: 'CHANGE_UNDER_WAY',
    });
  });

  test('does not begin in silence if the reset is called off', async () => {
    await lost.remake(RESET);
    await new Repartition('it', keys).cancel();
    expect(keys.record).toMatchObject({ hasRecords: true, layout: 0 });
    expect(keys.record.change).toBeUndefined();
  });

  test('and everything else but parked aggregates needs a number of partitions', async () => {
    const empty = new GroupKeys();
    const bare = new LostGroup({ name: 'it', ports: empty, clock, owner: 'command' });
    await expect(bare.remake({ ...RESET, to: 4 })).rejects.toThrow('found no trace of it');
    empty.markers = 30;
    await expect(bare.remake(RESET)).rejects.toThrow('--partitions');
    expect(await bare.remake({ ...RESET, to: 4 })).toEqual([]);
    expect(empty.record).toMatchObject({
      ...{ partitions: 4, layout: 1, run: 61, hasRecords: false, lastReset: 'x' },
      start: { epoch: 30 },
    });
    expect(await new Repartition('it', empty).begin({ ...RESET, to: 4 })).toBeUndefined();
  });
});

describe('a lost position of a group that has its record', () => {
  async function runAfter(created: string): Promise<number> {
    const keys = new GroupKeys();
    keys.start(1, { sequence: 0, created });
    keys
      .lease({ layout: 0, partitions: 1, partition: 0 })
      .put(leaseOf({ epoch: 8, claimed: true, released: true }));
    keys.position({ layout: 0, partitions: 1, partition: 0 }).purge();
    const repartition = new Repartition('it', keys);
    const drain = new DrainUnowned({ name: 'it', ports: keys, clock: new ManualClock(), owner: 'command' });
    await repartition.begin({ to: 1, id: 'x', start: RESET.start });
    const progress = await repartition.advance();
    if (progress.kind === 'draining') await drain.pass(progress);
    await repartition.advance(drain.lost);
    return keys.record.run;
  }

  test('had the run of its group if the stream is the one the group began in', async () => {
    expect(await runAfter(CREATED)).toBe(1);
  });

  test('may have had any run that its epochs allow if the stream was made again', async () => {
    expect(await runAfter('before')).toBe(2 * 9 + 1);
  });
});
