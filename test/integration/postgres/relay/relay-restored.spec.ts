import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { eventually } from '../../../support/eventually.js';
import { postgresForAll } from '../../../support/postgres.js';
import { type RelayFixture, relayFixtures } from '../../../support/relay.js';
import { serverForAll } from '../../../support/server.js';

const fixture = relayFixtures(postgresForAll(), serverForAll());
const WINDOW_MS = 100;

/** The database as it was before its two waiting rows were published, and the stream as it is after that. */
async function restored(): Promise<RelayFixture> {
  const world = await fixture({ duplicateWindowMs: WINDOW_MS });
  const { names, pool } = world;
  world.relay();
  await world.add('a:1');
  await world.untilEmpty();
  await world.closeRelays();
  await world.add('a:2', 'a:3');
  const copies = (['outbox', 'outbox_relay'] as const).map((name) => ({
    of: names.of(name),
    copy: `copy_${name}`,
  }));
  for (const { of, copy } of copies) {
    await pool.query(`drop table if exists ${copy}`);
    await pool.query(`create table ${copy} as table ${of}`);
  }
  // As if the relay had written down an allowance that ends at the first row: it writes 10 000 ids ahead.
  await pool.query(`update copy_outbox_relay set sent_below = 1`);
  world.relay();
  await world.untilEmpty();
  await world.closeRelays();
  const storedAt = Date.now();
  for (const { of, copy } of copies)
    await pool.query(`delete from ${of}; insert into ${of} select * from ${copy}`);
  await eventually('the duplicate window to pass', () => Date.now() - storedAt > 3 * WINDOW_MS);
  return world;
}

test('a database that was restored to an earlier time stores nothing twice after the statement of docs/postgres.md', async () => {
  const world = await restored();
  const page = readFileSync('docs/postgres.md', 'utf8');
  const statement = /^(update messaging\.outbox_relay\n[\s\S]*?;)$/m.exec(page)![1]!;
  const { names } = world;
  const own = statement
    .replace('messaging.outbox_relay', names.of('outbox_relay'))
    .replace('messaging.outbox)', `${names.of('outbox')})`);
  await world.pool.query(own);
  world.relay();
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2', 'a:3']);
  await world.add('a:4');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2', 'a:3', 'a:4']);
});
