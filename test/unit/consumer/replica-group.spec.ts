import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import type { Partition } from '#library/consumer/partition.js';
import { silentLog } from '#library/log.js';
import type { Delivery } from '#library/message/delivery.js';
import type { KeyPort } from '#library/records/key-port.js';
import type { PresencePort } from '#library/records/member-record.js';
import { AggregatePublisher } from '#library/nest/publishing/aggregate-publisher.js';
import { Group } from '#library/transport/served-group.js';
import { resolveOptions } from '#library/transport/resolve-options.js';
import { TopicLinks } from '#library/transport/open-topics.js';
import type { TopicWire } from '#library/transport/wires.js';
import { TestingStreams } from '#library/testing/memory/testing-streams.js';
import { recordedLog } from './handling/deliveries.js';

// Replicas of one group over streams in memory, each with its own connection to break, by a manual clock.

const TTL_MS = 1_000;
const DRAIN_MS = 2_000;
const PARTITIONS = 8;
const SETTLED_MS = 400;

interface Replica {
  readonly group: Group;
  readonly log: { readonly lines: string[] };
  /** It reaches no key and hears nothing, as one that is frozen or cut off. */
  cut: boolean;
  held(): number[];
}

interface Run {
  readonly replica: string;
  readonly event: Delivery;
  end(): void;
}

let streams: TestingStreams;
let replicas: Replica[];
let running: Run[];
/** `a: key 3` for event 3 of aggregate `key`, started by replica a. */
let started: string[];
/** Handlers return at once unless a test holds them. */
let hold: (event: Delivery) => boolean;

beforeEach(() => {
  streams = new TestingStreams();
  replicas = [];
  running = [];
  started = [];
  hold = () => false;
});

afterEach(async () => {
  for (const run of running.splice(0)) run.end();
  for (const replica of replicas) replica.cut = false;
  const closing = Promise.all(replicas.map(({ group }) => group.close(DRAIN_MS)));
  await streams.advance(DRAIN_MS + TTL_MS);
  await closing;
});

function options() {
  return resolveOptions({
    topics: { t: {} },
    consume: { partitions: PARTITIONS, leaseTtlMs: TTL_MS },
  });
}

function cutKey<T>(port: KeyPort<T>, isCut: () => boolean): KeyPort<T> {
  const guard = <R>(what: () => Promise<R>) => (isCut() ? Promise.reject<R>(new Error('away')) : what());
  return {
    maxBytes: port.maxBytes,
    read: () => guard(() => port.read()),
    write: (value, revision) => guard(() => port.write(value, revision)),
    onHint: (callback) => port.onHint((value) => !isCut() && callback(value)),
    close: () => port.close(),
  };
}

function cutPresence(port: PresencePort, isCut: () => boolean): PresencePort {
  const guard = <R>(what: () => Promise<R>) => (isCut() ? Promise.reject<R>(new Error('away')) : what());
  return {
    announce: (record, revision) => guard(() => port.announce(record, revision)),
    list: () => guard(() => port.list()),
    read: (member) => guard(() => port.read(member)),
    remove: (member, revision) => guard(() => port.remove(member, revision)),
    onHint: (callback) => port.onHint((record) => !isCut() && callback(record)),
    close: () => port.close(),
  };
}

async function replica(name: string, more: { readonly takesNothing?: boolean } = {}): Promise<Replica> {
  const log = recordedLog();
  const links = new TopicLinks(options(), streams.clock, silentLog, streams);
  const link = await links.open('t');
  const handlers = new EventHandlers();
  handlers.add(undefined, {
    failurePolicy: link.topic.consume,
    timeoutMs: 600_000,
    handle: (event) => {
      started.push(`${name}: ${event.aggregateId} ${(event.envelope?.payload as { n: number }).n}`);
      if (!hold(event)) return undefined;
      return new Promise((resolve) => running.push({ replica: name, event, end: () => resolve(undefined) }));
    },
  });
  const isCut = () => made.cut;
  const wire: TopicWire = {
    ...link.wire,
    presencePort: (group) => cutPresence(link.wire.presencePort(group), isCut),
    openGroup: async (group) => {
      const opened = await link.wire.openGroup(group);
      const partitions = opened.partitions.map((one) => ({
        address: one.address,
        connect: one.connect.bind(one),
        leasePort: cutKey(one.leasePort, () => isCut() || more.takesNothing === true),
        positionPort: cutKey(one.positionPort, isCut),
        parkedPort: one.parkedPort,
      }));
      return { ...opened, partitions };
    },
  };
  const made: Replica = {
    log,
    cut: false,
    group: await Group.open({
      link: { ...link, wire },
      group: 'g',
      handlers: { handlersOf: () => handlers, handled: handlers.handled },
      turns: new AloneTurns(streams.clock),
      hooks: {},
      measures: undefined,
      tracing: undefined,
      drainMs: DRAIN_MS,
      clock: streams.clock,
      log,
    }),
    held: () => heldOf(made.group.partitions).map(({ partition }) => partition),
  };
  replicas.push(made);
  made.group.start();
  return made;
}

