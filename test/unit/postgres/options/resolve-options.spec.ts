import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { type AggregatePostgresOptions, DEFAULTS } from '#postgres/options/options.js';
import { resolveOptions } from '#postgres/options/resolve-options.js';

const pool = { connect: () => Promise.reject(new Error()), query: () => Promise.resolve([]) };
const good = { connectionString: 'postgres://localhost/shop' };

test('fills in the defaults', () => {
  const { source, startWithinMs, outbox, inbox, names } = resolveOptions({
    ...good,
    outbox: { topics: ['orders'] },
  });
  expect(source).toMatchObject({ kind: 'connectionString', maxConnections: DEFAULTS.maxConnections });
  expect(startWithinMs).toBe(DEFAULTS.startWithinMs);
  expect(outbox).toEqual({ topics: ['orders'], ...DEFAULTS.outbox });
  expect(inbox).toBe(DEFAULTS.inbox);
  expect(names.schema).toBe(DEFAULTS.schema);
});

test('the comments of the options name the defaults', () => {
  const source = readFileSync('libs/aggregate-transport-postgres/src/options/options.ts', 'utf8');
  const told = [...source.matchAll(/@default ([^\s*]+)[\s\S]*?readonly (\w+)\?/g)].map(([, value, name]) => [
    name,
    Number.isNaN(Number(value!.replaceAll('_', ''))) ? value : Number(value!.replaceAll('_', '')),
  ]);
  expect(Object.fromEntries(told)).toEqual({
    notify: String(DEFAULTS.outbox.notify),
    relay: String(DEFAULTS.outbox.relay),
    maxConnections: DEFAULTS.maxConnections,
    startWithinMs: DEFAULTS.startWithinMs,
    inbox: String(DEFAULTS.inbox),
  });
});

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['no database', {}],
  ['two databases', { ...good, pool }],
  ['an empty connection string', { connectionString: '' }],
  ['a pool that is none', { pool: {} }],
  ['a PGlite that is none', { pglite: {} }],
  ['an option that there is not', { ...good, poll: 1 }],
  ['an option of the outbox that there is not', { ...good, outbox: { topics: [], relays: true } }],
  ['topics that are no list', { ...good, outbox: { topics: 'orders' } }],
  ['a topic that is none', { ...good, outbox: { topics: [{}] } }],
  ['connections of a pool that is not ours', { pool, maxConnections: 5 }],
  ['too few connections', { ...good, maxConnections: 1 }],
  ['a wait of no time', { ...good, startWithinMs: 0 }],
  ['an inbox that is a text', { ...good, inbox: 'yes' }],
])('refuses %s, and shows no password', (_what, options) => {
  const resolve = () => resolveOptions(options as AggregatePostgresOptions);
  expect(resolve).toThrow(expect.objectContaining({ code: 'POSTGRES_OPTIONS_INVALID' }));
  expect(resolve).not.toThrow(/postgres:\/\//);
});
