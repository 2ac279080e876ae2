import { beforeAll, describe, expect, test } from '@jest/globals';
import { encodeHeaderBlock } from '#library/message/headers.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import { leasePlace, memberPrefix, streamOfBucket } from '#library/stream/keys/key-places.js';
import { PartitionKey } from '#library/stream/keys/partition-key.js';
import { provisionLeaseBucket } from '#library/stream/groups/lease-bucket.js';
import { PresenceWire } from '#library/stream/wires/presence-wire.js';
import { eventually } from '../../support/eventually.js';
import { SAYS_ALL } from '../../support/says-all.js';
import { StreamWorld, VERSIONS } from './world.js';

const LEASE: LeaseRecord = { owner: 'a', term: 1, ttlMs: 3_000, epoch: 1 };

describe.each(VERSIONS)('a key on nats-server %s', (version) => {
  const world = new StreamWorld(version);
  let partitions = 0;

  beforeAll(() => provisionLeaseBucket(world.api, { provision: 'ensure', replicas: 1 }));

  function fresh(): { key: PartitionKey<LeaseRecord>; subject: string } {
    const address = { topic: 't', group: 'g', layout: 0, partitions: 256, partition: partitions++ };
    const place = leasePlace(address);
    return { key: new PartitionKey<LeaseRecord>(world, place), subject: place.subject };
  }

  async function tombstone(subject: string, operation: string): Promise<void> {
    const headers = new Map<string, string>();
    headers.set('KV-Operation', operation);
    if (operation === 'PURGE') headers.set('Nats-Rollup', 'sub');
    await world.connection.nats.request(subject, '', {
      headers: encodeHeaderBlock(headers),
      timeoutMs: 2_000,
    });
  }

  test('that was never written has no value and revision 0', async () => {
    expect(await fresh().key.read()).toEqual({ value: undefined, revision: 0 });
  });

  test('is replaced if its revision still is the expected one, and only then', async () => {
    const { key } = fresh();
    const first = await key.write(LEASE, 0);
    expect(first).toBeGreaterThan(0);
    expect(await key.write({ ...LEASE, epoch: 2 }, 0)).toBeUndefined();
    expect(await key.write({ ...LEASE, epoch: 2 }, first! + 1)).toBeUndefined();
    expect(await key.read()).toEqual({ value: LEASE, revision: first });
    const second = await key.write({ ...LEASE, epoch: 3 }, first!);
    expect(await key.read()).toEqual({ value: { ...LEASE, epoch: 3 }, revision: second });
  });

  test.each(['DEL', 'PURGE'])(
    'keeps a revision after %s, and the next write expects it',
    async (operation) => {
      const { key, subject } = fresh();
      await key.write(LEASE, 0);
      await tombstone(subject, operation);
      const { value, revision } = await key.read();
      expect(value).toBeUndefined();
      expect(revision).toBeGreaterThan(0);
      expect(await key.write(LEASE, 0)).toBeUndefined();
      expect(await key.write(LEASE, revision)).toBeGreaterThan(revision);
    },
  );

  test('counts an empty value as deleted', async () => {
    const { key, subject } = fresh();
    await world.connection.nats.request(subject, '');
    const { value, revision } = await key.read();
    expect([value, revision > 0]).toEqual([undefined, true]);
  });

  test.each(['hello', '"text"', '[1]', 'null', '{"half":'])(
    'that holds %s is refused by name',
    async (text) => {
      const { key, subject } = fresh();
      await world.connection.nats.request(subject, text);
      const reading = key.read();
      await expect(reading).rejects.toMatchObject({ code: 'RECORD_INVALID' });
      await expect(reading).rejects.toThrow(subject);
      await expect(reading).rejects.toThrow(/nats kv del/);
      await expect(reading).rejects.toThrow(SAYS_ALL);
    },
  );

  test('takes a value of maxBytes; a larger one is not sent, and the connection stays', async () => {
    const { key } = fresh();
    const filled = (bytes: number): LeaseRecord => {
      const empty = Buffer.byteLength(JSON.stringify({ ...LEASE, owner: '' }));
      return { ...LEASE, owner: 'x'.repeat(bytes - empty) };
    };
    const writing = key.write(filled(key.maxBytes + 1), 0);
    await expect(writing).rejects.toMatchObject({ code: 'RECORD_INVALID' });
    await expect(writing).rejects.toThrow(/nothing was sent/);
    expect(await key.write(filled(key.maxBytes), 0)).toBeGreaterThan(0);
    expect(world.connection.connected).toBe(true);
  });

  test('tells of every write, refused ones and deletions included', async () => {
    const { key, subject } = fresh();
    const heard: unknown[] = [];
    key.onHint((record) => heard.push(record?.epoch));
    await key.write({ ...LEASE, epoch: 1 }, 0);
    await key.write({ ...LEASE, epoch: 2 }, 0);
    world.connection.nats.publish(subject, '');
    await eventually('all are heard', () => heard.length === 3);
    key.close();
    expect(heard).toEqual([1, 2, undefined]);
  });

  test('of a replica is listed, and removed unless it was written again', async () => {
    const presence = new PresenceWire(world, 't', 'seen');
    const one = { member: 'one', ttlMs: 3_000, beat: 1, term: 1 };
    const first = (await presence.announce(one, 0))!;
    await presence.announce({ ...one, member: 'two' }, 0);
    await world.connection.nats.request(`${memberPrefix('t', 'seen')}odd`, 'hello');
    expect((await presence.list()).sort()).toEqual(['odd', 'one', 'two']);
    expect(await presence.read('one')).toEqual({
      ...{ value: one, revision: first },
      writtenAt: expect.any(Number),
    });
    const odd = await presence.read('odd');
    expect(odd.value).toBeUndefined();
    expect(odd.revision).toBeGreaterThan(0);
    expect(await presence.announce({ ...one, beat: 2 }, 0)).toBeUndefined();
    const second = (await presence.announce({ ...one, beat: 2 }, first))!;
    await presence.remove('one', first);
    expect((await presence.read('one')).revision).toBe(second);
    await presence.remove('one', second);
    expect(await presence.read('one')).toEqual({ value: undefined, revision: 0 });
  });

  test('of a stream that does not exist cannot be read', async () => {
    const place = {
      ...leasePlace({ topic: 't', group: 'g', layout: 0, partitions: 1, partition: 0 }),
      stream: 'none',
    };
    await expect(new PartitionKey(world, place).read()).rejects.toMatchObject({
      code: 'JETSTREAM_REQUEST_FAILED',
    });
    expect(streamOfBucket('b')).toBe('KV_b');
  });
});
