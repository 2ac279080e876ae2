import { afterEach, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { ParkingWorld } from './parking-world.js';

// What an owner sent while it still held the lease, and the network delivered when it no longer did. No look at a
// clock keeps such a write from coming. Needs `npm run build`: workers are built code.

const server = serverForAll();
const CAUSE = 'stock';
const ILL = 'ill';
const LATE_MS = 400;

let world: ParkingWorld;

async function begin(topic: string): Promise<void> {
  world = await ParkingWorld.open({ server: server(), topic, workers: { attempts: 1 } });
  world.crew.breakDown(CAUSE);
}

afterEach(async () => {
  await world.close();
});

async function whenFrozen(worker: { readonly isFrozen: boolean }): Promise<void> {
  await eventually('the worker to be frozen', () => worker.isFrozen);
}

/** Ends the story: all is handled, nothing is parked, and every promise holds. */
async function closesWell(): Promise<void> {
  await world.publish(ILL);
  await world.whenAllHandled();
  expect(await world.judge()).toEqual([]);
  world.forget();
}

test('a letter that comes late is refused, if the successor has stored its own', async () => {
  await begin('late-letter');
  const first = await world.crew.spawn({ stopAt: 'freeze:park: marker written' });
  await first.holds();
  const second = await world.crew.spawn();
  await world.publish(ILL, { cause: CAUSE });
  await world.publish(ILL);
  await whenFrozen(first);
  first.proxy.blackhole('c2s');
  // Awake within its lease, it sends the letter.
  first.child.signal('SIGCONT');
  await second.holds();
  await eventually(
    'the successor to have stored both letters',
    async () => (await world.parkedState(ILL))?.letters === 2,
  );
  first.proxy.heal();
  await eventually('the old owner to see that it is none', () =>
    world.logs().some((text) => text.includes('the lease is lost')),
  );
  expect(await world.parkedState(ILL)).toMatchObject({ letters: 2 });
  world.crew.mend(CAUSE);
  await world.retryUntilLive(ILL);
  await closesWell();
}, 60_000);

test('a letter that comes before that of the successor counts for nothing and is never replayed', async () => {
  await begin('letter-of-a-void-marker');
  const first = await world.crew.spawn({ stopAt: 'freeze:park: marker written' });
  await first.holds();
  const second = await world.crew.spawn({ stopAt: 'freeze:park: marker written' });
  await second.ready();
  await world.publish(ILL, { cause: CAUSE });
  await world.publish(ILL);
  await whenFrozen(first);
  first.proxy.blackhole('c2s');
  first.child.signal('SIGCONT');
  await whenFrozen(second);
  first.proxy.heal();
  await eventually('the late letter to arrive', () => world.tap.letters.length === 1);
  second.child.signal('SIGCONT');
  await eventually(
    'the successor to have stored two letters of its own',
    () => world.tap.letters.length === 3,
  );
  const [late, ...own] = world.tap.letters;
  expect(new Set(own.map(({ marker }) => marker)).size).toBe(1);
  expect(own[0]?.marker).not.toBe(late?.marker);
  world.mayHaveStrangers = true;
  world.crew.mend(CAUSE);
  await world.retryUntilLive(ILL);
  await world.publish(ILL);
  await world.whenAllHandled();
  // Each letter that counts once; the late one lies where it was, and is reported.
  expect(world.runs().filter(({ n, ok }) => n <= 2 && ok === true)).toHaveLength(2);
  expect((await world.tap.left()).letters).toMatchObject([{ position: late?.position }]);
  expect(world.logs().filter((text) => text.includes('belongs to no marker'))).not.toEqual([]);
  await closesWell();
}, 60_000);

/** The owner's marker is on its way for so long that its successor has handled everything meanwhile. */
async function heldBackMarker() {
  const first = await world.crew.spawn();
  await first.holds();
  const second = await world.crew.spawn();
  await world.publish(ILL, { cause: CAUSE, lateMs: LATE_MS });
  await world.publish(ILL);
  await eventually('the handler to run', () => world.runs().length === 1);
  first.proxy.blackhole('c2s');
  await eventually('the handler to have failed', () => world.runs()[0]?.ok === false);
  world.crew.mend(CAUSE);
  await second.holds();
  await world.whenAllHandled();
  return { first, second };
}

test('a marker that comes late is void: it is removed and its aggregate stays live', async () => {
  await begin('late-marker');
  const { first } = await heldBackMarker();
  first.proxy.heal();
  await eventually('the late marker to come and to be void', () =>
    world.logs().some((text) => text.includes('that counts for nothing and is removed')),
  );
  expect(await world.parkedTokens()).toEqual([]);
  await closesWell();
}, 60_000);

test('a marker that comes late, while the partition has no owner, does not park its aggregate', async () => {
  await begin('late-marker-unseen');
  const { first, second } = await heldBackMarker();
  await second.kill();
  first.proxy.heal();
  await eventually('the marker to be there', async () => (await world.tap.left()).markers.length === 1);
  await eventually('the marker to fall', async () => (await world.tap.left()).markers.length === 0);
  await closesWell();
}, 60_000);
