import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from 'nats';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { PositionReader } from '../harness/position-reader.js';
import {
  type InProcess,
  type InProcessOptions,
  NumberedPublisher,
  startReplica,
} from './replicas-in-process.js';

// Streams are lost, or come back from backups of different times. Nothing is skipped in silence. A group continues
// where it can tell what was handled, and repeats what it cannot tell. Otherwise it ends with the name of what is
// missing.

const GROUP = 'g';
const LEASES = 'KV_aggregate-transport';
const KEYS = ['k', 'l'];
const server = serverForAll({ config: '' });

let tests = 0;
let topic = '';
let admin: NatsConnection;
let publisher: NumberedPublisher;
let positions: PositionReader;
const replicas: InProcess[] = [];

beforeEach(async () => {
  topic = `restored-${++tests}`;
  admin = await connect({ servers: server().url });
  publisher = await NumberedPublisher.open(server(), topic);
  positions = new PositionReader(admin, topic, GROUP);
});

afterEach(async () => {
  await Promise.all(replicas.splice(0).map((replica) => replica.close()));
  await publisher.close();
  await admin.close();
});

async function replica(options: Partial<InProcessOptions> = {}): Promise<InProcess> {
  const started = await startReplica({ server: server(), topic, ...options });
  replicas.push(started);
  return started;
}

/** Runs a replica until all is handled and its position says so, and ends it. */
async function handleAll(): Promise<InProcess> {
  const worker = await replica();
  await eventually('everything to be settled', () => positions.isSettled());
  await worker.close();
  replicas.splice(replicas.indexOf(worker), 1);
  return worker;
}

async function ask<T>(call: string, body: object | string = ''): Promise<T> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = (await admin.request(`$JS.API.${call}`, text)).json<T & { error?: object }>();
  if (answer.error !== undefined) throw new Error(`${call}: ${JSON.stringify(answer.error)}`);
  return answer;
}

/** Writes a key back as it was, over what it holds. */
async function putBack(subject: string, text: string): Promise<void> {
  await admin.request(subject, text);
}

async function publishAll(count: number): Promise<void> {
  for (const key of KEYS) await publisher.publish(key, count);
}

test('leases are lost: the group continues where it was, with higher tokens', async () => {
  await publishAll(3);
  const before = await handleAll();
  await ask(`STREAM.DELETE.${LEASES}`);
  await publishAll(1);
  const after = await replica();
  await eventually('the next events', () => after.starts.length >= 2);
  expect(after.names().toSorted()).toEqual(['k-4', 'l-4']);
  expect(after.starts[0]!.epoch).toBeGreaterThan(before.starts[0]!.epoch);
});

test('leases come back from an earlier time: the group continues where it was, with higher tokens', async () => {
  await publishAll(1);
  await handleAll();
  const subject = `$KV.aggregate-transport.lease.${topic}.${GROUP}.0.1.0`;
  const early = await ask<{ message: { data: string } }>(`STREAM.MSG.GET.${LEASES}`, {
    last_by_subj: subject,
  });
  for (let round = 0; round < 2; round++) {
    await publishAll(1);
    await handleAll();
  }
  const { epoch } = (await positions.position(0))!;
  await putBack(subject, Buffer.from(early.message.data, 'base64').toString('utf8'));
  await publishAll(1);
  const after = await replica();
  await eventually('the next events', () => after.starts.length >= 2);
  expect(after.names().toSorted()).toEqual(['k-4', 'l-4']);
  expect(after.starts[0]!.epoch).toBeGreaterThan(epoch);
});

test('a position comes back from an earlier time: everything after it is repeated in order', async () => {
  await publishAll(2);
  await handleAll();
  const early = (await positions.position(0))!;
  await publisher.publish('k', 3);
  await handleAll();
  await putBack(positions.subjectOf(0, (await positions.layout())!), early.text);
  await publisher.publish('k');
  const after = await replica();
  await eventually('the last event', () => after.names().includes('k-6'));
  expect(after.names()).toEqual(['k-3', 'k-4', 'k-5', 'k-6']);
});

test('positions are lost while a lease says that they were claimed: the start ends and names what to restore', async () => {
  await publishAll(1);
  await handleAll();
  await ask(`STREAM.DELETE.${topic}_positions`);
  await expect(replica()).rejects.toThrow(new RegExp(`${topic}_positions[\\s\\S]*restore`));
});

test('a position is deleted while its lease says that it was claimed: the partition halts, and handles nothing', async () => {
  await publishAll(1);
  await handleAll();
  await ask(`STREAM.PURGE.${topic}_positions`, {
    filter: positions.subjectOf(0, (await positions.layout())!),
  });
  const after = await replica();
  await after.log.says(/partition 0 halts: .*position/);
  expect(after.starts).toEqual([]);
});

test('the topic is made again: it is handled from its first event, as another run', async () => {
  await publishAll(3);
  const before = await handleAll();
  const manager = await admin.jetstreamManager();
  const { config } = await manager.streams.info(topic);
  await manager.streams.delete(topic);
  await manager.streams.add(config);
  await publisher.publish('m');
  const after = await replica();
  await eventually('the first event', () => after.starts.length > 0);
  expect(after.names()).toEqual(['m-1']);
  expect(after.starts[0]!.run).toBe(before.starts[0]!.run + 1);
  expect(after.starts[0]!.position).toBeGreaterThan(before.starts.at(-1)!.position);
});

test('the topic is made again while its owner runs: it is handled from its first event', async () => {
  await publishAll(3);
  const only = await replica();
  await eventually('everything to be settled', () => positions.isSettled());
  const manager = await admin.jetstreamManager();
  const { config } = await manager.streams.info(topic);
  await manager.streams.delete(topic);
  await manager.streams.add(config);
  await publisher.publish('m');
  await eventually('the first event', () => only.names().includes('m-1'));
  expect(only.starts.at(-1)).toMatchObject({ run: 1 });
});

test('skipped events of a stream that is made again within the duplicate window are kept beside the old ones', async () => {
  const consume = { classify: () => 'skip' as const, retry: { attempts: 1 } };
  const handle = (): never => {
    throw new Error('this event is skipped');
  };
  const parked = `${topic}_parked`;
  const skipped = async (): Promise<number> => {
    const { state } = await ask<{ state: { subjects?: object } }>(`STREAM.INFO.${parked}`, {
      subjects_filter: `${parked}.${GROUP}.skipped.>`,
    });
    return Object.values((state.subjects ?? {}) as Record<string, number>).reduce(
      (sum, count) => sum + count,
      0,
    );
  };
  const only = await replica({ consume, handle });
  await publisher.publish('k');
  await eventually('the first one to be skipped', async () => (await skipped()) === 1);
  const manager = await admin.jetstreamManager();
  const { config } = await manager.streams.info(topic);
  await manager.streams.delete(topic);
  await manager.streams.add(config);
  await publisher.publish('l');
  await eventually('the event of the new stream to be skipped', async () => (await skipped()) === 2);
  expect(only.names()).toEqual(['k-1', 'l-1']);
});
