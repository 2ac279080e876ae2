import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { subjectOf } from 'nestjs-aggregate-transport';
import type { NatsServer } from 'nestjs-aggregate-transport/testing';
import { AccountServer, PASSWORD } from '../../../support/account-server.js';
import { eventually } from '../../../support/eventually.js';
import { postgresForAll } from '../../../support/postgres.js';
import { type RelayFixture, type RelayFixtureOptions, relayFixtures } from '../../../support/relay.js';

const ACCOUNT = 'shop';
const user: RelayFixtureOptions = {
  transport: { connection: { user: `app-${ACCOUNT}`, pass: PASSWORD } },
};

let accounts: AccountServer;
beforeAll(async () => {
  accounts = await AccountServer.start([ACCOUNT]);
}, 60_000);
afterAll(() => accounts.stop());
const fixture = relayFixtures(postgresForAll(), () => ({ url: accounts.url }) as NatsServer);

const names = (count: number, n: number): string[] => Array.from({ length: count }, (_, a) => `a-${a}:${n}`);

/** The server has read its rules again, and refuses a publish of the relay's user or takes it. */
async function untilRefused(world: RelayFixture, isRefused: boolean): Promise<void> {
  await eventually(`the server to ${isRefused ? 'refuse' : 'take'} what the user publishes`, async () => {
    const event = { aggregateId: 'probe', type: 'T', payload: 'probe' };
    const outcome = await world.publisher.publish(event).then(
      () => 'stored',
      () => 'refused',
    );
    return (outcome === 'refused') === isRefused;
  });
}

test('a missing permission stops no aggregate: the relay waits, says why, and continues when it is granted', async () => {
  const world = await fixture(user);
  const relay = world.relay();
  await world.add(...names(300, 1));
  await world.untilEmpty();
  await accounts.rule(ACCOUNT, { denied: [`${world.topic}.>`] });
  await untilRefused(world, true);
  await world.add(...names(300, 2));
  await eventually('every aggregate to be refused', () => relay.trouble?.aggregates === 300);
  expect(relay.trouble!.why).toMatch(/permission to publish to/);
  expect([world.stops, await world.unpublished(), relay.mode]).toEqual([[], 300, 'relaying']);
  await accounts.rule(ACCOUNT);
  await untilRefused(world, false);
  await world.untilEmpty();
  expect([relay.trouble, world.stops]).toEqual([undefined, []]);
  for (const a of [0, 150, 299]) expect(await world.stored(`a-${a}`)).toEqual([`a-${a}:1`, `a-${a}:2`]);
});

test('a permission that is missing for one aggregate holds no other back', async () => {
  const world = await fixture(user);
  const relay = world.relay();
  await accounts.rule(ACCOUNT, { denied: [subjectOf(world.topic, 'x'), subjectOf(world.topic, 'probe')] });
  await untilRefused(world, true);
  await world.add('x:1', 'x:2', ...names(100, 1));
  await eventually('the others to be stored', async () => (await world.unpublished()) === 2);
  await world.add(...names(100, 2));
  await eventually('the others to be stored', async () => (await world.unpublished()) === 2);
  expect([world.stops, relay.trouble?.aggregates]).toEqual([[], 1]);
  await accounts.rule(ACCOUNT);
  await world.untilEmpty();
  expect(await world.stored('x')).toEqual(['x:1', 'x:2']);
});

test('a sealed stream is trouble of the relay, too', async () => {
  const world = await fixture(user);
  const relay = world.relay();
  await world.untilHeld();
  const admin = await accounts.admin(ACCOUNT);
  const { streams } = await admin.jetstreamManager();
  const { config } = await streams.info(world.topic);
  await streams.update(world.topic, { ...config, sealed: true } as never);
  await admin.close();
  await world.add('a:1', 'b:1');
  await eventually('both to be refused', () => relay.trouble?.aggregates === 2);
  expect([relay.trouble!.why, world.stops]).toEqual([expect.stringMatching(/10109/), []]);
});
