import { spawn } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { startPostgres } from 'nestjs-aggregate-transport-postgres/testing';
import pg from 'pg';
import { eventually } from '../../support/eventually.js';
import { isRunning } from '../../support/is-running.js';
import { postgresForAll } from '../../support/postgres.js';

const server = postgresForAll({ settings: {} });

async function query(text: string): Promise<pg.QueryResult<Record<string, unknown>>> {
  const client = new pg.Client({ connectionString: server().url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end().catch(() => undefined);
  }
}

describe('a server of our own', () => {
  test('writes through to the disk, and listens on this machine alone', async () => {
    const { rows } = await query(
      `select current_setting('fsync') as fsync, current_setting('listen_addresses') as addresses`,
    );
    expect(rows).toEqual([{ fsync: 'on', addresses: '127.0.0.1' }]);
  });

  test.each(['kill', 'crash'] as const)('keeps what was committed over %s and start', async (how) => {
    await query(`create table kept_${how} as select 1 as one`);
    const { url, pid } = server();
    await server()[how]();
    expect(server().pid).toBeUndefined();
    await expect(query('select 1')).rejects.toThrow();
    await server().start();
    expect(server().url).toBe(url);
    expect(server().pid).not.toBe(pid);
    expect((await query(`table kept_${how}`)).rows).toEqual([{ one: 1 }]);
  });

  test('restarts immediately while transactions are open, and those are gone', async () => {
    await query('create table open_transactions (id int)');
    const client = new pg.Client(server().url);
    client.on('error', () => undefined);
    await client.connect();
    await client.query('begin');
    await client.query('insert into open_transactions values (1)');
    await server().restart();
    await expect(client.query('commit')).rejects.toThrow();
    expect((await query('table open_transactions')).rows).toEqual([]);
  });

  test('answers nothing while it is frozen, and continues where it was', async () => {
    const client = new pg.Client(server().url);
    client.on('error', () => undefined);
    await client.connect();
    await server().freeze();
    let answered = false;
    const asked = client.query('select 1').then(() => {
      answered = true;
    });
    await expect(query('select 1')).rejects.toThrow();
    expect(answered).toBe(false);
    await server().resume();
    await asked;
    await client.end();
  });

  test('leaves nothing behind when it is stopped', async () => {
    const other = await startPostgres({ settings: {} });
    expect(other.external).toBe(false);
    await other.stop();
    await other.stop();
    expect(other.pid).toBeUndefined();
  });

  test('ends with a process that is killed', async () => {
    const script = `
      import { startPostgres } from 'nestjs-aggregate-transport-postgres/testing';
      const server = await startPostgres({ settings: {} });
      console.log(server.pid);
      setInterval(() => undefined, 1_000);`;
    const args = ['--input-type=module', '-e', script];
    const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    parent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await eventually('the server', () => /^\d+\n/.test(output), 30_000);
    const pid = Number(output);
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await eventually('its end', () => !isRunning(pid));
  }, 60_000);
});
