import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { PositionReader } from '../harness/position-reader.js';
import {
  epochOf,
  type InProcess,
  NumberedPublisher,
  type Start,
  startReplica,
} from './replicas-in-process.js';

// What a lost lease costs: nothing but the repeats, and no event is suspected of a death that was none.

const server = serverForAll({ config: '' });
const LEASE_TTL_MS = 1_000;

let tests = 0;
let topic = '';
let admin: NatsConnection;
let publisher: NumberedPublisher;
let positions: PositionReader;
const replicas: InProcess[] = [];

beforeEach(async () => {
  topic = `lost-lease-${++tests}`;
  admin = await connect({ servers: server().url });
  publisher = await NumberedPublisher.open(server(), topic);
  positions = new PositionReader(admin, topic, 'g');
});

afterEach(async () => {
  await Promise.all(replicas.splice(0).map((replica) => replica.close()));
  await publisher.close();
  await admin.close();
});

async function replica(handle: (start: Start) => Promise<void> | void): Promise<InProcess> {
  const consume = { leaseTtlMs: LEASE_TTL_MS, retry: { attempts: 2 } };
  const started = await startReplica({ server: server(), topic, consume, handle });
  replicas.push(started);
  return started;
}

/** Cuts a replica off for longer than its lease. */
async function loseLease({ proxy }: InProcess): Promise<void> {
  proxy.blackhole('both');
  await delay(LEASE_TTL_MS + 600);
  proxy.heal();
}

const QUEUED = 10_000;
/** The rule is 1 s; a machine that runs other tests is no stopwatch. */
const FULL_SPEED_WITHIN_MS = 10_000;

test('one lost lease with 10 000 queued events of one aggregate: they are handled at full speed', async () => {
  const oracle = new OrderOracle();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const only = await replica(async ({ key, n }) => {
    oracle.started(key, n);
    if (n === 1) await held;
    oracle.ended(key, n, true);
  });
  for (let n = 0; n < QUEUED; n++) oracle.published('k');
  await publisher.publish('k', QUEUED);
  await eventually('the first one to run', () => only.starts.length === 1);
  const before = epochOf(only);
  await loseLease(only);
  await eventually('the next lease', () => epochOf(only) > before);
  release();
  await eventually('all to be handled', () => oracle.isComplete, 60_000);
  const again = only.starts.filter(({ epoch }) => epoch > before);
  const tookMs = again.at(-1)!.at - again[0]!.at;
  console.log(`${again.length} events of one aggregate after a lost lease: ${Math.round(tookMs)} ms`);
  expect(oracle.verdict()).toMatchObject({ violations: [], overlaps: [], lost: [] });
  expect(tookMs).toBeLessThan(FULL_SPEED_WITHIN_MS);
}, 90_000);

const FLAPS = 5;

test('a handler that outlasts lease after lease, in two replicas by turns, is not blamed for a death', async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const handle = ({ key, n }: Start): Promise<void> | void => (key === 'slow' && n === 1 ? held : undefined);
  const both = [await replica(handle), await replica(handle)];
  await publisher.publish('slow', 2);
  await publisher.publish('quick', 2);
  await eventually('the slow one to run', () => both.some(({ starts }) => starts.length > 0));
  for (let flap = 0; flap < FLAPS; flap++) {
    await eventually('an owner', () => both.some((one) => epochOf(one) > flap));
    await loseLease(both.find((one) => epochOf(one) > flap)!);
  }
  release();
  await eventually('everything to be settled', () => positions.isSettled(), 30_000);
  const names = both.flatMap((one) => one.names());
  expect(names).toContain('slow-2');
  const parked = await admin.request(`$JS.API.STREAM.INFO.${topic}_parked`);
  expect(parked.json<{ state: { messages: number } }>().state.messages).toBe(0);
  expect(both.flatMap(({ log }) => log.matching(/CRASHED/))).toEqual([]);
}, 90_000);

const SUSPECTS = 2_000;
const MANY_FLAPS = 10;

test('an owner that lives and loses lease after lease blames no event, although two owners before it died', async () => {
  await publisher.publish('k', SUSPECTS);
  const first = await replica(() => delay(20));
  await eventually('some to be handled', () => first.starts.length > 5);
  await first.close();
  replicas.splice(0);
  // The position that two dead owners leave: all that follows is under suspicion.
  const layout = (await positions.layout())!;
  const held = JSON.parse((await positions.position(0))!.text) as object;
  const left = { ...held, owner: 'dead', deaths: 2, window: 10_000, rest: undefined };
  await admin.request(positions.subjectOf(0, layout), JSON.stringify(left));
  let isSlow = true;
  const only = await replica(() => (isSlow ? delay(20) : undefined));
  for (let flap = 0; flap < MANY_FLAPS; flap++) {
    await eventually('a lease', () => epochOf(only) > 0);
    const started = only.starts.length;
    // A parked aggregate starts nothing: the log says why.
    const starts = (): boolean => only.starts.length > started || only.log.matching(/CRASHED/).length > 0;
    await eventually('an event to start', starts);
    if (only.log.matching(/CRASHED/).length > 0) break;
    // Starts are written down, and the answers to them are lost.
    only.proxy.blackhole('s2c');
    await delay(LEASE_TTL_MS + 400);
    only.proxy.cut();
    only.proxy.heal();
  }
  isSlow = false;
  expect(only.log.matching(/CRASHED/)).toEqual([]);
  await eventually('everything to be settled', () => positions.isSettled(), 60_000);
  expect(only.names()).toContain(`k-${SUSPECTS}`);
}, 120_000);
