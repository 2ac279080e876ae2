import { describe, expect, test } from '@jest/globals';
import { partitionOf } from '#library/message/partitioning.js';
import type { GroupQuestion } from '#library/records/group-on-server.js';
import { beginChange, completeChange, type GroupRecord } from '#library/records/group-record.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryGroup } from '#library/testing/memory/memory-group.js';
import { MemoryParked } from '#library/testing/memory/memory-parked.js';
import { MemoryRepartition } from '#library/testing/memory/memory-repartition.js';
import { MemoryStream } from '#library/testing/memory/memory-stream.js';
import { eventOf, TOPIC } from './memory-fixture.js';

function fixture(...tokens: string[]) {
  const clock = new ManualClock();
  const moved = (): void => undefined;
  const stream = new MemoryStream(clock, 120_000);
  for (const token of tokens) stream.append(eventOf(token));
  const parked = new MemoryParked({ maxLetters: 10, clock, moved });
  const group = new MemoryGroup({ topic: TOPIC, group: 'g', stream, parked, clock, moved });
  return { clock, stream, group, parked, moved };
}

function leaseOf(more: Partial<LeaseRecord> = {}): LeaseRecord {
  return { owner: 'o', term: 1, ttlMs: 3_000, epoch: 4, ...more };
}

function positionOf(created: string, more: Partial<PositionRecord> = {}): PositionRecord {
  return {
    ...{ v: 1, epoch: 4, owner: 'o', write: 1, created, high: 0, highTime: '', unsettled: '' },
    ...{ window: 100, deaths: 0, starts: {}, run: 0 },
    ...more,
  };
}

function questionOf(more: Partial<GroupQuestion> = {}): GroupQuestion {
  const none: ReadonlySet<number> = new Set();
  return { group: 'g', layout: 0, partitions: 1, owned: none, ownedOnly: false, withinMs: 1_000, ...more };
}

describe('the start of a group', () => {
  test.each([
    ['all', 'all' as const, 1],
    ['new', 'new' as const, 4],
    ['a sequence', { sequence: 3 }, 2],
  ])('from %s is the last sequence that is not handled', async (_name, startAt, sequence) => {
    const { stream, group } = fixture('a', 'a', 'a', 'a');
    stream.purge(1);
    const { record } = await group.open({ partitions: 2, startAt });
    expect(record).toMatchObject({
      ...{ partitions: 2, layout: 0, run: 0, hasRecords: false },
      start: { sequence, created: stream.created, epoch: 0 },
    });
    expect(group.record.stored).toEqual({ value: record, revision: 1 });
  });

  test('from a time lies before the first event of that time', async () => {
    const { clock, stream, group } = fixture('a', 'a');
    await clock.advance(1_000);
    const time = new Date(clock.wallNow());
    stream.append(eventOf('a'));
    const { record } = await group.open({ partitions: 1, startAt: { time } });
    expect(record.start.sequence).toBe(2);
  });

  test('is resolved once: a later opening finds it, with its partitions', async () => {
    const { stream, group } = fixture('a');
    const first = await group.open({ partitions: 2, startAt: 'new' });
    stream.append(eventOf('a'));
    const second = await group.open({ partitions: 4, startAt: 'new' });
    expect(second.record).toEqual(first.record);
    expect(second.partitions.map(({ address }) => address)).toEqual(
      [0, 1].map((partition) => ({ topic: TOPIC, group: 'g', layout: 0, partitions: 2, partition })),
    );
  });

  test('is one for two processes that open the group at the same time', async () => {
    const { group } = fixture('a');
    const opened = await Promise.all([
      group.open({ partitions: 2, startAt: 'all' }),
      group.open({ partitions: 4, startAt: 'new' }),
    ]);
    expect(opened[1].record).toEqual(opened[0].record);
    expect(group.record.stored.revision).toBe(1);
  });

  test('is refused when the record is lost although a lease says that a position was claimed', async () => {
    const { group } = fixture('a');
    const { partitions } = await group.open({ partitions: 1, startAt: 'all' });
    group.record.restore();
    await group.open({ partitions: 1, startAt: 'all' });
    await partitions[0]!.leasePort.write(leaseOf({ claimed: true }), 0);
    group.record.delete();
    await expect(group.open({ partitions: 1, startAt: 'all' })).rejects.toMatchObject({
      code: 'RECORD_MISSING',
    });
  });
});

