import { afterEach, describe, expect, test } from '@jest/globals';
import type { Session } from '#library/consumer/ownership/session.js';
import { Partition } from '#library/consumer/partition.js';
import type { KeyPort } from '#library/records/key-port.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import { recordedLog } from './position/position-fixture.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import { TestReplica } from './ownership/replica-fixture.js';
import { PartitionWorld } from './walks/partition-fixture.js';

const LEASE_MS = 1_000;
const DRAIN_MS = 500;

interface Replica {
  readonly partition: Partition;
  readonly session: Session;
  readonly log: ReturnType<typeof recordedLog>;
  readonly heard: string[];
  /** It reaches its lease no more. */
  isCut: boolean;
}

let replicas: Replica[] = [];
const opened: Replicas[] = [];

afterEach(async () => {
  const closing = Promise.all(replicas.map(({ partition }) => partition.close(0)));
  replicas = [];
  for (const world of opened.splice(0)) {
    for (const run of [...world.running]) run.end();
    await world.pass(100);
  }
  await closing;
});

class Replicas extends PartitionWorld {
  readonly sessions = new MemoryPresence();

  constructor() {
    super();
    opened.push(this);
  }

  replica(name: string): Replica {
    const log = recordedLog();
    const heard: string[] = [];
    const consumer = this.consumerOptions(name, log);
    const port = this.lease.connect();
    const guard = <T>(what: () => Promise<T>): Promise<T> =>
      made.isCut ? Promise.reject(new Error('away')) : what();
    const leasePort: KeyPort<LeaseRecord> = {
      maxBytes: 1_000,
      read: () => guard(() => port.read()),
      write: (record, revision) => guard(() => port.write(record, revision)),
      onHint: (callback) => port.onHint(callback),
      close: () => port.close(),
    };
    const replica = new TestReplica({
      ...{ member: name, ttlMs: LEASE_MS, clock: this.clock, records: this.sessions },
      handles: { types: [], others: true },
    }).start();
    const partition = new Partition({
      session: replica.session,
      others: replica.others,
      leasePort,
      drainMs: DRAIN_MS,
      consumer,
    });
    partition.watch({
      holderChanged: () => undefined,
      survived: (number, epoch) => void heard.push(`survived ${number} ${epoch}`),
    });
    const made: Replica = {
      ...{ partition, log, heard, session: replica.session },
      get isCut() {
        return replica.isCut;
      },
      set isCut(isCut) {
        replica.isCut = isCut;
      },
    };
    replicas.push(made);
    return made;
  }

  /** A replica that is meant to own the partition, and does. */
  async owner(name: string): Promise<Replica> {
    const made = this.replica(name);
    made.partition.start();
    made.partition.assign(true);
    await this.pass(100);
    return made;
  }
}

describe('a partition', () => {
  test('is owned by the replica that is meant to, under an epoch of its own, and its lease says that it was claimed', async () => {
    const world = new Replicas();
    world.store('k');
    const { partition } = await world.owner('a');
    await world.pass(300);
    expect([partition.lease.mode, partition.lease.epoch, world.started]).toEqual(['held', 1, ['a: k 1']]);
    expect(world.lease.stored.value).toMatchObject({ owner: 'a', claimed: true });
    expect(partition.counts).toMatchObject({ leases: 1, leasesLost: 0, claims: 1, handled: 1 });
  });

  test('that is handed over is released at rest, and its successor inherits no death', async () => {
    const world = new Replicas();
    const a = await world.owner('a');
    const b = world.replica('b');
    b.partition.start();
    b.partition.assign(true);
    world.holds = (_event, process) => process === 'a';
    world.store('k', 'k');
    await world.pass(100);
    a.partition.assign(false);
    await world.pass(200);
    expect([a.partition.lease.mode, world.started]).toEqual(['held', ['a: k 1']]);
    world.running[0]!.end();
    await world.pass(200);
    expect([a.partition.lease.mode, b.partition.lease.mode]).toEqual(['standby', 'held']);
    expect(world.started).toEqual(['a: k 1', 'b: k 2']);
    expect(world.record).toMatchObject({ owner: 'b', epoch: 2, deaths: 0, high: 2 });
    expect(a.heard).toEqual([]);
  });

  test('works on here while a hand-over does not end, and is handed over later', async () => {
    const world = new Replicas();
    const a = await world.owner('a');
    const b = world.replica('b');
    b.partition.start();
    b.partition.assign(true);
    world.holds = ({ sequence }) => sequence === 1;
    world.store('k');
    await world.pass(100);
    a.partition.assign(false);
    await world.pass(DRAIN_MS - 100);
    world.store('l');
    await world.settle();
    expect(world.started).toEqual(['a: k 1']);
    await world.pass(300);
    expect([world.started, world.running[0]!.event.signal.aborted]).toEqual([['a: k 1', 'a: l 2'], true]);
    expect(world.record).not.toHaveProperty('rest');
    expect(a.log.lines.filter((line) => line.includes('is not handed over'))).toHaveLength(1);
    world.running[0]!.end();
    await world.pass(3_000);
    expect([a.partition.lease.mode, b.partition.lease.mode]).toEqual(['standby', 'held']);
    expect(world.record).toMatchObject({ owner: 'b', deaths: 0 });
  });

  test('that is wanted again before its hand-over ends stays, and works on', async () => {
    const world = new Replicas();
    const a = await world.owner('a');
    world.holds = ({ sequence }) => sequence === 1;
    world.store('k', 'k');
    await world.pass(100);
    a.partition.assign(false);
    await world.pass(100);
    a.partition.assign(true);
    world.running[0]!.end();
    await world.pass(200);
    expect([a.partition.lease.mode, a.partition.lease.epoch, world.started]).toEqual([
      'held',
      1,
      ['a: k 1', 'a: k 2'],
    ]);
    expect(world.record).not.toHaveProperty('rest');
  });

  test('is taken from a replica that reaches its lease no more, which tells that it has survived', async () => {
    const world = new Replicas();
    const a = await world.owner('a');
    const b = world.replica('b');
    b.partition.start();
    b.partition.assign(true);
    world.holds = (_event, process) => process === 'a';
    world.store('k', 'k');
    await world.pass(100);
    a.isCut = true;
    await world.pass(3 * LEASE_MS);
    expect([a.heard, b.partition.lease.mode]).toEqual([['survived 0 1'], 'held']);
    expect(world.started).toEqual(['a: k 1', 'b: k 1', 'b: k 2']);
    expect(world.record).toMatchObject({ owner: 'b', epoch: 2 });
    expect(a.partition.counts.leasesLost).toBe(1);
  });
});

