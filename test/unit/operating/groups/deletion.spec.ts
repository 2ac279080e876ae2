import { beforeEach, describe, expect, test } from '@jest/globals';
import { GroupDeletion } from '#library/operating/groups/deletion.js';
import type { GroupPorts } from '#library/operating/groups/group-ports.js';
import { Patience } from '#library/operating/groups/patience.js';
import type { Marker } from '#library/records/marker.js';
import { nextGroupRecord } from '#library/records/group-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { GroupKeys, leaseOf } from '../../consumer/repartition/group-keys.js';
import { CREATED } from '../../consumer/repartition/positions.js';

const MARKER = {
  epoch: 2,
  state: 'parked',
  made: 0,
  reason: 'RETRIES_EXHAUSTED',
  error: '',
} as unknown as Marker;
const LETTER = {
  token: 'ill',
  sequence: 7,
  origin: { body: new Uint8Array(), readHeaders: () => ({}), readStoredAt: () => '0' },
};

let keys: GroupKeys;
let clock: ManualClock;

beforeEach(() => {
  keys = new GroupKeys();
  keys.start(2);
  clock = new ManualClock();
});

function deletionOver(ports: GroupPorts, waitMs = 60_000): GroupDeletion {
  const patience = new Patience({ clock, waitMs });
  return new GroupDeletion({ name: 'it', ports, clock, owner: `cli-${Math.random()}` }, patience);
}