describe('a layout', () => {
  test('has keys and readers of its own', async () => {
    const { group } = fixture('a', 'b', 'c', 'd');
    const { record, repartitionPorts } = await group.open({ partitions: 1, startAt: 'all' });
    const old = { layout: 0, partitions: 1, partition: 0 };
    const next = { layout: 1, partitions: 1, partition: 0 };
    await repartitionPorts.position(next).write(positionOf('then', { high: 7 }), 0);
    expect((await repartitionPorts.position(old).read()).revision).toBe(0);
    expect(group.partition(next).readers).not.toBe(group.partition(old).readers);

    const begun = beginChange(record, { to: 1 });
    const completed: GroupRecord = completeChange(begun, begun.change!, { epoch: 4, run: 0, high: 7 });
    expect(await repartitionPorts.group.write(completed, 1)).toBe(2);
    const reopened = await group.open({ partitions: 1, startAt: 'all' });
    expect(reopened.record.hasRecords).toBe(true);
    const found = await reopened.partitions[0]!.positionPort.read();
    expect(found.value?.high).toBe(7);
  });

  test("says what a partition's first event after a sequence is, or a lower bound", async () => {
    const { stream, group } = fixture('a', 'b', 'c', 'd', 'a');
    const { repartitionPorts } = await group.open({ partitions: 1, startAt: 'all' });
    const partition = partitionOf('a', 256);
    expect(await repartitionPorts.firstAfter({ partitions: 256, partition }, 1)).toBe(5);
    expect(await repartitionPorts.firstAfter({ partitions: 256, partition }, 5)).toBe(6);
    expect(await repartitionPorts.firstAfter({ partitions: 1, partition: 0 }, 1)).toBe(2);
    expect(await repartitionPorts.stream()).toEqual(stream.state);
    expect(await repartitionPorts.lastBefore(new Date(0))).toBe(0);
  });

  test('is found by its keys, and counts events of a partition', async () => {
    const { stream, group, parked, clock, moved } = fixture('a', 'b', 'a');
    await group.open({ partitions: 1, startAt: 'all' });
    const ports = new MemoryRepartition(group, { group: 'g', stream, parked, clock, moved });
    expect(await ports.places()).toEqual([]);
    const place = { layout: 2, partitions: 4, partition: 3 };
    await ports.lease(place).write(leaseOf(), 0);
    expect(await ports.places()).toEqual([place]);
    const own = { partitions: 256, partition: partitionOf('a', 256) };
    expect(await Promise.all([ports.countAfter(own, 0), ports.countAfter(own, 1)])).toEqual([2, 1]);
  });

  test('has no consumers of the old kind', async () => {
    const opened = await fixture().group.open({ partitions: 1, startAt: 'all' });
    expect(await opened.oldConsumers()).toEqual([]);
  });
});

describe('the status of a group', () => {
  const place = { layout: 0, partitions: 1, partition: 0 };

  test('is empty before its first start', () => {
    expect(fixture('a').group.status(questionOf())).toEqual([]);
  });

  test('counts from the start of the group where a partition has no record', async () => {
    const { stream, group } = fixture('a', 'a', 'a');
    await group.open({ partitions: 1, startAt: { sequence: 2 } });
    expect(group.status(questionOf())).toEqual([
      {
        partition: 0,
        lease: undefined,
        position: { high: 1, epoch: 0, run: 0, unsettled: 0, pending: 2 },
        oldestStoredAt: Date.parse(stream.find(2)!.storedAt),
        oldestSequence: 2,
      },
    ]);
  });

  test('counts what is unsettled and what is pending', async () => {
    const { clock, stream, group } = fixture('a', 'a', 'a', 'a', 'a');
    await group.open({ partitions: 1, startAt: 'all' });
    const { position, lease } = group.partition(place);
    await lease.connect().write(leaseOf({ released: true }), 0);
    await position.connect().write(positionOf(stream.created, { high: 4, unsettled: '2 1' }), 0);
    expect(group.status(questionOf())).toEqual([
      {
        partition: 0,
        lease: { owner: 'o', epoch: 4, ttlMs: 3_000, released: true, aliveAt: clock.wallNow() },
        position: { high: 4, epoch: 4, run: 0, unsettled: 2, pending: 1 },
        oldestStoredAt: Date.parse(stream.find(2)!.storedAt),
        oldestSequence: 2,
      },
    ]);
  });

  test('leaves out what partitions of the layout before had settled', async () => {
    const { stream, group } = fixture('a', 'a', 'a', 'a');
    await group.open({ partitions: 1, startAt: 'all' });
    const sources = [0, 1].map((partition) => ({ partition, high: 3, unsettled: '2' }));
    const merged = positionOf(stream.created, { high: 1, origin: { partitions: 2, sources } });
    await group.partition(place).position.connect().write(merged, 0);
    expect(group.status(questionOf())[0]!.position).toMatchObject({ high: 1, pending: 2 });
  });

  test('of a position in another stream is that of its beginning', async () => {
    const { stream, group } = fixture('a', 'a');
    await group.open({ partitions: 1, startAt: 'all' });
    await group
      .partition(place)
      .position.connect()
      .write(positionOf(stream.created, { high: 2 }), 0);
    stream.remake();
    stream.append(eventOf('a'));
    expect(group.status(questionOf())[0]!.position).toMatchObject({ high: 0, unsettled: 0, pending: 1 });
  });

  test('reads no lease of partitions that the asking process owns, and those alone if asked to', async () => {
    const { group } = fixture();
    await group.open({ partitions: 2, startAt: 'all' });
    const own = { layout: 0, partitions: 2, partition: 1 };
    await group.partition(own).lease.connect().write(leaseOf(), 0);
    const owned = new Set([1]);
    expect(group.status(questionOf({ partitions: 2 }))[1]!.lease).toBeDefined();
    expect(group.status(questionOf({ partitions: 2, owned }))[1]!.lease).toBeUndefined();
    const found = group.status(questionOf({ partitions: 2, owned, ownedOnly: true }));
    expect(found.map(({ partition }) => partition)).toEqual([1]);
  });
});
