import { expect, test } from '@jest/globals';
import { fixtureForEach, postgresForAll } from '../../support/postgres.js';
import { eventually } from '../../support/eventually.js';

const server = postgresForAll({ settings: { max_connections: '300' } });
const fixture = fixtureForEach(server);

test('an event that was added first has the lower id, even if its transaction commits last', async () => {
  const { client, outbox, rows, pool, names } = bound(await fixture());
  const [one, other] = [await client(), await client()];
  await one.query('begin');
  await other.query('begin');
  await outbox.add(one, { aggregateId: 'a', type: 'First', payload: 1 });
  const later = outbox.add(other, { aggregateId: 'a', type: 'Second', payload: 2 });
  await eventually('the second transaction waits for the lock', async () => {
    const { rows: waiting } = await pool.query(
      `select from pg_locks where locktype = 'advisory' and not granted`,
    );
    return waiting.length === 1;
  });
  // It has drawn no id while it waits.
  const { rows: drawn } = await pool.query(`select last_value::int from "${names.schema}".outbox_id_seq`);
  expect(drawn).toEqual([{ last_value: 1 }]);
  await one.query('commit');
  await later;
  await other.query('commit');
  expect(
    (await rows()).map(({ event }) => (JSON.parse(event!) as { event_type: string }).event_type),
  ).toEqual(['First', 'Second']);
});

test('events of different aggregates wait for nothing', async () => {
  const { client, outbox } = bound(await fixture());
  const [one, other] = [await client(), await client()];
  await one.query('begin');
  await outbox.add(one, { aggregateId: 'a', type: 'T', payload: 1 });
  await other.query('begin');
  await outbox.add(other, { aggregateId: 'b', type: 'T', payload: 1 });
  await other.query('commit');
  await one.query('commit');
});

function bound(given: Awaited<ReturnType<typeof fixture>>) {
  return {
    client: () => given.client(),
    rows: () => given.rows(),
    outbox: given.outbox(),
    pool: given.pool,
    names: given.names,
  };
}
