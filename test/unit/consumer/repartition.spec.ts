import { describe, expect, test } from '@jest/globals';
import type { LeaseRecord } from '#library/records/lease-record.js';
import { Repartition, type RepartitionPorts } from '#library/consumer/repartition/repartition.js';
import type { SuspectRecord } from '#library/consumer/handling/suspects.js';
import type { GroupLayout } from '#library/records/group-record.js';
import type { KeyPort } from '#library/records/key-port.js';
import { storePosition } from '#library/records/position-record.js';
import { MemoryKey } from '#library/testing/memory/memory-key.js';

const CREATED = 'then';

class Died extends Error {}

/** A group's keys and consumers, and processes that die at the n-th thing they change. */
class Server {
  readonly layout = new MemoryKey<GroupLayout>();
  readonly consumers = new Set<string>();
  readonly #leases = new Map<string, MemoryKey<LeaseRecord>>();
  readonly #suspects = new Map<string, MemoryKey<SuspectRecord>>();

  async start(partitions: number): Promise<void> {
    await this.layout.connect().write({ partitions, layout: 0, changes: 0 }, 0);
    for (let partition = 0; partition < partitions; partition++) {
      await this.lease(partitions, partition).write(leaseOf(partition + 1), 0);
      this.consumers.add(`${partitions}-${partition}-0`);
    }
  }

