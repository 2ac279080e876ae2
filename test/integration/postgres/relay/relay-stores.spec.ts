import { expect, test } from '@jest/globals';
import { hasAtomicBatches } from '#library/stream/wires/atomic-batches.js';
import { eventually } from '../../../support/eventually.js';
import { postgresForAll } from '../../../support/postgres.js';
import { eventNamed, relayFixtures } from '../../../support/relay.js';
import { serverForAll } from '../../../support/server.js';

const nats = serverForAll();
const fixture = relayFixtures(postgresForAll(), nats);

test('stores the events of committed rows in the order of their aggregate, and deletes the rows', async () => {
  const world = await fixture();
  await world.add('a:1', 'b:1', 'a:2');
  world.relay();
  await world.add('a:3');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2', 'a:3']);
  expect(await world.stored('b')).toEqual(['b:1']);
});

test('stores an event id that was added twice once, and what follows it', async () => {
  const world = await fixture();
  world.relay();
  await world.add('a:1', 'a:1', 'a:2');
  await world.add('a:1');
  await world.add('a:3');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2', 'a:3']);
});

test('never publishes a row that was rolled back', async () => {
  const world = await fixture();
  world.relay();
  const client = await world.client();
  await client.query('begin');
  await world.outbox({ topic: world.topic }).add(client, eventNamed('a:0'));
  await client.query('rollback');
  await world.add('a:1');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1']);
});

test('stores the event of a transaction that commits long after rows with higher ids, and in its order', async () => {
  const world = await fixture();
  world.relay();
  const slow = await world.client();
  await slow.query('begin');
  const outbox = world.outbox({ topic: world.topic });
  await outbox.add(slow, eventNamed('slow:1'));
  // Another transaction of that aggregate waits for the first one, and draws a higher id.
  const next = await world.client();
  await next.query('begin');
  const second = outbox.add(next, eventNamed('slow:2')).then(() => next.query('commit'));
  for (let i = 1; i <= 50; i++) await world.add(`other-${i}:1`);
  await eventually('the others to be stored', async () => (await world.unpublished()) === 0);
  await slow.query('commit');
  await second;
  await world.untilEmpty();
  expect(await world.stored('slow')).toEqual(['slow:1', 'slow:2']);
});

test('stores a long queue of one aggregate in order, in batches if the server has them', async () => {
  const world = await fixture();
  const names = Array.from({ length: 1_500 }, (_, n) => `a:${n}`);
  const outbox = world.outbox({ topic: world.topic });
  await world.database.transaction(async ({ client }) => {
    for (let from = 0; from < names.length; from += 500)
      await outbox.add(client, names.slice(from, from + 500).map(eventNamed));
  });
  world.relay();
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(names);
  let batched = 0;
  for await (const { headers } of world.publisher.read('a')) if ('Nats-Batch-Id' in headers) batched++;
  expect(batched > 1_000).toBe(hasAtomicBatches(nats().version));
});

/**
 * A snapshot lists open transactions only below the highest one that has ended:
 *
 * 1. One transaction has its number.
 * 2. A second one gets a higher number, draws an id, and stays open.
 * 3. The first one draws a higher id, and commits. The relay reads it. The second one is not in its snapshot's list.
 * 4. The second one commits.
 */
test('stores the event of a transaction that no snapshot has listed as open', async () => {
  const world = await fixture();
  // A relay that begins again finds everything, so it must not.
  world.relay({ pollMs: 200, silentForMs: 60_000 });
  await world.untilHeld();
  await world.add('before:1');
  await world.untilEmpty();
  const outbox = world.outbox({ topic: world.topic });
  const [first, second] = [await world.client(), await world.client()];
  await first.query('begin');
  await first.query('select pg_current_xact_id()');
  await second.query('begin');
  await outbox.add(second, eventNamed('second:1'));
  await outbox.add(first, eventNamed('first:1'));
  await first.query('commit');
  await world.untilEmpty();
  await second.query('commit');
  await world.untilEmpty();
  expect([await world.stored('first'), await world.stored('second')]).toEqual([['first:1'], ['second:1']]);
});

test('continues behind the event of a foreign publisher of the same aggregate', async () => {
  const world = await fixture();
  world.relay();
  await world.add('a:1');
  await world.untilEmpty();
  await world.publisher.publish({ aggregateId: 'a', type: 'T', payload: 'foreign' });
  await world.add('a:2');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'foreign', 'a:2']);
});

test('continues an aggregate whose last event the stream has dropped', async () => {
  const world = await fixture({ topic: { stream: { maxMessages: 5 } } });
  world.relay();
  await world.add('a:1');
  await world.untilEmpty();
  await world.add(...Array.from({ length: 10 }, (_, i) => `b:${i}`));
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual([]);
  await world.add('a:2');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:2']);
});

test('wakes by the notification, not by the poll', async () => {
  const world = await fixture();
  world.relay({ pollMs: 60_000 });
  await world.untilHeld();
  await world.add('a:1');
  await world.untilEmpty(5_000);
});

test('finds rows without a notification, too', async () => {
  const world = await fixture();
  world.relay();
  await world.untilHeld();
  const client = await world.client();
  await client.query('begin');
  await world.outbox({ topic: world.topic, notify: false }).add(client, eventNamed('a:1'));
  await client.query('commit');
  await world.untilEmpty();
});

test('keeps published rows for a while if it is told to, and then deletes them', async () => {
  const world = await fixture();
  world.relay({ keepPublishedMs: 300 });
  await world.add('a:1', 'a:2');
  await world.untilEmpty();
  expect(await world.rows()).toHaveLength(2);
  await eventually('the rows to be deleted', async () => (await world.rows()).length === 0);
});
