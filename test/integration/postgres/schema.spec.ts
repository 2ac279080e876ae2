import { describe, expect, test } from '@jest/globals';
import { checkSchema, type Use } from '#postgres/schema/check-schema.js';
import { migrate } from '#postgres/schema/migrate.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { printedSchema } from '#postgres/schema/schema-sql.js';
import { fixtureForEach, postgresForAll } from '../../support/postgres.js';

const server = postgresForAll();
const fixture = fixtureForEach(server, 20);
const ALL_USES: readonly Use[] = ['add', 'relay', 'inbox'];

describe('migrate', () => {
  test('run again changes nothing', async () => {
    const { database, names } = await fixture();
    expect(await migrate(database, names)).toEqual({ from: 1, to: 1, days: [] });
    await checkSchema(database.run, names, ALL_USES);
  });

  test('run by twenty processes at once makes the tables once, and none of them fails', async () => {
    const { database, names } = await fixture();
    const fresh = new SchemaNames({ schema: `${names.schema} "at once"` });
    const results = await Promise.all(Array.from({ length: 20 }, () => migrate(database, fresh)));
    expect(results.filter(({ from }) => from === 0)).toHaveLength(1);
    await checkSchema(database.run, fresh, ALL_USES);
    await database.run(`drop schema "${names.schema} ""at once""" cascade`, []);
  });

  test('takes any names as names, and nothing of them as SQL', async () => {
    const { database, names, pool } = await fixture();
    const table = `"; drop table x; --`;
    const odd = new SchemaNames({ schema: names.schema, tables: { outbox: table, inbox: 'In Box' } });
    // The other tables are there already, under the version of the same schema.
    await pool.query(`delete from ${names.of('schema_version')}`);
    await migrate(database, odd);
    await checkSchema(database.run, odd, ALL_USES);
    const { rows } = await pool.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = $1 order by 1`,
      [names.schema],
    );
    expect(rows.map(({ name }) => name)).toContain(table);
  });

  test('refuses tables of a newer release with SCHEMA_NEWER, and leaves them as they are', async () => {
    const { database, names, pool } = await fixture();
    await pool.query(`insert into ${names.of('schema_version')} (version) values (99)`);
    await expect(migrate(database, names)).rejects.toMatchObject({ code: 'SCHEMA_NEWER' });
  });

  test('divides the outbox by day where that is asked for, and adds need no day of their own', async () => {
    const given = await fixture();
    const { database, pool } = given;
    const names = new SchemaNames({ schema: given.names.schema, tables: { outbox: 'daily' } });
    await pool.query(`delete from ${names.of('schema_version')}`);
    const byDay = { wallMs: Date.now(), days: 3 };
    const { days } = await migrate(database, names, { byDay });
    expect(days).toHaveLength(3);
    expect(await migrate(database, names, { byDay: { ...byDay, days: 4 } })).toMatchObject({
      days: [expect.stringMatching(/^daily_\d{8}$/)],
    });
    const outbox = given.outbox({ names });
    const client = await given.client();
    await client.query('begin');
    await outbox.add(client, { aggregateId: 'a', type: 'T', payload: 1 });
    await client.query('commit');
    const { rows } = await pool.query(`select tableoid::regclass::text as day from ${names.of('outbox')}`);
    expect(rows).toEqual([{ day: `${names.schema}.${days[0]}` }]);
    // Without any day the rest table takes the event, and that day is then left to it.
    for (const day of days) await pool.query(`drop table ${names.schema}.${day}`);
    await client.query('begin');
    await outbox.add(client, { aggregateId: 'a', type: 'T', payload: 2 });
    await client.query('commit');
    expect((await migrate(database, names, { byDay })).days).toEqual(days.slice(1));
  });

  test('refuses to divide an outbox that is there with SCHEMA_MISMATCH', async () => {
    const { database, names } = await fixture();
    const byDay = { wallMs: Date.now(), days: 1 };
    await expect(migrate(database, names, { byDay })).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' });
  });
});

test('what print gives makes the same tables by hand', async () => {
  const { database, names, pool } = await fixture();
  const byHand = new SchemaNames({ schema: `${names.schema}_hand` });
  await pool.query(printedSchema(byHand, { byDay: false }));
  await checkSchema(database.run, byHand, ALL_USES);
  expect(await migrate(database, byHand)).toMatchObject({ from: 1 });
  await pool.query(`drop schema ${byHand.schema} cascade`);
});

describe('the check at start-up', () => {
  test('SCHEMA_MISSING: no schema', async () => {
    const { database } = await fixture();
    const checked = checkSchema(database.run, new SchemaNames({ schema: 'nowhere' }), ['add']);
    await expect(checked).rejects.toMatchObject({ code: 'SCHEMA_MISSING' });
  });

  test('SCHEMA_MISSING: one table is gone', async () => {
    const { database, names, pool } = await fixture();
    await pool.query(`drop table ${names.of('inbox')}`);
    await checkSchema(database.run, names, ['add', 'relay']);
    const checked = checkSchema(database.run, names, ['inbox']);
    await expect(checked).rejects.toMatchObject({ code: 'SCHEMA_MISSING' });
  });

  test.each([
    ['SCHEMA_OLDER', 'delete from'],
    ['SCHEMA_NEWER', 'update'],
  ])('%s', async (code, how) => {
    const { database, names, pool } = await fixture();
    const table = names.of('schema_version');
    await pool.query(how === 'update' ? `update ${table} set version = 2` : `delete from ${table}`);
    await expect(checkSchema(database.run, names, ['add'])).rejects.toMatchObject({ code });
  });

  test('RIGHTS_MISSING: names each right that is missing, and none that the process does not use', async () => {
    const given = await fixture();
    const { names, pool } = given;
    const role = `adder_${names.schema}`;
    await pool.query(`create role ${role} login`);
    await pool.query(`grant usage on schema ${names.schema} to ${role}`);
    await pool.query(`grant select on ${names.of('schema_version')} to ${role}`);
    const other = given.databaseOf(role);
    await expect(checkSchema(other.run, names, ['add', 'inbox'])).rejects.toMatchObject({
      code: 'RIGHTS_MISSING',
      message: expect.stringContaining(`insert on ${names.of('outbox')}, select on ${names.of('inbox')}`),
    });
    await pool.query(`grant insert on ${names.of('outbox')} to ${role}`);
    await expect(checkSchema(other.run, names, ['add'])).rejects.toMatchObject({
      message: expect.stringContaining('usage on the sequence'),
    });
    await pool.query(`grant usage on sequence ${names.schema}.outbox_id_seq to ${role}`);
    // With these two rights alone a service can add.
    await checkSchema(other.run, names, ['add']);
    await other.transaction(({ client }) =>
      given.outbox().add(client, { aggregateId: 'a', type: 'T', payload: 1 }),
    );
    expect(await given.rows()).toHaveLength(1);
    await other.close();
    await pool.query(`drop owned by ${role}; drop role ${role}`);
  });
});
