import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { SchemaNames, type SchemaOptions } from '#postgres/schema/schema-names.js';
import { printedSchema, SCHEMA_FILE, sqlOf, statementsOf, STEPS } from '#postgres/schema/schema-sql.js';
import { SQL_FILES } from '#postgres/schema/sql-files.js';

const FOLDER = 'libs/aggregate-transport-postgres/sql';

test('what the package runs is what its SQL files say, byte for byte', () => {
  const files = Object.fromEntries(
    readdirSync(FOLDER).map((name) => [name, readFileSync(`${FOLDER}/${name}`, 'utf8')]),
  );
  expect(SQL_FILES).toEqual(files);
  const script = 'libs/aggregate-transport-postgres/embed-sql.js';
  expect(() => execFileSync(process.execPath, ['--check', script])).not.toThrow();
});

test('every file is a step, or the schema', () => {
  const used = STEPS.flatMap((step) => [...step.files(false), ...step.files(true)]);
  expect(new Set([SCHEMA_FILE, ...used])).toEqual(new Set(Object.keys(SQL_FILES)));
});

test('no place of a name is left open, and names are quoted', () => {
  const names = new SchemaNames({ schema: 'a"b', tables: { outbox: 'My Outbox' } });
  for (const file of Object.keys(SQL_FILES) as (keyof typeof SQL_FILES)[]) {
    expect(sqlOf(file, names)).not.toMatch(/:"/);
    for (const statement of statementsOf(file, names)) expect(statement).not.toContain(';');
  }
  expect(sqlOf('001-outbox.sql', names)).toContain('"a""b"."My Outbox"');
  expect(sqlOf('001-outbox.sql', names)).toContain('"My Outbox_unpublished"');
  expect(printedSchema(names, { byDay: true })).toContain('partition by range');
});

test.each([
  ['an empty schema', { schema: '' }],
  ['a schema of 64 bytes', { schema: 'x'.repeat(64) }],
  ['a zero byte', { schema: 'a\0b' }],
  ['a table of 49 bytes', { tables: { outbox: 'x'.repeat(49) } }],
  ['a table that is none of ours', { tables: { outboxes: 'x' } }],
  ['two tables of one name', { tables: { outbox: 'same', inbox: 'same' } }],
])('refuses %s', (_what, options) => {
  expect(() => new SchemaNames(options as SchemaOptions)).toThrow(
    expect.objectContaining({ code: 'POSTGRES_OPTIONS_INVALID' }),
  );
});

test('a lock key fits a bigint of the server, and differs by topic, aggregate and installation', () => {
  const names = new SchemaNames();
  const keys = [
    names.lockKey('outbox', 'orders', 'a'),
    names.lockKey('outbox', 'orders', 'b'),
    names.lockKey('outbox', 'other', 'a'),
    names.lockKey('outbox', 'orders/a'),
    new SchemaNames({ schema: 'two' }).lockKey('outbox', 'orders', 'a'),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  for (const key of keys) expect(BigInt.asIntN(64, key)).toBe(key);
  expect(names.lockKey('outbox', 'orders', 'a')).toBe(keys[0]);
  expect(new SchemaNames().channel).toMatch(/^outbox_[0-9a-f]{12}$/);
});
