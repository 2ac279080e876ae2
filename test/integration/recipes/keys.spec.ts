import { describe, expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { GROUP, walkOn } from './walk.js';

// Needs `npm run build`: the command is built code.

/**
 * The recipes of docs/operations/backup.md, walked with what an operator has: the ordinary client and our command
 * line. A key that was removed leaves a tombstone (`kv del`, `kv purge`) or nothing (`stream purge`). None may stop a
 * group in silence: events are handled in order, or health and log say what is wrong.
 */

const { service: serviceOf, operator, reset } = walkOn(serverForAll());

type Way = 'kv del' | 'kv purge' | 'stream purge';
const WAYS: readonly Way[] = ['kv del', 'kv purge', 'stream purge'];

/** Removes a key of a bucket, as an operator does. */
async function removeKey(nats: NatsConnection, bucket: string, key: string, way: Way): Promise<void> {
  if (way === 'stream purge') {
    const manager = await nats.jetstreamManager();
    await manager.streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.${key}` });
    return;
  }
  const kv = await nats.jetstream().views.kv(bucket);
  await (way === 'kv del' ? kv.delete(key) : kv.purge(key));
}

/** Removes a key of the positions: a plain stream, so a key-value client does not reach it. */
async function removePosition(nats: NatsConnection, topic: string, key: string, way: Way): Promise<void> {
  const subject = `$KV.${topic}_positions.${key}`;
  if (way === 'stream purge') {
    await (await nats.jetstreamManager()).streams.purge(`${topic}_positions`, { filter: subject });
  } else {
    await nats.jetstream().publish(subject, new Uint8Array());
  }
}

/** All keys of a bucket that have a value. */
async function keysOf(nats: NatsConnection, bucket: string, filter: string): Promise<string[]> {
  const kv = await nats.jetstream().views.kv(bucket);
  const found: string[] = [];
  for await (const key of await kv.keys(filter)) found.push(key);
  return found;
}

const LEASES = 'aggregate-transport';
const MARKERS = 'aggregate-transport-parked';
const nameOf = (what: string, way: Way): string => `${what}-${way.replace(' ', '-')}`;

describe.each(WAYS)('a key removed by %s', (way) => {
  test('a lease, while its owner runs: the group continues, in order', async () => {
    const service = serviceOf(nameOf('lease-running', way));
    await service.start();
    const nats = await operator();
    await service.publish('a1');
    await service.hasHandled('a1');
    await removeKey(nats, LEASES, `lease.${service.topic}.${GROUP}.0.1.0`, way);
    await service.publish('a2', 'b1', 'a3');
    // What its owner had not committed when it heard of the removal comes again.
    await eventually('the last event', () => service.handled.includes('a3'));
    expect([...new Set(service.handled)]).toEqual(['a1', 'a2', 'b1', 'a3']);
    await eventually('the lease to be written again', async () => {
      const keys = await keysOf(nats, LEASES, `lease.${service.topic}.>`);
      return keys.length === 1;
    });
    expect(await service.healthCodes()).toEqual([]);
  }, 30_000);

  test('a lease, while the group is stopped: it starts, and repeats nothing', async () => {
    const service = serviceOf(nameOf('lease-stopped', way));
    await service.start();
    const nats = await operator();
    await service.publish('a1', 'a2');
    await service.hasHandled('a1', 'a2');
    const before = service.token;
    await service.stop();
    await removeKey(nats, LEASES, `lease.${service.topic}.${GROUP}.0.1.0`, way);
    await service.start();
    await service.publish('a3');
    await service.hasHandled('a1', 'a2', 'a3');
    expect(service.token).toBeGreaterThan(before);
    expect(await service.healthCodes()).toEqual([]);
  }, 30_000);

  test("a replica's record: it is written again", async () => {
    const service = serviceOf(nameOf('member', way));
    await service.start();
    const nats = await operator();
    const filter = `member.${service.topic}.${GROUP}.>`;
    await eventually('the record', async () => (await keysOf(nats, LEASES, filter)).length === 1);
    const [key] = await keysOf(nats, LEASES, filter);
    await removeKey(nats, LEASES, key!, way);
    await eventually('the record again', async () => (await keysOf(nats, LEASES, filter)).length === 1);
    await service.publish('a1');
    await service.hasHandled('a1');
  }, 30_000);

  test('a position, while its owner runs: the next commit writes it again, and nothing is repeated', async () => {
    const service = serviceOf(nameOf('position-running', way));
    await service.start();
    const nats = await operator();
    await service.publish('a1');
    await service.hasHandled('a1');
    await removePosition(nats, service.topic, `${GROUP}.0.1.0`, way);
    await service.publish('a2');
    await service.hasHandled('a1', 'a2');
    await service.stop();
    await service.start();
    await service.publish('a3');
    await service.hasHandled('a1', 'a2', 'a3');
  }, 30_000);

  test('a position, while the group is stopped: the partition halts and says so; a reset begins again', async () => {
    const service = serviceOf(nameOf('position-stopped', way));
    await service.start();
    const nats = await operator();
    await service.publish('a1', 'a2');
    await service.hasHandled('a1', 'a2');
    await service.stop();
    await removePosition(nats, service.topic, `${GROUP}.0.1.0`, way);
    await service.start();
    await service.log.says(/error .*halts: expected a position of this partition, found none/, 10_000);
    expect(await service.healthCodes()).toEqual(['halted']);
    await service.stop();
    await reset(service.topic, 'start');
    service.handled = [];
    await service.start();
    await service.hasHandled('a1', 'a2');
    expect(service.run).toBe(1);
  }, 40_000);

  test("the group's record: replicas that run continue, the next start names what is missing, a reset begins again", async () => {
    const service = serviceOf(nameOf('record', way));
    await service.start();
    const nats = await operator();
    await service.publish('a1');
    await service.hasHandled('a1');
    await removePosition(nats, service.topic, `group.${GROUP}`, way);
    await service.publish('a2');
    await service.hasHandled('a1', 'a2');
    await service.stop();
    await expect(service.start()).rejects.toMatchObject({ code: 'RECORD_MISSING' });
    await reset(service.topic, 'start');
    service.handled = [];
    await service.start();
    await service.hasHandled('a1', 'a2');
  }, 40_000);

  test('a marker, while the group is stopped: its letters are reported, and its aggregate can be parked again', async () => {
    const service = serviceOf(nameOf('marker-stopped', way));
    service.broken.add('a1');
    await service.start();
    const nats = await operator();
    await service.publish('a1', 'a2');
    const filter = `${service.topic}.${GROUP}.>`;
    await service.hasLetters('a', 2);
    const [key] = await keysOf(nats, MARKERS, filter);
    await service.stop();
    await removeKey(nats, MARKERS, key!, way);
    service.broken.add('a3');
    await service.start();
    await service.publish('a3', 'a4', 'b1');
    await eventually('the aggregate to be parked again', async () => {
      const [found] = await service.parked.list({ topic: service.topic });
      return found?.state === 'parked' && found.letters >= 2;
    });
    service.broken.clear();
    await service.parked.retry({ topic: service.topic, aggregateId: 'a' });
    await service.hasHandled('b1', 'a3', 'a4');
    await service.log.says(/belongs to no marker that counts/);
    expect(await service.healthCodes()).toEqual([]);
  }, 40_000);

  test('a marker, right before its owner ends: its letters are reported, and its aggregate continues', async () => {
    const service = serviceOf(nameOf('marker-running', way));
    service.broken.add('a1');
    await service.start();
    const nats = await operator();
    await service.publish('a1', 'a2');
    await service.hasLetters('a', 2);
    const [key] = await keysOf(nats, MARKERS, `${service.topic}.${GROUP}.>`);
    await removeKey(nats, MARKERS, key!, way);
    await service.publish('a3', 'b1');
    await service.hasHandled('b1');
    await service.stop();
    service.broken.clear();
    await service.start();
    await service.publish('a4');
    await service.hasHandled('b1', 'a4');
    await service.log.says(/error .*letters of 1 aggregates, "a" for one, have no marker/);
  }, 40_000);
});

test('starting over with a parked aggregate handles every event again, those before its first letter too', async () => {
  const service = serviceOf('over-parked');
  service.broken.add('p2');
  await service.start();
  await service.publish('p1', 'q1', 'p2', 'q2', 'p3', 'q3');
  await service.hasHandled('p1', 'q1', 'q2', 'q3');
  await service.hasLetters('p', 2);
  await service.stop();
  await reset(service.topic, 'start');
  service.handled = [];
  service.broken.clear();
  await service.start();
  await service.hasHandled('p1', 'q1', 'p2', 'q2', 'p3', 'q3');
  expect(await service.parked.list({ topic: service.topic })).toEqual([]);
}, 40_000);

test('a group that is forgotten as the docs say begins again like a new one', async () => {
  const service = serviceOf('forgotten');
  service.broken.add('p2');
  await service.start();
  await service.publish('p1', 'p2', 'p3');
  await service.hasHandled('p1');
  await service.hasLetters('p', 2);
  await service.stop();
  const { topic } = service;
  const { streams } = await (await operator()).jetstreamManager();
  for (const [stream, filter] of [
    [`${topic}_positions`, `$KV.${topic}_positions.${GROUP}.>`],
    [`${topic}_positions`, `$KV.${topic}_positions.group.${GROUP}`],
    ['KV_aggregate-transport', `$KV.aggregate-transport.lease.${topic}.${GROUP}.>`],
    ['KV_aggregate-transport-parked', `$KV.aggregate-transport-parked.${topic}.${GROUP}.>`],
    [`${topic}_parked`, `${topic}_parked.${GROUP}.>`],
  ] as const)
    await streams.purge(stream, { filter });
  service.handled = [];
  service.broken.clear();
  await service.start();
  await service.hasHandled('p1', 'p2', 'p3');
  expect([service.token, service.run]).toEqual([1, 0]);
}, 40_000);

test('a lost bucket of leases is made again by a restart, under higher tokens, and nothing is repeated', async () => {
  const service = serviceOf('bucket');
  await service.start();
  await service.publish('a1');
  await service.hasHandled('a1');
  const before = service.token;
  const { streams } = await (await operator()).jetstreamManager();
  await streams.delete('KV_aggregate-transport');
  await service.stop();
  await service.start();
  await service.publish('a2');
  await service.hasHandled('a1', 'a2');
  expect(service.token).toBeGreaterThan(before);
}, 40_000);
