import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type IncomingMessage, createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import pg from 'pg';
import type { AggregatePublisher, StoredEvent } from 'nestjs-aggregate-transport';
import { PgDatabase } from '#postgres/database/pg-database.js';
import { migrate } from '#postgres/schema/migrate.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { postgresForAll } from '../../support/postgres.js';
import { serverForAll } from '../../support/server.js';
import { kitchenForEach } from './recipe.js';

// The recipes of docs/recipes that need a database, each as a service of its own that is broken in its own way.

const nats = serverForAll();
const postgres = postgresForAll();
const kitchen = kitchenForEach();

let pool: pg.Pool;
let env: Record<string, string>;
beforeAll(async () => {
  pool = new pg.Pool({ connectionString: postgres().url });
  pool.on('error', () => undefined); // the server is stopped before the pool ends
  env = { NATS_URL: nats().url, DATABASE_URL: postgres().url };
  // A sequence is not rolled back, so a row that was refused passes later.
  await pool.query(`
    create sequence statements;
    create function fail_sometimes() returns trigger language plpgsql as $$
    begin
      if nextval('statements') % 29 = 0 then raise exception 'as if the disk were full'; end if;
      return new;
    end $$;`);
});
afterAll(async () => {
  await pool.end();
});

async function rowsOf<R extends pg.QueryResultRow>(sql: string): Promise<R[]> {
  return (await pool.query<R>(sql)).rows;
}

async function numberOf(sql: string): Promise<number> {
  const [row] = await rowsOf<{ n: string }>(sql);
  return Number(row!.n);
}

/** `keys` aggregates in turn, the n-th payload of each made from its number, from 1. */
function eventsOf(type: string, [keys, each]: readonly [number, number], payload: (n: number) => object) {
  return Array.from({ length: keys * each }, (_, index) => ({
    aggregateId: `${type}-${index % keys}`,
    type,
    payload: payload(Math.floor(index / keys) + 1),
  }));
}

test('an idempotent projection counts each payment once, with statements that fail and two SIGKILLs', async () => {
  await pool.query(`
    create table balance (account text primary key, cents bigint not null, position numeric not null);
    create trigger fails before insert on balance for each row execute function fail_sometimes();`);
  const publisher = await kitchen.publisher(nats().url, 'accounts');
  const [accounts, each] = [10, 30];
  const booked = () => numberOf('select coalesce(sum(cents), 0) as n from balance');
  const events = eventsOf('PaymentBooked', [accounts, each], (n) => ({ cents: n }));
  const half = events.length / 2;

  for (const part of [events.slice(0, half), events.slice(half)]) {
    const before = await booked();
    const recipe = await kitchen.start('idempotent-projection', env);
    const published = publisher.publishAll(part);
    // Some effects are committed then, and their events not settled yet.
    await eventually('some payments to be booked', async () => (await booked()) > before);
    await recipe.kill();
    await published;
  }
  await kitchen.start('idempotent-projection', env);
  const expected = (each * (each + 1)) / 2;
  await eventually('all to be booked', async () => (await booked()) >= accounts * expected);
  const rows = await rowsOf<{ account: string; cents: string }>('select account, cents from balance');
  expect(rows.map(({ cents }) => Number(cents))).toEqual(Array(accounts).fill(expected));
}, 60_000);

async function historyOf(publisher: AggregatePublisher, id: string): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const event of publisher.read(id)) found.push(event);
  return found;
}

