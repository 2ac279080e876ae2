import { expect, test } from '@jest/globals';
import { checkSchema } from '#postgres/schema/check-schema.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { runCommand } from '../../support/command.js';
import { fixtureForEach, postgresForAll } from '../../support/postgres.js';

const server = postgresForAll();
const fixture = fixtureForEach(server, 3);

test('postgres migrate makes the tables, and says that they are there when it is run again', async () => {
  const { database, names, pool } = await fixture();
  const schema = `${names.schema} cli`;
  const args = [
    'postgres',
    'migrate',
    '--schema',
    schema,
    '--table',
    'inbox=In Box',
    '--by-day',
    '--days',
    '2',
  ];
  const env = { DATABASE_URL: server().url };
  const first = await runCommand({ args: [...args, '--json'], env });
  expect(first).toMatchObject({ code: 0, errors: '' });
  expect(JSON.parse(first.output)).toMatchObject({
    schema,
    from: 0,
    to: 1,
    days: [expect.any(String), expect.any(String)],
  });
  const again = await runCommand({ args, env });
  expect(again).toMatchObject({ code: 0, output: `schema ${schema}: the tables are there, in version 1\n` });
  const made = new SchemaNames({ schema, tables: { inbox: 'In Box' } });
  await checkSchema(database.run, made, ['add', 'relay', 'inbox']);
  await pool.query(`drop schema "${schema}" cascade`);
});

test('postgres print gives the SQL and the rights, and needs no database', async () => {
  const { code, output } = await runCommand({ args: ['postgres', 'print', '--schema', 'shop'] });
  expect(code).toBe(0);
  expect(output).toContain('create table if not exists "shop"."outbox"');
  expect(output).toContain('grant usage on sequence "shop"."outbox_id_seq"');
});

test.each([
  ['a command that there is not', ['postgres', 'drop']],
  ['an option that there is not', ['postgres', 'migrate', '--yes']],
  ['no database', ['postgres', 'migrate']],
  ['a number of days that is none', ['postgres', 'migrate', '--url', 'postgres://x', '--days', '0']],
  ['a table that is none of ours', ['postgres', 'print', '--table', 'orders=x']],
  ['an empty schema', ['postgres', 'print', '--schema', '']],
])('ends with 2 and says what it expected: %s', async (_what, args) => {
  const { code, output, errors } = await runCommand({ args, env: { DATABASE_URL: '' } });
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(errors).toMatch(/expected|unknown/i);
});

test('ends with 1 and the code of the failure, without the password, if there is no server', async () => {
  const url = 'postgres://shop:secret@127.0.0.1:1/shop';
  const { code, output, errors } = await runCommand({
    args: ['postgres', 'migrate', '--url', url, '--json'],
  });
  expect(JSON.parse(output)).toMatchObject({ kind: 'error', code: 'POSTGRES_UNAVAILABLE' });
  expect(code).toBe(1);
  expect(errors).toContain('POSTGRES_UNAVAILABLE');
  expect(errors).not.toContain('secret');
});