function heldOf(partitions: readonly Partition[]): Partition[] {
  return partitions.filter(({ lease }) => lease.mode === 'held' && lease.isValid());
}

async function publish(...numbers: readonly number[]): Promise<void> {
  const publisher = new AggregatePublisher('t', new TopicLinks(options(), streams.clock, silentLog, streams));
  const done = publisher.publishAll(
    Array.from({ length: 32 }, (_, key) => key).flatMap((key) =>
      numbers.map((n) => ({ aggregateId: `key-${key}`, type: 'T', payload: { n } })),
    ),
  );
  await streams.settle();
  await done;
}

/** What was started of one aggregate, by whom. */
function startsOf(key: string): string[] {
  return started.filter((one) => one.includes(`: ${key} `));
}

describe('partitions', () => {
  test('are taken by a single replica at once, and shared with one that joins after a moment', async () => {
    const a = await replica('a');
    await streams.settle();
    await streams.advance(20);
    expect(a.held()).toHaveLength(8);
    const b = await replica('b');
    await streams.advance(TTL_MS / 5 - 50);
    expect(b.held()).toEqual([]);
    await streams.advance(SETTLED_MS);
    expect([a.held(), b.held()]).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    expect([...a.group.replicas.members]).toHaveLength(2);
  });

  test('move once each when three replicas join together', async () => {
    const a = await replica('a');
    await streams.advance(100);
    const others = [await replica('b')];
    await streams.advance(100);
    others.push(await replica('c'));
    await streams.advance(100);
    others.push(await replica('d'));
    await streams.advance(2 * TTL_MS);
    expect([a, ...others].map((one) => one.held().length)).toEqual([2, 2, 2, 2]);
    const epochs = a.group.partitions.map(({ partition }) =>
      Math.max(...replicas.map(({ group }) => group.partitions[partition]!.lease.epoch)),
    );
    expect(epochs.sort()).toEqual([1, 1, 2, 2, 2, 2, 2, 2]);
  });

  test('of a replica that leaves are taken at once', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await streams.advance(2 * TTL_MS);
    const leaving = b.group.close(DRAIN_MS);
    await streams.advance(50);
    await leaving;
    expect(a.held()).toHaveLength(8);
  });

  test('of a replica that dies are taken when its leases have run out', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await streams.advance(2 * TTL_MS);
    b.cut = true;
    await streams.advance(TTL_MS + 1_000);
    expect(a.held()).toHaveLength(8);
    expect(b.held()).toEqual([]);
  });

  test('go back to a replica that was frozen', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await streams.advance(2 * TTL_MS);
    b.cut = true;
    await streams.advance(3 * TTL_MS);
    b.cut = false;
    await streams.advance(TTL_MS);
    expect([a.held().length, b.held().length]).toEqual([4, 4]);
  });

  test('do not move when a stall of the server costs all replicas their leases', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    await streams.advance(2 * TTL_MS);
    const before = [a.held(), b.held()];
    a.cut = b.cut = true;
    await streams.advance(3 * TTL_MS);
    expect([a.held(), b.held()]).toEqual([[], []]);
    a.cut = false;
    await streams.advance(60);
    b.cut = false;
    await streams.advance(TTL_MS);
    expect([a.held(), b.held()]).toEqual(before);
    const epochs = [a, b].flatMap(({ group }) => heldOf(group.partitions).map(({ lease }) => lease.epoch));
    expect(epochs).toEqual(Array<number>(PARTITIONS).fill(epochs[0] ?? 0));
  });

  test('are logged once for each change', async () => {
    const a = await replica('a');
    await streams.advance(100);
    await replica('b');
    await streams.advance(5 * TTL_MS);
    expect(a.log.lines.filter((line) => line.includes('share'))).toEqual([
      'debug topic "t", group "g": 1 replica shares 8 partitions, this one takes 0, 1, 2, 3, 4, 5, 6, 7',
      'debug topic "t", group "g": 2 replicas share 8 partitions, this one takes 0, 1, 2, 3',
    ]);
  });
});