describe('a change of layout', () => {
  test('drains the partition, marks its position, and keeps its lease; nothing starts until it is cancelled', async () => {
    const world = new Replicas();
    const a = await world.owner('a');
    world.holds = ({ sequence }) => sequence === 1;
    world.store('k', 'k');
    await world.pass(100);
    a.partition.drainFor(3);
    a.partition.drainFor(3);
    await world.pass(2_000);
    expect([a.partition.isDraining, a.partition.consumer.drainedFor]).toEqual([true, 0]);
    expect(world.lease.stored.value?.running).toMatchObject([{ aggregateId: 'k', sequence: 1 }]);
    world.running[0]!.end();
    await world.pass(200);
    expect(a.partition.consumer.drainedFor).toBe(3);
    expect(world.record).toMatchObject({ rest: true, drained: { change: 3 }, high: 1 });
    a.partition.assign(false);
    await world.pass(2_000);
    expect([a.partition.lease.mode, world.started]).toEqual(['held', ['a: k 1']]);
    a.partition.assign(true);
    a.partition.resume();
    await world.pass(200);
    expect(world.started).toEqual(['a: k 1', 'a: k 2']);
    expect(world.record).not.toHaveProperty('drained');
    expect(world.record).not.toHaveProperty('rest');
  });

  test('marks a partition that comes to this process later, and leaves the mark in its position', async () => {
    const world = new Replicas();
    const a = world.replica('a');
    world.store('k');
    a.partition.start();
    a.partition.drainFor(3);
    a.partition.assign(true);
    await world.pass(1_000);
    expect([a.partition.consumer.drainedFor, world.started]).toEqual([3, []]);
    expect(world.record).toMatchObject({ drained: { change: 3 } });
    const { revision } = world.position.stored;
    await world.pass(2_000);
    expect(world.position.stored.revision).toBe(revision);
  });

  test('lets a partition leave when no handler of it runs', async () => {
    const world = new Replicas();
    const a = await world.owner('a');
    world.holds = () => true;
    world.store('k');
    await world.pass(100);
    let hasLeft = false;
    void a.partition.leave().then(() => (hasLeft = true));
    await world.pass(2_000);
    expect([hasLeft, world.running[0]!.event.signal.aborted]).toEqual([false, true]);
    world.running[0]!.end();
    await world.settle();
    expect([hasLeft, a.partition.consumer.mode]).toEqual([true, 'closed']);
  });
});

describe('the close of a partition', () => {
  test('ends at rest and releases the lease, so that a successor takes over at once', async () => {
    const world = new Replicas();
    const a = await world.owner('a');
    world.store('k');
    await world.pass(100);
    const closed = a.partition.close(DRAIN_MS);
    await world.settle();
    expect(await closed).toBe(true);
    expect(world.lease.stored.value).toMatchObject({ owner: 'a', released: true });
    expect(world.record).toMatchObject({ rest: true, high: 1 });
    const b = await world.owner('b');
    expect(b.partition.lease.mode).toBe('held');
  });

  test('with a handler that does not end lets the lease run out: a successor must not start before', async () => {
    const world = new Replicas();
    const a = await world.owner('a');
    world.holds = (_event, process) => process === 'a';
    world.store('k');
    await world.pass(100);
    const closed = a.partition.close(DRAIN_MS);
    await world.pass(DRAIN_MS);
    expect(await closed).toBe(false);
    await a.session.end(false, 0);
    expect(world.lease.stored.value).not.toHaveProperty('released');
    expect(world.record).not.toHaveProperty('rest');
    const b = world.replica('b');
    b.partition.start();
    b.partition.assign(true);
    await world.pass(LEASE_MS / 2);
    expect(world.started).toEqual(['a: k 1']);
    await world.pass(2 * LEASE_MS);
    expect(world.started).toEqual(['a: k 1', 'b: k 1']);
  });
});