test('an outbox stores what was committed and nothing else, in order, when the service is killed', async () => {
  const database = new PgDatabase(pool);
  await migrate(database, new SchemaNames({}));
  await pool.query(
    'create table cart (id text primary key, version int not null, cents int not null check (cents >= 0))',
  );
  const carts = ['a', 'b', 'c', 'd'];
  const answered: Record<string, number> = {};
  for (const round of [1, 2]) {
    const recipe = await kitchen.start('outbox', env, 'publishes');
    const url = await recipe.serves();
    let isKilled = false;
    let count = 0;
    // Each cart is changed again and again; every fifth change breaks a constraint and rolls back.
    const changes = carts.map(async (id) => {
      for (let n = 1; !isKilled; n++) {
        const body = JSON.stringify({ cents: n % 5 === 0 ? -1 : n });
        const headers = { 'content-type': 'application/json' };
        const response = await fetch(`${url}/carts/${id}`, { method: 'POST', headers, body }).catch(
          () => null,
        );
        if (response?.status === 201) {
          answered[id] = ((await response.json().catch(() => ({}))) as { version: number }).version;
          count += 1;
        } else if (response !== null) expect([response.status, n % 5]).toEqual([500, 0]);
      }
    });
    await eventually('some carts to change', () => count > 20 * round);
    await recipe.kill();
    isKilled = true;
    await Promise.all(changes);
  }
  await kitchen.start('outbox', env, 'publishes');
  await eventually('the relay to send all', async () => {
    return (await numberOf('select count(*) as n from messaging.outbox')) === 0;
  });
  const publisher = await kitchen.publisher(nats().url, 'carts');
  for (const { id, version } of await rowsOf<{ id: string; version: number }>(
    'select id, version from cart',
  )) {
    expect(version).toBeGreaterThanOrEqual(answered[id]!);
    const versions = (await historyOf(publisher, id)).map(
      ({ payload }) => (payload as { version: number }).version,
    );
    expect(versions).toEqual(Array.from({ length: version }, (_, index) => index + 1));
  }
}, 60_000);

test('a rebuilt read model catches up beside the old one, though it is killed, and the old one goes', async () => {
  const publisher = await kitchen.publisher(nats().url, 'stock');
  const products = 10;
  const moves = (count: number) => eventsOf('StockMoved', [products, count], (n) => ({ pieces: n }));
  const old = await kitchen.start('read-model', { ...env, READ_MODEL: 'shelf_v1' });
  await publisher.publishAll(moves(60));
  await eventually('the old model to have all', async () => {
    return (await numberOf('select sum(moves) as n from shelf_v1')) === products * 60;
  });
  // A read model that has counted wrongly, and is not trusted any more.
  await pool.query('update shelf_v1 set pieces = pieces - 1');

  const begun = await kitchen.start('read-model', { ...env, READ_MODEL: 'shelf_v2' });
  await eventually('the new model to begin', async () => {
    return (await numberOf('select coalesce(sum(moves), 0) as n from shelf_v2')) > 0;
  });
  await begun.kill();
  await publisher.publishAll(moves(10)); // the topic does not stand still
  await kitchen.start('read-model', { ...env, READ_MODEL: 'shelf_v2' });
  const follow = ['follow', 'stock', 'shelf_v2', '--with', 'shelf_v1', '--until-caught-up', '--max-lag', '0'];
  const { code } = await runCommand({ args: ['group', ...follow, '--server', nats().url] });
  expect(code).toBe(0);
  const [v1, v2] = await Promise.all(
    ['shelf_v1', 'shelf_v2'].map((table) => rowsOf(`select product, pieces, moves from ${table} order by 1`)),
  );
  const right = (60 * 61) / 2 + (10 * 11) / 2;
  expect(v2!.map(({ pieces, moves }) => [Number(pieces), Number(moves)])).toEqual(
    Array(products).fill([right, 70]),
  );
  expect(v1!.map(({ pieces }) => Number(pieces))).toEqual(Array(products).fill(right - 1));
  await old.stop();
  const deleted = ['group', 'delete', 'stock', 'shelf_v1', '--yes', '--server', nats().url];
  expect(await runCommand({ args: deleted })).toMatchObject({ code: 0 });
}, 60_000);