describe('a view that is wrong', () => {
  test('leaves no partition without an owner if a live replica takes nothing, and hands it nothing again', async () => {
    const a = await replica('a');
    await streams.advance(100);
    await replica('b', { takesNothing: true });
    await streams.advance(SETTLED_MS);
    expect(a.held()).toHaveLength(4);
    await streams.advance(TTL_MS + 200);
    expect(a.held()).toHaveLength(8);
    await streams.advance(5 * TTL_MS);
    expect(a.held()).toHaveLength(8);
  });

  test('leaves every partition with an owner if replicas cannot see each other', async () => {
    const a = await replica('a');
    a.cut = true;
    const b = await replica('b');
    await streams.advance(2 * TTL_MS);
    a.cut = false;
    await streams.advance(2 * TTL_MS);
    expect([a.held().length, b.held().length]).toEqual([4, 4]);
  });
});

describe('a partition that is handed over', () => {
  test('waits for the handler that runs, and continues at the new owner with the next event', async () => {
    const a = await replica('a');
    await streams.advance(100);
    hold = () => true;
    await publish(1, 2);
    expect(running).toHaveLength(32);
    const b = await replica('b');
    await streams.advance(SETTLED_MS);
    // Handed over, but nothing is let go while handlers run.
    expect(a.held()).toHaveLength(8);
    hold = () => false;
    for (const run of running.splice(0)) run.end();
    await streams.advance(SETTLED_MS);
    expect([a.held(), b.held()]).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    for (let key = 0; key < 32; key++) {
      const [first, second, ...rest] = startsOf(`key-${key}`);
      expect([first, rest]).toEqual([`a: key-${key} 1`, []]);
      expect(second).toMatch(new RegExp(`: key-${key} 2`));
    }
    expect(started.filter((one) => one.startsWith('b: '))).not.toEqual([]);
  });

  test('is not taken back by its old owner in between', async () => {
    const a = await replica('a');
    await streams.advance(100);
    const b = await replica('b');
    await streams.advance(TTL_MS);
    const epochs = b.held().map((partition) => b.group.partitions[partition]!.lease.epoch);
    expect(epochs).toEqual([2, 2, 2, 2]);
    await streams.advance(5 * TTL_MS);
    expect(a.held()).toEqual([0, 1, 2, 3]);
  });

  test('stays while a handler does not end in time, whose signal is aborted, and moves later', async () => {
    const a = await replica('a');
    await streams.advance(100);
    hold = ({ aggregateId }) => aggregateId === 'key-0';
    await publish(1);
    const b = await replica('b');
    const hung = running[0]!;
    const partition = a.group.partitions.find(({ consumer }) => consumer.load.lanes > 0)!.partition;
    // The low ones stay with a.
    expect(partition).toBeGreaterThanOrEqual(4);
    await streams.advance(SETTLED_MS + DRAIN_MS + 100);
    expect(hung.event.aborted).toBe(true);
    expect(a.held()).toContain(partition);
    expect(a.log.lines.filter((line) => line.includes('is not handed over'))).toHaveLength(1);
    await publish(2);
    const others = started.filter((one) => one.endsWith(' 2') && !one.includes('key-0 '));
    expect(others).toHaveLength(31);
    hold = () => false;
    hung.end();
    await streams.advance(3 * DRAIN_MS);
    expect([a.held().length, b.held().length]).toEqual([4, 4]);
    expect(new Set(startsOf('key-0')).size).toBe(startsOf('key-0').length);
  });

  test('continues where it is if its new owner dies meanwhile', async () => {
    const a = await replica('a');
    await streams.advance(100);
    hold = () => true;
    await publish(1);
    const b = await replica('b');
    await streams.advance(SETTLED_MS);
    b.cut = true;
    await streams.advance(TTL_MS + 1_000);
    hold = () => false;
    for (const run of running.splice(0)) run.end();
    await streams.advance(SETTLED_MS);
    await publish(2);
    expect(a.held()).toHaveLength(8);
    expect(started.filter((one) => one.startsWith('a: ') && one.endsWith(' 2'))).toHaveLength(32);
    expect(Math.max(...a.group.partitions.map(({ lease }) => lease.epoch))).toBe(1);
  });
});

test('a replica that loses its leases and lives says so, for each partition with its epoch', async () => {
  const [a, b] = [await replica('a'), await replica('b')];
  await streams.advance(2 * TTL_MS);
  const lost = b
    .held()
    .map((partition) => ({ partition, epoch: b.group.partitions[partition]!.lease.epoch }));
  const { owner } = b.group.partitions[0]!;
  const known = (): boolean[] =>
    lost.map(({ partition, epoch }) => a.group.replicas.hasSurvived(owner, partition, epoch));
  b.cut = true;
  await streams.advance(TTL_MS + 1_000);
  expect([a.held().length, known()]).toEqual([8, [false, false, false, false]]);
  b.cut = false;
  await streams.advance(200);
  expect(known()).toEqual([true, true, true, true]);
});
