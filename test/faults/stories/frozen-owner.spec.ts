import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import { type History, readHistory } from '../oracle/history.js';
import { judge } from '../oracle/oracle.js';
import { readStored } from '../oracle/stored.js';
import { World } from '../consumer/world.js';

// Needs `npm run build`: workers are built code.

const LEASE_TTL_MS = 1_000;
const PARTITION = 0;
const KEY = 'account';
const HANG_MS = 500;

let world: World;

beforeEach(async () => {
  world = await World.open({
    ...{ seed: 1, serverVersion: '2.15', processes: 2, fenced: true, keys: 1, eventsPerSecond: 0 },
    consumers: { leaseTtlMs: LEASE_TTL_MS, partitions: 1 },
  });
}, 30_000);

afterEach(async () => {
  await world.close();
  world.forget();
}, 30_000);

async function historySoFar(): Promise<History> {
  const { folder, consumers, server } = world.parts;
  return readHistory(folder, { stored: await readStored(server.url), consumers, quiet: true });
}

test("a frozen owner's late write is refused by its token, and its successor's stands", async () => {
  const { fleet, load, journal } = world.parts;
  // The first handler of this event waits before it writes; the one that handles it again does not.
  load.request({ hangMs: HANG_MS });
  load.publish(KEY);
  await eventually('the owner handles it', async () => (await historySoFar()).attempts.length === 1);
  const owner = fleet.ownerOf(PARTITION)!;
  journal.write({ what: 'fault', kind: 'freeze', on: true, slot: owner.index });
  owner.freeze();
  load.publish(KEY);
  await eventually('the successor has written both', async () => (await historySoFar()).effects.length === 2);
  owner.thaw();
  journal.write({ what: 'fault', kind: 'freeze', on: false, slot: owner.index });
  await eventually('the late write is decided', async () => (await historySoFar()).effects.length > 2);

  expect(await world.isQuietWithin(5_000)).toBe(true);
  const history = await historySoFar();
  expect(history.effects.map(({ n, epoch, accepted }) => ({ n, epoch, accepted }))).toEqual([
    { n: 1, epoch: 2, accepted: true },
    { n: 2, epoch: 2, accepted: true },
    { n: 1, epoch: 1, accepted: false },
  ]);
  expect(judge(history).findings).toEqual([]);
}, 60_000);