/** Time passes by itself while it waits. */
async function run<T>(work: Promise<T>): Promise<T> {
  const state = { isOver: false };
  const end = work.finally(() => (state.isOver = true));
  end.catch(() => undefined);
  for (let step = 0; !state.isOver && step < 2_000; step++) {
    await clock.advance(200);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return end;
}

async function park(): Promise<void> {
  const revision = await keys.parked.writeMarker('ill', MARKER, 0);
  await keys.parked.append([LETTER], { marker: revision!, stream: CREATED }, 0);
}

async function deleted(): Promise<void> {
  const deletion = deletionOver(keys);
  expect(await run(deletion.carryOut(await run(deletion.plan())))).toMatchObject({ kind: 'done' });
}

/** A service of the name starts, as the record lets it. */
function startLater(): void {
  keys.group.put(nextGroupRecord(keys.record, 2, { sequence: 0, created: CREATED }));
  const { layout } = keys.record;
  keys.lease({ layout, partitions: 2, partition: 0 }).put(leaseOf({ epoch: 9, claimed: true }));
}

describe('a deletion', () => {
  test('says what is lost, and leaves run, epoch and tombstones', async () => {
    await park();
    await keys.beat('gone', 1);
    const deletion = deletionOver(keys);
    expect(await run(deletion.plan())).toMatchObject({
      ...{ state: 'none', partitions: 2, run: 0 },
      remains: { aggregates: 1, letters: 1, positions: 2, leases: 2, replicas: 1 },
    });
    const end = await run(deletion.carryOut(await run(deletion.plan())));
    expect(end).toMatchObject({ kind: 'done', removed: { letters: 1, positions: 2 } });
    expect(keys.record).toMatchObject({
      partitions: 0,
      run: 0,
      deleted: { removed: true },
      start: { epoch: 3 },
    });
    expect(keys.letters.countOf('billing')).toMatchObject({ aggregates: 0, letters: 0 });
    expect([...keys.positions.values()].map(({ stored }) => [stored.value, stored.revision > 0])).toEqual([
      [undefined, true],
      [undefined, true],
    ]);
    expect(keys.presence.size).toBe(0);
    const later = nextGroupRecord(keys.record, 4, { sequence: 0, created: CREATED });
    expect(later).toMatchObject({ layout: 2, changes: 2, run: 1, start: { epoch: 3 }, hasRecords: false });
    expect(later).not.toHaveProperty('deleted');
    expect(await run(deletionOver(keys).plan())).toMatchObject({ state: 'removed' });
  });

  test('ends the same wherever the process that carries it out dies, and another one continues', async () => {
    const calls = ['removeParked', 'removePosition', 'removeLeases'] as const;
    for (const dies of calls) {
      keys = new GroupKeys();
      keys.start(2);
      await park();
      const mortal = Object.assign(Object.create(keys) as GroupKeys, {
        [dies]: () => Promise.reject(new Error('died')),
      });
      const first = deletionOver(mortal);
      await expect(run(first.carryOut(await run(first.plan())))).rejects.toThrow('died');
      expect(keys.record.deleted?.removed).toBeUndefined();
      await deleted();
      expect(keys.record.deleted?.removed).toBe(true);
      expect(keys.letters.countOf('billing').letters).toBe(0);
    }
  });

  test('that slept while a later group of the name began removes nothing of it', async () => {
    await park();
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    const sleeping: { at?: keyof GroupPorts } = {};
    const own = keys;
    const slow = Object.assign(Object.create(own) as GroupKeys, {
      removeParked: async (remains: Parameters<GroupPorts['removeParked']>[0]) => {
        sleeping.at = 'removeParked';
        await asleep;
        return own.removeParked(remains);
      },
    });
    const deletion = deletionOver(slow);
    const late = deletion.carryOut(await run(deletion.plan()));
    late.catch(() => undefined);
    for (let step = 0; sleeping.at === undefined && step < 100; step++) {
      await clock.advance(200);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await deleted();
    startLater();
    await park();
    const { layout } = keys.record;
    keys.position({ layout, partitions: 2, partition: 0 }).put({ ...positionAt(9) });
    wake();
    expect(await run(late)).toMatchObject({ kind: 'done' });
    expect(keys.letters.countOf('billing')).toMatchObject({ aggregates: 1, letters: 1 });
    expect(keys.position({ layout, partitions: 2, partition: 0 }).stored.value).toBeDefined();
    expect(keys.record.deleted).toBeUndefined();
  });

  test('waits for replicas that renew their session, and names them when the time is over', async () => {
    await keys.beat('alive', 1, 60_000);
    const deletion = deletionOver(keys, 5_000);
    const plan = await run(deletion.plan());
    expect(await run(deletion.carryOut(plan))).toEqual({ kind: 'replicas stay', replicas: ['alive'] });
    expect(keys.record.deleted).toBeDefined();
    expect([...keys.positions.values()].some(({ stored }) => stored.value !== undefined)).toBe(true);
  });

  test('can be called off until it is in force, and not while another change is under way', async () => {
    keys
      .lease({ layout: 0, partitions: 2, partition: 1 })
      .put(leaseOf({ owner: 'replica', ttlMs: 1_000_000 }));
    const deletion = deletionOver(keys, 2_000);
    expect(await run(deletion.carryOut(await run(deletion.plan())))).toMatchObject({ kind: 'late' });
    expect(keys.record.change?.deletes).toBeDefined();
    expect(await run(deletion.plan())).toMatchObject({ state: 'draining' });
    expect(await run(deletion.cancel())).toBe(true);
    expect(keys.record.change).toBeUndefined();
    keys.group.put({ ...keys.record, changes: 2, change: { number: 2, to: 4 } });
    await expect(run(deletion.carryOut({ state: 'none' }))).rejects.toMatchObject({
      code: 'CHANGE_UNDER_WAY',
    });
  });

  test('works for a group that has lost its record, or of which only parked aggregates are left', async () => {
    keys.group.purge();
    await deleted();
    expect(keys.record).toMatchObject({ partitions: 0, start: { epoch: 3 }, deleted: { removed: true } });
    keys = new GroupKeys();
    keys.markers = 6;
    await park();
    await deleted();
    expect(keys.record).toMatchObject({ partitions: 0, start: { epoch: 6 }, deleted: { removed: true } });
    keys = new GroupKeys();
    await expect(run(deletionOver(keys).plan())).rejects.toMatchObject({ code: 'GROUP_UNKNOWN' });
  });
});

function positionAt(epoch: number) {
  const { value } = { value: keys.positions.values().next().value?.stored.value };
  return {
    ...{ v: 1 as const, owner: 'new', write: 1, created: CREATED, high: 0, highTime: '', unsettled: '' },
    ...{ window: 1, deaths: 0, starts: {}, run: 1, ...value, epoch },
  };
}
