import { describe, expect, test } from '@jest/globals';
import { StatusCommand } from '#library/cli/status/status.js';
import { systemClock } from '#library/clock.js';
import { partitionOf } from '#library/message/partitioning.js';
import { tokenOf } from '#library/message/subject.js';
import type { GroupQuestion } from '#library/records/group-on-server.js';
import { encodeSequences, type PositionRecord } from '#library/records/position-record.js';
import type { PartitionWire } from '#library/transport/wires.js';
import { SAYS_ALL } from '../../support/says-all.js';
import { StreamWorld, VERSIONS } from './world.js';

const PARTITIONS = 4;
const EVENTS = 40;
const NONE: ReadonlySet<number> = new Set();

describe.each(VERSIONS)('a group on nats-server %s, seen from outside', (version) => {
  const world = new StreamWorld(version);
  let topics = 0;

  async function started() {
    const topic = `seen-${topics++}`;
    const wire = await world.topic(topic, { consume: { partitions: PARTITIONS } });
    const group = await wire.openGroup('g');
    const sequences: number[][] = Array.from({ length: PARTITIONS }, () => []);
    for (let n = 0; n < EVENTS; n++) {
      const sequence = await world.publish(topic, `id-${n}`);
      sequences[partitionOf(tokenOf(`id-${n}`), PARTITIONS)]!.push(sequence);
    }
    const { created } = await world.api.request<{ created: string }>(`STREAM.INFO.${topic}`);
    return { topic, wire, group, sequences, created };
  }

  function ask(question: Partial<GroupQuestion> = {}): GroupQuestion {
    const withinMs = 5_000;
    return {
      group: 'g',
      layout: 0,
      partitions: PARTITIONS,
      owned: NONE,
      ownedOnly: false,
      withinMs,
      ...question,
    };
  }

  function positionOf(created: string, more: Partial<PositionRecord>): PositionRecord {
    return {
      ...{ v: 1, epoch: 3, owner: 'a', write: 9, created, high: 0, highTime: '', unsettled: '' },
      ...{ window: 100, deaths: 0, starts: {}, run: 0, ...more },
    };
  }

  async function storedAt(topic: string, seq: number): Promise<number> {
    const { message } = await world.api.request<{ message: { time: string } }>(`STREAM.MSG.GET.${topic}`, {
      seq,
    });
    return Date.parse(message.time);
  }

  async function consumers(topic: string): Promise<unknown> {
    await world.connection.nats.flush();
    return (await world.api.request<{ consumers: unknown }>(`CONSUMER.NAMES.${topic}`, {})).consumers;
  }

  test('that never had an owner counts from its start', async () => {
    const { topic, wire, sequences } = await started();
    const found = await wire.lookAt(ask());
    expect(found.firstSequence).toBe(1);
    for (const { partition, ...rest } of found.partitions) {
      const [first] = sequences[partition]!;
      expect(rest).toEqual({
        lease: undefined,
        position: { high: 0, epoch: 0, run: 0, unsettled: 0, pending: sequences[partition]!.length },
        oldestSequence: first,
        oldestStoredAt: await storedAt(topic, first!),
      });
    }
    expect(found.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
    expect(await consumers(topic)).toEqual([]);
  });

  test('without an owner shows the lag of its positions, and the age of the oldest unsettled event', async () => {
    const { topic, wire, group, sequences, created } = await started();
    const all = sequences[2]!;
    const unsettled = [all[1]!, all[3]!];
    const high = all[5]!;
    const write = ({ positionPort }: PartitionWire, more: Partial<PositionRecord>): Promise<unknown> =>
      positionPort.write(positionOf(created, more), 0);
    await write(group.partitions[2]!, { high, unsettled: encodeSequences(unsettled), run: 2 });
    const last = sequences[1]!.at(-1)!;
    await write(group.partitions[1]!, { high: last });
    await write(group.partitions[0]!, { high: EVENTS + 50, created: 'another stream', run: 1 });
    const lease = { owner: 'a', term: 1, ttlMs: 3_000, epoch: 3, released: true };
    await group.partitions[2]!.leasePort.write(lease, 0);

    const { partitions } = await wire.lookAt(ask());
    expect(partitions[2]).toMatchObject({
      lease: { owner: 'a', epoch: 3, released: true, ttlMs: 3_000 },
      position: { high, epoch: 3, run: 2, unsettled: 2, pending: all.length - 6 },
      oldestStoredAt: await storedAt(topic, unsettled[0]!),
    });
    expect(Math.abs(partitions[2]!.lease!.aliveAt - Date.now())).toBeLessThan(5_000);
    expect(partitions[1]).toEqual({
      partition: 1,
      lease: undefined,
      position: { high: last, epoch: 3, run: 0, unsettled: 0, pending: 0 },
      oldestSequence: undefined,
      oldestStoredAt: undefined,
    });
    expect(partitions[0]!.position).toMatchObject({ high: 0, run: 2, pending: sequences[0]!.length });
    expect(await consumers(topic)).toEqual([]);

    // The oldest one is dropped by the stream.
    await world.api.request(`STREAM.PURGE.${topic}`, { seq: unsettled[0]! + 1 });
    const after = await wire.lookAt(ask());
    expect(after.partitions[2]!.oldestStoredAt).toBe(await storedAt(topic, unsettled[1]!));
  });

  test('reads no lease of owned partitions, and nothing of others if so asked', async () => {
    const { wire, group } = await started();
    await group.partitions[1]!.leasePort.write({ owner: 'a', term: 1, ttlMs: 3_000, epoch: 1 }, 0);
    await group.partitions[3]!.leasePort.write({ owner: 'b', term: 1, ttlMs: 3_000, epoch: 1 }, 0);
    const owned = new Set([1]);
    const all = await wire.lookAt(ask({ owned }));
    expect(all.partitions.map(({ lease }) => lease?.owner)).toEqual([undefined, undefined, undefined, 'b']);
    const own = await wire.lookAt(ask({ owned, ownedOnly: true }));
    expect(own.partitions.map(({ partition, position }) => [partition, position?.high])).toEqual([[1, 0]]);
  });

  test('outlives its stream, without a position', async () => {
    const { topic, wire, group } = await started();
    await group.partitions[0]!.leasePort.write({ owner: 'a', term: 1, ttlMs: 3_000, epoch: 1 }, 0);
    await world.remove(topic);
    const { firstSequence, partitions } = await wire.lookAt(ask());
    expect(firstSequence).toBe(0);
    expect(partitions.map(({ position }) => position)).toEqual(Array(PARTITIONS).fill(undefined));
    expect(partitions[0]!.lease?.owner).toBe('a');
  });

  test('is refused when the time is over', async () => {
    const { wire } = await started();
    const looking = wire.lookAt(ask({ withinMs: 0 }));
    await expect(looking).rejects.toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    await expect(looking).rejects.toThrow(SAYS_ALL);
  });

  test('is a table for an operator, found by the records of all topics', async () => {
    const { topic, wire, group, sequences, created } = await started();
    await wire.openGroup('idle');
    const lease = { owner: '01890000-0000-7000-8000-abcdefabcdef', term: 1, ttlMs: 3_000, epoch: 3 };
    await group.partitions[2]!.leasePort.write(lease, 0);
    const high = sequences[2]![2]!;
    await group.partitions[2]!.positionPort.write(
      positionOf(created, { high, unsettled: encodeSequences([sequences[2]![0]!]), run: 5 }),
      0,
    );
    const printed: string[] = [];
    const terminal = { print: (text: string) => void printed.push(text) };
    const command = new StatusCommand(world.connection, terminal, systemClock);
    const everything = await command.rows({ topic: undefined, group: undefined });
    const groups = new Set(everything.map((row) => `${row.topic} ${row.group}`));
    expect(groups).toContain(`${topic} g`);
    expect(groups).toContain(`${topic} idle`);
    expect(groups.size).toBeGreaterThan(2);
    expect((await command.rows({ topic, group: 'g' })).map(({ lag }) => lag)).toEqual(
      sequences.map(({ length }, partition) => (partition === 2 ? length - 2 : length)),
    );
    expect(await command.rows({ topic: 'nowhere', group: undefined })).toEqual([]);
    expect((await command.rows({ topic: undefined, group: 'idle' })).length).toBe(PARTITIONS);

    const args = { topic, group: 'g', json: false, everyMs: undefined };
    expect(await command.run(args, new AbortController().signal)).toBe(0);
    const [head, ...lines] = printed[0]!.split('\n');
    expect(head).toMatch(
      /^TOPIC +GROUP +PARTITION +OWNER +LEASE +EPOCH +RUN +AGE +LAG +UNSETTLED +OLDEST +PARKED +LETTERS$/,
    );
    expect(lines[2]).toMatch(/ 2 +…abcdefabcdef +held +3 +5 +\d+ \S+ +\d+ +1 /);
    expect(lines[0]).toMatch(/ 0 +- +none +0 +0 +- /);
  });
});
