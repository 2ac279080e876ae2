import { describe, expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '#library/log.js';
import type { StartAt } from '#library/stream/api/configuration.js';
import { groupPlace, leasePlace, positionPlace } from '#library/stream/keys/key-places.js';
import { SAYS_ALL } from '../../support/says-all.js';
import { StreamWorld, VERSIONS } from './world.js';

const LEASE = { owner: 'a', term: 1, ttlMs: 3_000, epoch: 1 };

describe.each(VERSIONS)('the start of a group on nats-server %s', (version) => {
  const world = new StreamWorld(version);
  let topics = 0;

  function addressOf(topic: string) {
    return { topic, group: 'g', layout: 0, partitions: 1, partition: 0 };
  }

  async function topicOf(events: number): Promise<string> {
    const topic = `start-${topics++}`;
    await world.topic(topic);
    for (let n = 0; n < events; n++) await world.publish(topic, `id-${n % 3}`);
    return topic;
  }

  async function startOf(topic: string, startAt: StartAt, group = 'g') {
    return (await world.group(topic, group, { consume: { startAt } })).record;
  }

  test('"all" begins before the first event there is, "new" after the last, a sequence before itself', async () => {
    const topic = await topicOf(6);
    await world.api.request(`STREAM.PURGE.${topic}`, { seq: 3 });
    const { created } = await world.api.request<{ created: string }>(`STREAM.INFO.${topic}`);
    const start = (sequence: number) => ({ start: { sequence, created, epoch: 0 } });
    expect(await startOf(topic, 'all', 'a')).toEqual({
      partitions: 1,
      layout: 0,
      changes: 0,
      hasRecords: false,
      run: 0,
      ...start(2),
    });
    expect(await startOf(topic, 'new', 'b')).toMatchObject(start(6));
    expect(await startOf(topic, { sequence: 5 }, 'c')).toMatchObject(start(4));
    expect(await startOf(topic, { sequence: 7 }, 'd')).toMatchObject(start(6));
    // Dropped by the stream: nothing is there to be handled.
    expect(await startOf(topic, { sequence: 1 }, 'e')).toMatchObject(start(2));
  });

  test('in an empty stream is 0 for all that can be asked for', async () => {
    const topic = await topicOf(0);
    const asked: StartAt[] = ['all', 'new', { sequence: 1 }, { time: new Date() }];
    for (const [index, startAt] of asked.entries())
      expect((await startOf(topic, startAt, `g${index}`)).start.sequence).toBe(0);
  });

  test('at a sequence that the stream does not have yet is refused', async () => {
    const topic = await topicOf(2);
    const starting = startOf(topic, { sequence: 4 });
    await expect(starting).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
    await expect(starting).rejects.toThrow(/at most 3, .*found 4/);
    await expect(starting).rejects.toThrow(SAYS_ALL);
  });

  test('by time is the last event stored before, also where events were removed', async () => {
    const topic = await topicOf(0);
    const times: number[] = [];
    for (let n = 1; n <= 12; n++) {
      await world.publish(topic, `id-${n}`);
      const { message } = await world.api.request<{ message: { time: string } }>(`STREAM.MSG.GET.${topic}`, {
        seq: n,
      });
      times.push(Date.parse(message.time));
      await delay(5);
    }
    for (const seq of [1, 4, 5, 6, 7, 12]) await world.api.request(`STREAM.MSG.DELETE.${topic}`, { seq });
    const ports = (await world.group(topic, 'asks')).repartitionPorts;
    const kept = [2, 3, 8, 9, 10, 11];
    for (let n = 1; n <= 12; n++) {
      const after = Math.max(0, ...kept.filter((seq) => seq <= n));
      // Two milliseconds after event n, and before event n + 1.
      expect(await ports.lastBefore(new Date(times[n - 1]! + 2))).toBe(after);
    }
    expect(await ports.lastBefore(new Date(times[0]! - 1_000))).toBe(0);
    expect(await ports.lastBefore(new Date(times[11]! + 60_000))).toBe(11);
    expect((await startOf(topic, { time: new Date(times[4]! + 2) }, 't')).start.sequence).toBe(3);
    // Before all of them: what was removed counts as not to be handled.
    expect((await startOf(topic, { time: new Date(0) }, 'u')).start.sequence).toBe(1);
  });

  test('is resolved once: replicas that race agree, and later ones follow', async () => {
    const topic = await topicOf(3);
    const partitions = [1, 2, 4, 8, 16, 32];
    const racing = partitions.map((count, index) =>
      world.group(topic, 'g', {
        consume: { partitions: count, startAt: index % 2 === 0 ? 'all' : 'new' },
      }),
    );
    const records = (await Promise.all(racing)).map(({ record }) => record);
    for (const record of records) expect(record).toEqual(records[0]);
    await world.publish(topic, 'later');
    const warned: string[] = [];
    const log: Log = {
      write: (_event, _fields, text) => void warned.push(text),
    };
    const late = await world.group(topic, 'g', { consume: { partitions: 64, startAt: 'new' } }, log);
    expect(late.record).toEqual(records[0]);
    expect(late.partitions).toHaveLength(records[0]!.partitions);
    expect(warned.filter((text) => text.includes('consume.partitions 64 is not followed'))).toHaveLength(1);
  });

  test('is logged once, with what was asked for', async () => {
    const topic = await topicOf(3);
    const lines: string[] = [];
    const log: Log = { write: (_event, _fields, text) => void lines.push(text) };
    await world.group(topic, 'g', { consume: { startAt: { sequence: 2 } } }, log);
    await world.group(topic, 'g', { consume: { startAt: { sequence: 2 } } }, log);
    expect(lines.filter((line) => line.includes('starts for the first time'))).toEqual([
      `topic "${topic}": group "g" starts for the first time, after sequence 1 ` +
        '(consume.startAt: sequence 2), with 1 partition(s)',
    ]);
  });

  test('expects the revision of a deleted record', async () => {
    const topic = await topicOf(3);
    await world.group(topic, 'g');
    await world.connection.nats.request(groupPlace(topic, 'g').subject, '');
    expect((await startOf(topic, 'new')).start.sequence).toBe(3);
  });

  test.each<[what: string, trace: (topic: string) => Promise<void>, text: RegExp]>([
    [
      'a lease under which a position was claimed',
      (topic) => world.put(leasePlace(addressOf(topic)).subject, { ...LEASE, claimed: true }),
      /but a lease under which a position was claimed \("\$KV\.aggregate-transport\.lease\./,
    ],
    [
      'a lease of a layout long ago',
      (topic) =>
        world.put(leasePlace({ ...addressOf(topic), layout: 7, partitions: 8 }).subject, { claimed: true }),
      /but a lease under which/,
    ],
    [
      'a marker',
      (topic) => world.put(`$KV.aggregate-transport-parked.${topic}.g.0.0.0.0.0.0.0.0.k`, { epoch: 1 }),
      /but the marker of a parked aggregate/,
    ],
    ['a letter', (topic) => world.put(`${topic}_parked.g.0.0.0.0.0.0.0.0.k`, {}), /but a parked event/],
    ['a skipped event', (topic) => world.put(`${topic}_parked.g.skipped.k`, {}), /but a parked event/],
  ])('is refused without a record where there is %s', async (_what, trace, text) => {
    const topic = await topicOf(1);
    // Another group makes the places, and is no trace of this one.
    await world.group(topic, 'g2');
    await trace(topic);
    const check = async (missing: string): Promise<void> => {
      const starting = world.group(topic, 'g');
      await expect(starting).rejects.toMatchObject({ code: 'RECORD_MISSING' });
      await expect(starting).rejects.toThrow(missing);
      await expect(starting).rejects.toThrow(text);
      await expect(starting).rejects.toThrow(
        /restore .*_positions from the backup .* group reset start-\d+ g --to start/,
      );
    };
    await check(`a record of group "g" in stream "${topic}_positions"`);
    await world.remove(`${topic}_positions`);
    await check(`a stream "${topic}_positions"`);
    expect(await world.api.find(`STREAM.INFO.${topic}_positions`, undefined, 10_059)).toBeUndefined();
  });

  test('is refused where the record was deleted and a position is left', async () => {
    const topic = await topicOf(1);
    await world.group(topic, 'g');
    await world.put(positionPlace(addressOf(topic)).subject, { v: 1 });
    await world.connection.nats.request(groupPlace(topic, 'g').subject, '');
    await expect(world.group(topic, 'g')).rejects.toMatchObject({ code: 'RECORD_MISSING' });
  });

  test('is not refused for what proves nothing: leases never claimed, deleted keys, other groups', async () => {
    const topic = await topicOf(1);
    await world.group(topic, 'other');
    await world.put(leasePlace(addressOf(topic)).subject, LEASE);
    await world.put(leasePlace({ ...addressOf(topic), group: 'other' }).subject, { ...LEASE, claimed: true });
    await world.connection.nats.request(`$KV.aggregate-transport-parked.${topic}.g.0.0.0.0.0.0.0.0.k`, '');
    await world.remove(`${topic}_positions`);
    expect((await startOf(topic, 'all')).partitions).toBe(1);
  });

  test('is refused where a version with acks left its consumers; with a record they are told', async () => {
    const topic = await topicOf(1);
    const make = (name: string): Promise<unknown> =>
      world.api.request(`CONSUMER.CREATE.${topic}.${name}`, {
        stream_name: topic,
        config: { name, durable_name: name, ack_policy: 'explicit' },
      });
    await make('g2-1-0');
    await make('g-reporter');
    expect(await (await world.group(topic, 'h')).oldConsumers()).toEqual([]);
    await make('g-2-0');
    await make('g-2-1-g3');
    const starting = world.group(topic, 'g');
    await expect(starting).rejects.toMatchObject({ code: 'OLD_CONSUMERS' });
    await expect(starting).rejects.toThrow(/found g-2-0, g-2-1-g3;/);
    await expect(starting).rejects.toThrow(SAYS_ALL);
    await world.put(groupPlace(topic, 'g').subject, {
      partitions: 2,
      start: { sequence: 0, created: '', epoch: 0 },
    });
    const wire = await world.group(topic, 'g');
    expect(await wire.oldConsumers()).toEqual(['g-2-0', 'g-2-1-g3']);
  });

  test('finds a record that cannot be read, and says which', async () => {
    const topic = await topicOf(1);
    await world.group(topic, 'other');
    const { subject } = groupPlace(topic, 'g');
    for (const [body, text] of [
      ['hello', /to hold a JSON object/],
      ['{"partitions":3}', /a power of two up to 256 and a start, found 3/],
    ] as const) {
      await world.connection.nats.request(subject, body);
      await expect(world.group(topic, 'g')).rejects.toMatchObject({ code: 'RECORD_INVALID' });
      await expect(world.group(topic, 'g')).rejects.toThrow(text);
      await expect(world.group(topic, 'g')).rejects.toThrow(subject);
    }
  });
});