test('an event runs in the schema of its tenant only, and a tenant whose database fails stops no other', async () => {
  await pool.query(
    [1, 2]
      .map(
        (tenant) => `
    create schema tenant_${tenant};
    create table tenant_${tenant}.ledger (invoice text primary key, cents int not null, position numeric not null);`,
      )
      .join(''),
  );
  await pool.query('alter table tenant_1.ledger rename to closed');
  const publisher = await kitchen.publisher(nats().url, 'invoices');
  await kitchen.start('tenants', env);
  const sent = (tenant: number, id: string, cents: number) =>
    publisher.publish({ aggregateId: id, tenantId: tenant, type: 'InvoiceSent', payload: { cents } });
  for (const cents of [10, 20]) {
    await sent(1, '1-7', cents);
    await sent(2, '2-7', cents);
  }
  await sent(2, '1-8', 5); // says one tenant and is of another
  await publisher.publish({ aggregateId: '2-9', type: 'InvoiceSent', payload: { cents: 5 } }); // says none
  const ledgerOf = (tenant: number) =>
    rowsOf(`select invoice, cents from tenant_${tenant}.ledger order by 1`);
  await eventually('tenant 2 to have its invoice', async () => (await ledgerOf(2))[0]?.['cents'] === 30);
  await pool.query('alter table tenant_1.closed rename to ledger');
  await eventually('tenant 1 to have its own', async () => (await ledgerOf(1))[0]?.['cents'] === 30);
  expect(await ledgerOf(1)).toEqual([{ invoice: '1-7', cents: 30 }]);
  expect(await ledgerOf(2)).toEqual([{ invoice: '2-7', cents: 30 }]);
  const list = [
    'parked',
    'list',
    '--topic',
    'invoices',
    '--group',
    'ledger',
    '--json',
    '--server',
    nats().url,
  ];
  const { output } = await runCommand({ args: list });
  for (const id of ['1-8', '2-9']) expect(output).toContain(`"${id}"`);
  expect(output).not.toContain('"1-7"');
}, 60_000);

/** Takes what is posted, and answers with what it is told to. */
async function slackStandIn(): Promise<{ url: string; texts: string[]; answers: number[] }> {
  const texts: string[] = [];
  const answers: number[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    void text(request).then((body) => {
      const status = answers.shift() ?? 200;
      if (status === 200) texts.push((JSON.parse(body) as { text: string }).text);
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  kitchen.keep({
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, texts, answers };
}

test('Slack hears of a parked aggregate and of its release; a Slack that fails stops no event', async () => {
  await pool.query('create table parcel (n int not null check (n <> 2))');
  const slack = await slackStandIn();
  slack.answers.push(500); // one hiccup is tried again
  const publisher = await kitchen.publisher(nats().url, 'parcels');
  const recipe = await kitchen.start('slack', { ...env, SLACK_WEBHOOK_URL: slack.url });
  const publish = (id: string, n: number) =>
    publisher.publish({ aggregateId: id, type: 'ParcelSent', payload: { n } });
  for (const n of [1, 2, 3]) await publish('parcel-1', n);
  await eventually('Slack to hear', () => slack.texts.length === 1);
  expect(slack.texts[0]).toMatch(
    /\*parcel-1\* of `parcels` is parked in `courier` \(EXHAUSTED after 3\): .*parcel_n_check/,
  );

  await pool.query('alter table parcel drop constraint parcel_n_check');
  const retry = ['parked', 'retry', '--topic', 'parcels', '--group', 'courier', 'parcel-1'];
  expect(await runCommand({ args: [...retry, '--server', nats().url] })).toMatchObject({ code: 0 });
  await eventually('Slack to hear of the release', () => slack.texts.length === 2);
  expect(slack.texts[1]).toContain('*parcel-1* of `parcels` is live again');
  expect(await rowsOf('select n from parcel')).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);

  slack.answers.push(500, 500, 500);
  await pool.query('alter table parcel add check (n <> 4)');
  await publish('parcel-1', 4);
  await publish('parcel-2', 5);
  await eventually('the log to say it', () => /hooks\.onParked failed: .*500/.test(recipe.output));
  await eventually(
    'the next parcel',
    async () => (await rowsOf('select from parcel where n = 5')).length === 1,
  );
}, 60_000);
