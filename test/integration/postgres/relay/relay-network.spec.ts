import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { NatsServer } from 'nestjs-aggregate-transport/testing';
import pg from 'pg';
import { type Clock, systemClock } from '#postgres/clock.js';
import { PgDatabase } from '#postgres/database/pg-database.js';
import { eventually } from '../../../support/eventually.js';
import { postgresForAll } from '../../../support/postgres.js';
import { type RelayFixture, relayFixtures } from '../../../support/relay.js';
import { serverForAll } from '../../../support/server.js';
import { TcpProxy } from '../../../support/tcp-proxy.js';

const postgres = postgresForAll();
const nats = serverForAll();
/** A half-open connection is noticed within a second. */
const PINGS = { pingInterval: 300, maxPingOut: 2 };
/** Timers of minutes in seconds; the relay's own tests keep the real ones. */
const FAST = 20;
const fastClock: Clock = {
  now: () => systemClock.now() * FAST,
  wallNow: () => systemClock.wallNow(),
  after: (delayMs, callback) => systemClock.after(delayMs / FAST, callback),
};

let toNats: TcpProxy;
beforeAll(async () => {
  toNats = await TcpProxy.listen(nats().port);
});
afterAll(() => toNats.close());
/** The relay, and all that the test reads of the stream, come through the proxy. */
const fixture = relayFixtures(postgres, () => ({ url: toNats.url }) as NatsServer);
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const upTo = (count: number): string[] => Array.from({ length: count }, (_, n) => `a:${n + 1}`);

/** A pool whose connections pass a proxy, for the relay alone. */
async function proxied(): Promise<{ proxy: TcpProxy; database: PgDatabase }> {
  const { port } = new URL(postgres().url);
  const proxy = await TcpProxy.listen(Number(port));
  const pool = new pg.Pool({
    connectionString: postgres().url.replace(`:${port}/`, `:${proxy.port}/`),
    connectionTimeoutMillis: 2_000,
    max: 3,
  });
  pool.on('error', () => undefined);
  closing.push(
    () => proxy.close(),
    // Its last connections have ended with the relay, or end with the proxy.
    () => Promise.race([pool.end(), proxy.close()]),
  );
  return { proxy, database: new PgDatabase(pool) };
}

/** In transactions of ten. */
async function addAll(
  world: RelayFixture,
  names: readonly string[],
  each: (n: number) => unknown,
): Promise<void> {
  for (let from = 0; from < names.length; from += 10) {
    await world.add(...names.slice(from, from + 10));
    await each(from);
  }
}

test('relays on, once and in order, while its connections to PostgreSQL are cut again and again', async () => {
  const world = await fixture();
  const { proxy, database } = await proxied();
  world.relay({ database });
  await world.untilHeld();
  await addAll(world, upTo(200), async (n) => {
    if (n % 50 === 0) proxy.cut();
    await eventually('a relay to hold the lock', () => proxy.size > 0);
  });
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(upTo(200));
  await world.closeRelays();
});

/**
 * 1. Nothing passes between the relay and PostgreSQL any more; its session stays open at the server.
 * 2. The server ends the silent session, and another relay takes over.
 * 3. What was held on the way arrives.
 */
test('a relay that PostgreSQL does not answer any more is followed by another, and neither stores a row twice', async () => {
  const world = await fixture();
  const { proxy, database } = await proxied();
  const cutOff = world.relay({ database, silentForMs: 1_000, clock: fastClock });
  await world.add(...upTo(50));
  await world.untilEmpty();
  proxy.blackhole('both');
  const other = world.relay();
  await world.add(...upTo(100).slice(50));
  await eventually('the other relay to take over', () => other.mode === 'relaying');
  await world.untilEmpty();
  proxy.heal();
  await world.add('a:101');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(upTo(101));
  expect(cutOff.mode).not.toBe('relaying');
  await world.closeRelays();
});

test('waits for a connection of an exhausted pool, relays when there is one, and closes while there is none', async () => {
  const world = await fixture();
  const pool = new pg.Pool({ connectionString: postgres().url, max: 1, connectionTimeoutMillis: 300 });
  closing.push(() => pool.end());
  pool.on('error', () => undefined);
  const held = await pool.connect();
  const relay = world.relay({ database: new PgDatabase(pool), clock: fastClock });
  await world.add('a:1', 'a:2');
  await eventually('the log to say that there is no connection', () =>
    world.log.some((text) => /the relay begins again: .*the pool has a connection to give/.test(text)),
  );
  expect([relay.mode, await world.unpublished()]).toEqual(['waiting', 2]);
  held.release();
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2']);
  // The next one waits without a bound, as a pool does by default.
  const unbound = new pg.Pool({ connectionString: postgres().url, max: 1 });
  closing.push(() => unbound.end());
  unbound.on('error', () => undefined);
  const kept = await unbound.connect();
  world.relay({ database: new PgDatabase(unbound), clock: fastClock });
  await world.closeRelays();
  kept.release();
});

test.each(['s2c', 'c2s', 'both'] as const)(
  'relays on, once and in order, after no byte has passed %s between it and nats-server for a while',
  async (way) => {
    const world = await fixture({ transport: { connection: PINGS } });
    const relay = world.relay();
    await world.add(...upTo(20));
    await world.untilEmpty();
    toNats.blackhole(way);
    // One aggregate with a chain that is long enough for a batch, and others.
    await world.add(...upTo(320).slice(20), ...Array.from({ length: 50 }, (_, n) => `b-${n}:1`));
    await eventually('the relay to say that events are not stored', () => relay.trouble !== undefined);
    toNats.heal();
    await world.untilEmpty();
    expect(await world.stored('a')).toEqual(upTo(320));
    for (let n = 0; n < 50; n++) expect(await world.stored(`b-${n}`)).toEqual([`b-${n}:1`]);
    expect([relay.trouble, world.stops]).toEqual([undefined, []]);
  },
);

test('relays on, once and in order, while its connections to nats-server are cut again and again', async () => {
  const world = await fixture();
  world.relay();
  await world.add(...upTo(300));
  await addAll(world, upTo(700).slice(300), (n) => {
    if (n % 80 === 0) toNats.cut();
  });
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(upTo(700));
});

test('waits for a stream that is away for longer than a publisher waits, says so, and stops no aggregate', async () => {
  const world = await fixture();
  const relay = world.relay();
  await world.add('a:1', 'b:1');
  await world.untilEmpty();
  let made: object = {};
  await world.manage(async ({ streams }) => {
    ({ config: made } = await streams.info(world.topic));
    await streams.delete(world.topic);
  });
  await world.add('a:2', 'a:3', 'b:2');
  // After `giveUpAfterMs`, of a second here, and again after each pause.
  await eventually('both aggregates to wait', () => relay.trouble?.aggregates === 2);
  expect(relay.trouble!.why).toMatch(/no stream has this subject|stream not found/);
  await eventually('several attempts', () => relay.counts.retried >= 6);
  expect([world.stops, await world.unpublished(), relay.mode]).toEqual([[], 3, 'relaying']);
  await world.manage(({ streams }) => streams.add(made));
  await world.untilEmpty();
  expect(relay.trouble).toBeUndefined();
  expect([await world.stored('a'), await world.stored('b')]).toEqual([['a:2', 'a:3'], ['b:2']]);
});
