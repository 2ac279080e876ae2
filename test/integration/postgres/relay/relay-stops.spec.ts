import { expect, test } from '@jest/globals';
import { accessOf } from '#library/cli/access/connection-options.js';
import { ACCESS_FLAGS } from '#library/cli/command/access-flags.js';
import { run } from 'nestjs-aggregate-transport-postgres/cli';
import { OutboxCommands } from '#postgres/relay/operating/outbox-commands.js';
import { OutboxLooks } from '#postgres/relay/operating/outbox-looks.js';
import { eventually } from '../../../support/eventually.js';
import { postgresForAll } from '../../../support/postgres.js';
import { type RelayFixture, relayFixtures } from '../../../support/relay.js';
import { serverForAll } from '../../../support/server.js';

const fixture = relayFixtures(postgresForAll(), serverForAll());
const SMALL = 2_000;

/** The stream takes small messages only from here on; what was added before stays large. */
async function limit(world: RelayFixture, bytes: number): Promise<void> {
  await world.manage(({ streams }) => streams.update(world.topic, { max_msg_size: bytes }));
}

async function addLarge(world: RelayFixture, name: string): Promise<void> {
  const [aggregateId = ''] = name.split(':');
  const outbox = world.outbox({ topic: world.topic });
  await world.database.transaction(async ({ client }) => {
    await outbox.add(client, { aggregateId, type: 'T', payload: name.padEnd(2 * SMALL, ' '), eventId: name });
  });
}

const storedNames = async (world: RelayFixture, aggregateId: string): Promise<string[]> =>
  (await world.stored(aggregateId)).map((payload) => String(payload).trim());

/** A relay, and an aggregate "x" that is stopped at its second of three events. */
async function withStop(): Promise<{ world: RelayFixture; commands: OutboxCommands }> {
  const world = await fixture();
  await limit(world, SMALL);
  world.relay();
  await world.add('x:1');
  await addLarge(world, 'x:2');
  await world.add('x:3', 'y:1', 'y:2');
  const commands = new OutboxCommands(world.database, world.names);
  await eventually('x to be stopped', () => world.stops.length > 0);
  return { world, commands };
}

async function untilLive(world: RelayFixture, commands: OutboxCommands): Promise<void> {
  const address = { topic: world.topic, aggregateId: 'x' };
  await eventually('x to be live', async () => (await commands.state(address)).kind === 'live');
}

test('stops the aggregate of a refused event, and no other', async () => {
  const { world } = await withStop();
  await eventually('the others to be stored', async () => (await world.unpublished()) === 2);
  await world.add('y:3');
  await eventually('the others to be stored', async () => (await world.unpublished()) === 2);
  expect(await world.stored('x')).toEqual(['x:1']);
  expect(await world.stored('y')).toEqual(['y:1', 'y:2', 'y:3']);
  expect(world.stops).toEqual(['x PUBLISH_REJECTED']);
  const { stopped, stoppedAggregates, rows } = await new OutboxLooks(world.database.run, world.names).status(
    world.topic,
  );
  expect({ stopped, rows }).toEqual({ stopped: 1, rows: 2 });
  expect(stoppedAggregates).toMatchObject([
    { aggregateId: 'x', eventId: 'x:2', code: 'PUBLISH_REJECTED', isRetried: false },
  ]);
  expect(JSON.stringify(stoppedAggregates)).not.toContain('x:2   ');
});

test('stays stopped in the next relay', async () => {
  const { world } = await withStop();
  await world.closeRelays();
  world.relay();
  await world.add('x:4', 'y:3');
  await eventually('y to be stored', async () => (await world.stored('y')).length === 3);
  expect(await world.stored('x')).toEqual(['x:1']);
});

test('retry stores what waited, in order, once the cause is gone; before that it stops again', async () => {
  const { world, commands } = await withStop();
  const address = { topic: world.topic, aggregateId: 'x' };
  expect(await commands.retry(address)).toBe(true);
  await eventually('x to be stopped again', () => world.stops.length === 2);
  await limit(world, -1);
  await commands.retry(address);
  await world.add('x:4');
  await untilLive(world, commands);
  await world.add('x:5');
  await world.untilEmpty();
  expect(await storedNames(world, 'x')).toEqual(['x:1', 'x:2', 'x:3', 'x:4', 'x:5']);
});

test('retry does not store an event again that a late copy has stored', async () => {
  const { world, commands } = await withStop();
  await limit(world, -1);
  // The copy, and many others after it, so that the checkpoint passes it.
  await world.publisher.publish({ aggregateId: 'x', type: 'T', payload: 'x:2', eventId: 'x:2' });
  await world.add(...Array.from({ length: 20 }, (_, i) => `z-${i}:1`));
  await eventually('the others to be stored', async () => (await world.unpublished()) === 2);
  await commands.retry({ topic: world.topic, aggregateId: 'x' });
  await untilLive(world, commands);
  expect(await storedNames(world, 'x')).toEqual(['x:1', 'x:2', 'x:3']);
});

test('skip leaves the refused event out; discard all that waits', async () => {
  const { world, commands } = await withStop();
  const address = { topic: world.topic, aggregateId: 'x' };
  expect(await commands.skip(address)).toBe(true);
  await untilLive(world, commands);
  expect(await world.stored('x')).toEqual(['x:1', 'x:3']);
  await addLarge(world, 'x:4');
  await world.add('x:5');
  await eventually('x to be stopped again', () => world.stops.length === 2);
  expect(await commands.discard(address)).toBe(true);
  await untilLive(world, commands);
  await world.add('x:6');
  await world.untilEmpty();
  expect(await world.stored('x')).toEqual(['x:1', 'x:3', 'x:6']);
  expect(await commands.retry(address)).toBe(false);
});

test('the command line lists, asks before it deletes, and tells how it ended', async () => {
  const { world } = await withStop();
  const printed: string[] = [];
  const answers: string[] = [];
  const terminal = {
    print: (text: string) => void printed.push(text),
    ask: () => Promise.resolve(answers.shift()),
  };
  const where = ['--url', world.url, '--schema', world.names.schema, '--json'];
  const surroundings = { accessFlags: ACCESS_FLAGS, accessOf };
  const outbox = (...args: string[]): Promise<number> =>
    run('outbox', [...args, ...where], terminal, surroundings);
  expect(await outbox('list')).toBe(0);
  expect(JSON.parse(printed.pop()!)).toMatchObject({ topic: world.topic, aggregateId: 'x', eventId: 'x:2' });
  expect(await outbox('retry', '--topic', world.topic, 'x')).toBe(1);
  expect(JSON.parse(printed.pop()!)).toMatchObject({ outcome: 'stopped' });
  await expect(outbox('skip', '--topic', world.topic, 'x')).rejects.toMatchObject({ name: 'UsageError' });
  answers.push('yes');
  expect(await outbox('skip', '--topic', world.topic, 'x')).toBe(0);
  expect(JSON.parse(printed.pop()!)).toMatchObject({ outcome: 'live' });
  expect(await outbox('discard', '--topic', world.topic, 'x', '--yes')).toBe(1);
  expect(JSON.parse(printed.pop()!)).toMatchObject({ outcome: 'not stopped' });
  await expect(outbox('skip', 'x')).rejects.toMatchObject({ name: 'UsageError' });
  expect(await world.stored('x')).toEqual(['x:1', 'x:3']);
});
