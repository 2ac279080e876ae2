import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { PgDatabase } from '#postgres/database/pg-database.js';

let server: Server | undefined;
const pools: pg.Pool[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.end();
  server?.close();
});

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** A server that greets, and says in the same breath that it ends: as PostgreSQL does when its postmaster dies. */
async function dyingServer(): Promise<PgDatabase> {
  const greeting = Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))]);
  const lastWord = 'SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0';
  const started = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([greeting, message('E', Buffer.from(lastWord))])));
  }).listen(0, '127.0.0.1');
  server = started;
  await once(started, 'listening');
  const { port } = started.address() as AddressInfo;
  const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 2 });
  pool.on('error', () => undefined);
  pools.push(pool);
  return new PgDatabase(pool);
}

test('a session that dies with its greeting is lost, and ends no process', async () => {
  const database = await dyingServer();
  const session = await database.session();
  await expect(session.run('select 1', [])).rejects.toMatchObject({ code: 'STATEMENT_FAILED' });
  await session.release({ broken: true });
});

test('a transaction whose connection dies with its greeting rejects, and ends no process', async () => {
  const database = await dyingServer();
  await expect(database.transaction(() => Promise.resolve())).rejects.toMatchObject({
    code: 'STATEMENT_FAILED',
  });
});
