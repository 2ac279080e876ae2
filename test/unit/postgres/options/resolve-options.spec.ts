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
  expect(outbox).toEqual({ topics: ['orders'], ...DEFAULTS.outbox, hooks: {} });
  expect(inbox).toBe(DEFAULTS.inbox);
  expect(names.schema).toBe(DEFAULTS.schema);
});

test('the comments of the options name the defaults', () => {
  const source = ['options', 'relay-options']
    .map((name) => readFileSync(`libs/aggregate-transport-postgres/src/options/${name}.ts`, 'utf8'))
    .join('\n');
  const told = [...source.matchAll(/@default ([^\s*]+)[\s\S]*?readonly (\w+)\?/g)].map(([, value, name]) => [
    name,
    Number.isNaN(Number(value!.replaceAll('_', ''))) ? value : Number(value!.replaceAll('_', '')),
  ]);
  expect(Object.fromEntries(told)).toEqual({
    notify: String(DEFAULTS.outbox.notify),
    relay: String(DEFAULTS.outbox.relay),
    shards: DEFAULTS.outbox.shards,
    maxRows: DEFAULTS.outbox.maxRows,
    maxBytes: DEFAULTS.outbox.maxBytes,
    pollMs: DEFAULTS.outbox.pollMs,
    stuckAfterMs: DEFAULTS.outbox.stuckAfterMs,
    maxConnections: DEFAULTS.maxConnections,
    startWithinMs: DEFAULTS.startWithinMs,
    inbox: String(DEFAULTS.inbox),
    migrate: String(DEFAULTS.migrate),
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
  ['shards that are no power of two', { ...good, outbox: { topics: [], shards: 3 } }],
  ['more rows than memory may hold', { ...good, outbox: { topics: [], maxRows: 1_000_000 } }],
  ['a poll that a frozen relay could hide behind', { ...good, outbox: { topics: [], pollMs: 10_000 } }],
  ['a hook that is none', { ...good, outbox: { topics: [], hooks: { outboxStopped: 1 } } }],
  ['a meter that is none', { ...good, metrics: { meter: {} } }],
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