  lease(partitions: number, partition: number): KeyPort<LeaseRecord> {
    return keyOf(this.#leases, `${partitions}.${partition}`).connect();
  }

  suspects(partitions: number, partition: number): KeyPort<SuspectRecord> {
    return keyOf(this.#suspects, `${partitions}.${partition}`).connect();
  }

  /** All partitions are given up at rest. */
  async drain(partitions: number, change: number): Promise<void> {
    for (let partition = 0; partition < partitions; partition++) {
      const key = this.lease(partitions, partition);
      const found = (await key.read())!;
      const position = storePosition({ delivered: 10 + partition, unsettled: partition === 1 ? [3, 7] : [] });
      await key.write({ ...found.value, released: true, drained: { change, ...position } }, found.revision);
    }
  }

  /** The process ends when it is about to change the n-th thing, or, with `late`, right after it. */
  process(dies: { at: number; late: boolean } = { at: Number.POSITIVE_INFINITY, late: false }): Repartition {
    let changes = 0;
    const change = async <T>(work: () => Promise<T>): Promise<T> => {
      changes++;
      if (changes > dies.at || (changes === dies.at && !dies.late)) throw new Died();
      const result = await work();
      if (changes === dies.at) throw new Died();
      return result;
    };
    const mortal = <T>(port: KeyPort<T>): Pick<KeyPort<T>, 'read' | 'write'> => ({
      read: () => port.read(),
      write: (value, revision) => change(() => port.write(value, revision)),
    });
    const ports: RepartitionPorts = {
      layout: mortal(this.layout.connect()),
      lease: (partitions, partition) => mortal(this.lease(partitions, partition)),
      suspects: (partitions, partition) => mortal(this.suspects(partitions, partition)),
      firstBehind: (_partitions, _partition, sequence) => Promise.resolve(sequence + 5),
      streamCreated: () => Promise.resolve(CREATED),
      removeConsumer: (partitions, partition, generation) =>
        change(() => Promise.resolve(void this.consumers.delete(`${partitions}-${partition}-${generation}`))),
    };
    return new Repartition('it', ports);
  }

  async record(): Promise<GroupLayout> {
    return (await this.layout.connect().read())!.value;
  }
}

function keyOf<T>(keys: Map<string, MemoryKey<T>>, name: string): MemoryKey<T> {
  const known = keys.get(name) ?? new MemoryKey<T>();
  keys.set(name, known);
  return known;
}

function leaseOf(epoch: number): LeaseRecord {
  return {
    ...{ owner: 'a', ttlMs: 1, epoch, floor: 0, streamCreated: CREATED, generation: 0, retired: [] },
  };
}

async function changed(dies?: { at: number; late: boolean }): Promise<{ server: Server; died: boolean }> {
  const server = new Server();
  await server.start(4);
  await server.process().begin(16);
  await server.drain(4, 1);
  let died = false;
  await server
    .process(dies)
    .advance()
    .catch((error: unknown) => {
      if (!(error instanceof Died)) throw error;
      died = true;
    });
  // Another process, or the command run again.
  await server.process().advance();
  return { server, died };
}

describe('a change of layout', () => {
  test('goes to the same end wherever the process that carries it out dies, and whoever goes on', async () => {
    const { server: undisturbed } = await changed();
    const expected = {
      record: { partitions: 16, layout: 1, changes: 1 },
      lease: (await undisturbed.lease(16, 5).read())?.value,
    };
    expect(expected.lease).toMatchObject({
      floor: 2,
      epoch: 4,
      layout: 1,
      origin: { change: 1, partitions: 4 },
    });
    let deaths = 0;
    for (const late of [false, true]) {
      for (let at = 1; ; at++) {
        const { server, died } = await changed({ at, late });
        expect(await server.record()).toEqual(expected.record);
        expect((await server.lease(16, 5).read())?.value).toEqual(expected.lease);
        expect([...server.consumers]).toEqual([]);
        if (!died) break;
        deaths++;
      }
    }
    // 16 leases and 16 records of suspects, the switch, 4 consumers, the end; each before and after.
    expect(deaths).toBe(2 * 38);
  });

  test('goes no further while one partition is not drained', async () => {
    const server = new Server();
    await server.start(4);
    await server.process().begin(16);
    await server.drain(3, 1).catch(() => undefined);
    expect(await server.process().advance()).toMatchObject({ kind: 'draining' });
    expect(await server.lease(16, 0).read()).toBeUndefined();
  });

  test('is refused while another one is under way, and is the same one if it has the same number', async () => {
    const server = new Server();
    await server.start(4);
    expect(await server.process().begin(16)).toBe(true);
    expect(await server.process().begin(16)).toBe(true);
    expect((await server.record()).changes).toBe(1);
    await expect(server.process().begin(8)).rejects.toMatchObject({ code: 'CHANGE_UNDER_WAY' });
  });

  test('that somebody else completed meanwhile is not begun once more', async () => {
    const { server } = await changed();
    expect(await server.process().begin(16)).toBe(true);
    expect(await server.record()).toEqual({ partitions: 16, layout: 1, changes: 1 });
  });

  test('does not begin while a partition still meets events that the layout before had settled', async () => {
    const { server } = await changed();
    expect(await server.process().begin(4)).toBe(false);
    for (const partition of await server.process().notReady()) {
      const key = server.lease(16, partition);
      const { value, revision } = (await key.read())!;
      await key.write({ ...value, origin: undefined }, revision);
    }
    expect(await server.process().begin(4)).toBe(true);
  });

  test('that was cancelled leaves marks of its own number, which are not those of the next one', async () => {
    const server = new Server();
    await server.start(4);
    await server.process().begin(16);
    await server.drain(4, 1);
    expect(await server.process().cancel()).toBe(true);
    expect(await server.process().cancel()).toBe(false);
    await server.process().begin(8);
    expect(await server.process().advance()).toMatchObject({
      kind: 'draining',
      change: { number: 2, to: 8 },
    });
    await server.drain(4, 2);
    expect(await server.process().advance()).toMatchObject({
      kind: 'none',
      layout: { partitions: 8, layout: 2 },
    });
  });

  test('a process that slept through it overwrites no lease that is in use by now', async () => {
    const { server } = await changed();
    const key = server.lease(16, 0);
    const { value, revision } = (await key.read())!;
    const inUse = { ...value, owner: 'b', epoch: 9, floor: 77, generation: 9 };
    await key.write(inUse, revision);
    // It still believes in the record of the change.
    const stale: RepartitionPorts = {
      layout: {
        read: () =>
          Promise.resolve({
            value: { partitions: 4, layout: 0, changes: 1, change: { number: 1, to: 16 } },
            revision: 2,
          }),
        write: () => Promise.resolve(undefined),
      },
      lease: (partitions, partition) => server.lease(partitions, partition),
      suspects: (partitions, partition) => server.suspects(partitions, partition),
      firstBehind: () => Promise.resolve(1),
      streamCreated: () => Promise.resolve(CREATED),
      removeConsumer: () => Promise.resolve(),
    };
    await new Repartition('sleeper', stale).advance();
    expect((await key.read())?.value).toEqual(inUse);
  });

  test('of a group that never started is refused', async () => {
    await expect(new Server().process().begin(4)).rejects.toMatchObject({ code: 'GROUP_UNKNOWN' });
  });
});
