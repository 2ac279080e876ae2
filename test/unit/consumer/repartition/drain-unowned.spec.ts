import { beforeEach, describe, expect, test } from '@jest/globals';
import { DrainUnowned, type OpenPartition } from '#library/consumer/repartition/drain-unowned.js';
import { Repartition } from '#library/consumer/repartition/repartition.js';
import { firstGroupRecord } from '#library/records/group-record.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { GroupKeys, leaseOf, through } from './group-keys.js';
import { CREATED, positionOf } from './positions.js';

const PLACE = { layout: 0, partitions: 1, partition: 0 };
const START = { sequence: 5, created: CREATED };

describe('a partition that no replica owns', () => {
  let keys: GroupKeys;
  let clock: ManualClock;
  let drain: DrainUnowned;
  let repartition: Repartition;

  beforeEach(() => {
    keys = new GroupKeys();
    clock = new ManualClock();
    keys.group.put(firstGroupRecord(1, START));
    keys.position(PLACE).put(positionOf({ epoch: 4, high: 20, unsettled: '7', deaths: 1 }));
    keys.lease(PLACE).put(leaseOf({ epoch: 6, claimed: true, released: true }));
    drain = new DrainUnowned({ name: 'it', ports: keys, clock, owner: 'command' });
    repartition = new Repartition('it', keys);
  });

  async function pass(): Promise<readonly OpenPartition[]> {
    const progress = await repartition.advance(drain.lost);
    return progress.kind === 'draining' ? drain.pass(progress) : [];
  }

  test('is claimed above all epochs and marked, keeps what was unsettled, and its lease is released', async () => {
    await repartition.begin({ to: 2 });
    expect(await pass()).toEqual([]);
    expect(keys.position(PLACE).stored.value).toEqual(
      positionOf({
        ...{ epoch: 7, owner: 'command', write: 1, high: 20, unsettled: '7' },
        ...{ deaths: 2, rest: true, drained: { change: 1 } },
      }),
    );
    expect(keys.lease(PLACE).stored.value).toMatchObject({ epoch: 7, released: true, claimed: true });
    expect(await repartition.advance()).toMatchObject({ kind: 'none', group: { partitions: 2 } });
  });

  test('whose last owner came to rest counts no death', async () => {
    keys.position(PLACE).put(positionOf({ epoch: 4, deaths: 1, rest: true }));
    await repartition.begin({ to: 2 });
    await pass();
    expect(keys.position(PLACE).stored.value).toMatchObject({ deaths: 1, rest: true });
  });

  test('is left alone while the session of its owner is renewed, and drained once that stood still for its ttl and a margin', async () => {
    keys.lease(PLACE).put(leaseOf({ epoch: 6, ttlMs: 1_000, claimed: true }));
    await repartition.begin({ to: 2 });
    await keys.beat('a', 1);
    for (let beat = 2; beat < 6; beat++) {
      expect(await pass()).toMatchObject([{ partition: 0, holder: 'a', lost: false }]);
      await clock.advance(1_400);
      await keys.beat('a', beat);
    }
    await pass();
    await clock.advance(1_499);
    expect(await pass()).toMatchObject([{ holder: 'a' }]);
    await clock.advance(2);
    expect(await pass()).toEqual([]);
    expect(keys.position(PLACE).stored.value).toMatchObject({ epoch: 7, drained: { change: 1 } });
    expect(keys.presence.stored('a').value).toMatchObject({ term: 1, ended: true });
  });

  test('whose owner has left no record is drained once that was missing for the ttl and a margin', async () => {
    keys.lease(PLACE).put(leaseOf({ epoch: 6, ttlMs: 1_000, claimed: true }));
    await repartition.begin({ to: 2 });
    expect(await pass()).toMatchObject([{ holder: 'a' }]);
    await clock.advance(1_499);
    expect(await pass()).toMatchObject([{ holder: 'a' }]);
    await clock.advance(2);
    expect(await pass()).toEqual([]);
  });

  test('whose owner is in a later term is drained at once', async () => {
    keys.lease(PLACE).put(leaseOf({ epoch: 6, ttlMs: 1_000, claimed: true }));
    await keys.sessions.announce({ member: 'a', ttlMs: 1_000, beat: 9, term: 2 }, 0);
    await repartition.begin({ to: 2 });
    expect(await pass()).toEqual([]);
  });

  test('whose lease was deleted may still have an owner, unless its record says that it came to rest', async () => {
    keys.lease(PLACE).put(undefined);
    await repartition.begin({ to: 2 });
    expect(await pass()).toMatchObject([{ holder: undefined }]);
    await clock.advance(5_501);
    expect(await pass()).toEqual([]);

    await repartition.cancel();
    await repartition.begin({ to: 2 });
    keys.lease(PLACE).put(undefined);
    expect(await pass()).toEqual([]);
    expect(keys.position(PLACE).stored.value?.drained).toEqual({ change: 2 });
  });

  test('that was never claimed begins at the start of its group', async () => {
    keys.position(PLACE).purge();
    keys.lease(PLACE).purge();
    await repartition.begin({ to: 2 });
    expect(await pass()).toEqual([]);
    expect(keys.position(PLACE).stored.value).toEqual(
      positionOf({
        ...{ epoch: 1, owner: 'command', write: 1, high: 5, window: 0, rest: true },
        ...{ drained: { change: 1 } },
      }),
    );
  });

  test('that was never claimed begins at the first event, in the next run, if the stream is another one', async () => {
    keys.position(PLACE).purge();
    keys.lease(PLACE).purge();
    keys.state = { ...keys.state, created: 'now' };
    await repartition.begin({ to: 2 });
    await pass();
    expect(keys.position(PLACE).stored.value).toMatchObject({ high: 0, run: 1, created: 'now' });
  });

  test('is not marked over the claim of a replica that was faster', async () => {
    await repartition.begin({ to: 2 });
    let writes = 0;
    const ports = through(keys, (change) => {
      // After the lease is taken and before the claim is written.
      if (++writes === 2) keys.position(PLACE).put(positionOf({ epoch: 9, owner: 'replica' }));
      return change();
    });
    const slow = new DrainUnowned({ name: 'it', ports, clock, owner: 'command' });
    const progress = await repartition.advance();
    if (progress.kind !== 'draining') throw new Error('it is drained');
    expect(await slow.pass(progress)).toMatchObject([{ partition: 0 }]);
    expect(keys.position(PLACE).stored.value).toMatchObject({ owner: 'replica', epoch: 9 });
  });

  test('is drained by a second try if the answer to the first was lost, and its death is counted once', async () => {
    await repartition.begin({ to: 2 });
    let writes = 0;
    const ports = through(keys, async (change) => {
      const result = await change();
      if (++writes === 2) throw new Error('no answer');
      return result;
    });
    const unlucky = new DrainUnowned({ name: 'it', ports, clock, owner: 'command' });
    const progress = await repartition.advance();
    if (progress.kind !== 'draining') throw new Error('it is drained');
    await expect(unlucky.pass(progress)).rejects.toThrow('no answer');
    expect(await unlucky.pass(progress)).toEqual([]);
    expect(keys.position(PLACE).stored.value).toMatchObject({ deaths: 2, drained: { change: 1 } });
  });

  test.each([
    ['was deleted', () => keys.position(PLACE).put(undefined)],
    ['is gone with its stream', () => keys.position(PLACE).purge()],
  ])('whose record %s ends a change of partitions, and is given up by a reset', async (_, lose) => {
    lose();
    await repartition.begin({ to: 2 });
    await expect(pass()).rejects.toMatchObject({ code: 'RECORD_MISSING' });
    await repartition.cancel();
    await repartition.begin({ to: 1, id: 'x', start: START });
    expect(await pass()).toEqual([]);
    expect(keys.position(PLACE).stored.value).toBeUndefined();
    expect(keys.lease(PLACE).stored.value).toMatchObject({ claimed: true, released: true });
    expect([...drain.lost]).toEqual([[0, 7]]);
    expect(await repartition.advance(drain.lost)).toMatchObject({
      kind: 'none',
      group: { layout: 2, start: { epoch: 7 } },
    });
  });

  test('whose record a later release wrote ends a change of partitions, and is given up by a reset', async () => {
    const later = { ...positionOf({ epoch: 4 }), v: 2 } as unknown as PositionRecord;
    keys.position(PLACE).put(later);
    await repartition.begin({ to: 2 });
    await expect(pass()).rejects.toMatchObject({ code: 'RECORD_INVALID' });
    await repartition.cancel();
    await repartition.begin({ to: 1, id: 'x', start: START });
    expect(await pass()).toEqual([]);
    expect(keys.position(PLACE).stored.value).toEqual(later);
    expect(await repartition.advance(drain.lost)).toMatchObject({
      kind: 'none',
      group: { layout: 2, start: { epoch: 7 } },
    });
  });

  test('whose first owner claims it just now has lost nothing', async () => {
    keys.position(PLACE).purge();
    keys.lease(PLACE).purge();
    await repartition.begin({ to: 2 });
    const progress = await repartition.advance();
    if (progress.kind !== 'draining') throw new Error('it is drained');
    const lease = keys.lease(PLACE);
    const read = lease.read.bind(lease);
    lease.read = () => {
      keys.position(PLACE).put(positionOf({ epoch: 1 }));
      lease.put(leaseOf({ claimed: true }));
      return read();
    };
    expect(await drain.pass(progress)).toMatchObject([{ holder: 'a', lost: false }]);
  });

  test('whose record is lost is not given up while its lease is held', async () => {
    keys.position(PLACE).purge();
    keys.lease(PLACE).put(leaseOf({ epoch: 6, claimed: true }));
    await repartition.begin({ to: 1, id: 'x', start: START });
    expect(await pass()).toMatchObject([{ holder: 'a', lost: true }]);
    expect(drain.lost.size).toBe(0);
  });
});
