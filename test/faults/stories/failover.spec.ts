import { setTimeout as scheduled } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Attempt, type History, readHistory } from '../oracle/history.js';
import { quantile } from '../consumer/report.js';
import { readStored } from '../oracle/stored.js';
import { fairClockForAll } from '../../support/fair-clock.js';
import { World } from '../consumer/world.js';

// How long a group stands still when its owner goes. Medians are reported. A machine that runs other tests is no
// stopwatch: the bounds that fail a test are three times as wide, and by a fair clock. Needs `npm run build`: workers
// are built code.

/** Two keep the ordinary run short; the figures in docs/proof come from five. */
const ROUNDS = Number(process.env['FAILOVER_ROUNDS'] ?? 2);
const LEASE_TTL_MS = 1_500;
const CRASH_BOUND_MS = LEASE_TTL_MS + 500;
const RELEASE_BOUND_MS = 300;
const RECONNECT_BOUND_MS = 200;
const GENEROUS = 3;
const QUIET_WITHIN_MS = 60_000;
const PARTITION = 0;

const clock = fairClockForAll();
let world: World;
let share: () => number;

beforeEach(async () => {
  world = await World.open({
    seed: 1,
    serverVersion: '2.15',
    processes: 2,
    fenced: true,
    keys: 8,
    eventsPerSecond: 300,
    consumers: { leaseTtlMs: LEASE_TTL_MS, partitions: 1 },
  });
  world.parts.load.start();
  share = clock().shareFromNow();
}, 30_000);

afterEach(async () => {
  await world.close();
  world.forget();
}, 30_000);

/** Waits until the partition has had its owner for a while, and both processes are up. */
async function whenSteady(): Promise<void> {
  await world.isQuietWithin(QUIET_WITHIN_MS);
  await scheduled(LEASE_TTL_MS / 2);
}

/** Everything the journals say so far. */
async function historySoFar(): Promise<History> {
  const { folder, consumers, server } = world.parts;
  return readHistory(folder, { stored: await readStored(server.url), consumers, quiet: true });
}

/** The first start of a later epoch than that which ran at a time. */
function successorOf(attempts: readonly Attempt[], time: number): Attempt | undefined {
  const last = attempts.findLast(({ start }) => start <= time);
  return attempts.find(({ start, epoch }) => start > time && epoch > (last?.epoch ?? 0));
}

function report(what: string, times: readonly number[], boundMs: number): void {
  const median = quantile(times, 0.5) ?? Number.POSITIVE_INFINITY;
  const all = times.map((time) => Math.round(time)).join(', ');
  console.log(`${what}: median ${Math.round(median)} ms of ${all} (expected at most ${boundMs} ms)`);
  expect(times.length).toBeGreaterThanOrEqual(ROUNDS);
  expect(median * share()).toBeLessThanOrEqual(boundMs * GENEROUS);
}

test('after SIGKILL of the owner the next process starts events within the lease and half a second', async () => {
  const { fleet, journal } = world.parts;
  for (let round = 0; round < ROUNDS; round++) {
    await whenSteady();
    const owner = fleet.ownerOf(PARTITION)!;
    journal.write({ what: 'fault', kind: 'kill', on: true, slot: owner.index });
    await owner.kill();
    await scheduled(CRASH_BOUND_MS + LEASE_TTL_MS);
    await owner.spawn();
  }
  const { troubles, attempts } = await historySoFar();
  const times = troubles.map(({ from }) => (successorOf(attempts, from)?.start ?? Infinity) - from);
  report('SIGKILL of the owner to the first start elsewhere', times, CRASH_BOUND_MS);
}, 120_000);

test('after SIGTERM the next process starts events at once', async () => {
  const { fleet } = world.parts;
  for (let round = 0; round < ROUNDS; round++) {
    await whenSteady();
    const owner = fleet.ownerOf(PARTITION)!;
    await owner.stop();
    await scheduled(RELEASE_BOUND_MS * GENEROUS);
    await owner.spawn();
  }
  const { exits, attempts } = await historySoFar();
  // From the end of the last handler of the old process: it must confirm its last position, let go, and be followed.
  const times = exits.flatMap(({ worker }) => {
    const own = attempts.filter((attempt) => attempt.worker === worker);
    const lastEnd = Math.max(...own.map(({ end }) => end));
    const next = own.length === 0 ? undefined : successorOf(attempts, lastEnd);
    return next === undefined ? [] : [next.start - lastEnd];
  });
  report(
    'end of the last handler before SIGTERM took effect to the first start elsewhere',
    times,
    RELEASE_BOUND_MS,
  );
}, 120_000);

test('after a cut connection the owner reads again at once', async () => {
  const { fleet, journal } = world.parts;
  for (let round = 0; round < ROUNDS; round++) {
    await whenSteady();
    const owner = fleet.ownerOf(PARTITION)!;
    journal.write({ what: 'fault', kind: 'cut', on: true, slot: owner.index });
    owner.proxy.cut();
    await scheduled(LEASE_TTL_MS);
  }
  const { troubles, attempts } = await historySoFar();
  const times = troubles.map(({ from }) => longestPause(attempts, from));
  report('longest pause between two starts after a cut', times, RECONNECT_BOUND_MS);
}, 120_000);

/** The longest time without a start, within a lease after a moment. */
function longestPause(attempts: readonly Attempt[], from: number): number {
  const starts = attempts.map(({ start }) => start).filter((at) => at > from && at < from + LEASE_TTL_MS);
  return starts.reduce((longest, at, index) => Math.max(longest, at - (starts[index - 1] ?? from)), 0);
}
