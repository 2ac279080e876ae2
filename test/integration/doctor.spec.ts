import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller } from '@nestjs/common';
import { AggregateHandler, type AggregateTransportOptions } from 'nestjs-aggregate-transport';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { connect } from 'nats';
import { startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';

// Commands are built code: needs `npm run build`.

interface Line {
  readonly check: string;
  readonly topic?: string;
  readonly level: string;
  readonly found: string;
  readonly todo?: string;
}

const folder = mkdtempSync(join('dist', 'doctor-'));
let server: NatsServer;

/** A module file, as a build makes it. */
function moduleFile(name: string, options: AggregateTransportOptions, how = 'forRoot'): string {
  const file = join(folder, `${name}.mjs`);
  const given = JSON.stringify(options);
  const argument =
    { forRoot: given, factory: `{ useFactory: () => (${given}) }` }[how] ??
    '{ useFactory: (x) => x, inject: [Date] }';
  writeFileSync(
    file,
    `import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
class Inner {}
Module({ imports: [AggregateTransportModule.${how === 'forRoot' ? 'forRoot' : 'forRootAsync'}(${argument})] })(Inner);
export class AppModule {}
Module({ imports: [Inner] })(AppModule);
`,
  );
  return file;
}

async function doctor(...args: string[]): Promise<{ code: number; lines: Line[]; errors: string }> {
  const { code, output, errors } = await runCommand({ args: ['doctor', '--json', ...args] });
  const lines = output.split('\n').filter((line) => line !== '');
  return { code, errors, lines: lines.map((line) => JSON.parse(line) as Line) };
}

const optionsAs = (user: string): AggregateTransportOptions => ({
  servers: server.url,
  connection: { user, pass: 'pw' },
  group: 'shop',
  topics: { seen: { stream: { maxBytes: 1_048_576 } } },
});

beforeAll(async () => {
  const denied = [
    '$JS.API.STREAM.PURGE.seen_parked',
    '$JS.API.STREAM.MSG.DELETE.seen_parked',
    '$KV.seen_positions.>',
  ];
  const users = [
    '{ user: admin, password: pw }',
    `{ user: poor, password: pw, permissions: { publish: { deny: ${JSON.stringify([...denied, '$JS.API.INFO'])} } } }`,
  ];
  server = await startNatsServer({
    config: `accounts { MAIN: { jetstream: enabled, users: [ ${users.join('\n')} ] } }`,
  });

  @Controller()
  class Handler {
    @AggregateHandler('seen')
    handle(): void {}
  }
  @Controller()
  class Whole {
    @AggregateHandler('whole')
    handle(): void {}
  }
  const app = await startApp({ options: optionsAs('admin'), controllers: [Handler] });
  await app.close();
  const whole = { ...optionsAs('admin'), topics: { whole: {} } };
  await (await startApp({ options: whole, controllers: [Whole] })).close();
}, 90_000);

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('a service whose server is as it must be gets ok in every line, and nothing is changed', async () => {
  const nats = await connect({ servers: server.url, user: 'admin', pass: 'pw' });
  const manager = await nats.jetstreamManager();
  const sizes = async (): Promise<unknown> =>
    (await manager.streams.list().next()).map(({ config, state }) => [
      config,
      state.messages,
      state.last_seq,
    ]);
  const before = await sizes();
  for (const how of ['forRoot', 'factory']) {
    const { code, lines } = await doctor('--module', moduleFile(how, optionsAs('admin'), how));
    expect(lines.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(code).toBe(0);
    const checks = new Set(lines.map(({ check }) => check));
    for (const check of [
      'module',
      'connection',
      'JetStream',
      'permissions',
      'clock',
      'duplicate window',
      'old consumers',
      'idle cost',
    ])
      expect(checks).toContain(check);
    expect(lines.filter(({ check }) => check.startsWith('settings of'))).toHaveLength(5);
  }
  expect(await sizes()).toEqual(before);
  await nats.close();
}, 60_000);

test('what a user may not do, and what differs, is named with what to do', async () => {
  const { code, lines } = await doctor('--module', moduleFile('poor', optionsAs('poor')));
  expect(code).toBe(1);
  const of = (level: string): string[] =>
    lines.filter((line) => line.level === level).map(({ found }) => found);
  expect(of('fail')).toEqual([
    expect.stringContaining('$KV.seen_positions.'),
    expect.stringContaining('$JS.API.STREAM.MSG.DELETE.seen_parked is refused'),
  ]);
  expect(of('warn')).toEqual([
    expect.stringContaining('$JS.API.INFO'),
    expect.stringContaining('$JS.API.STREAM.PURGE.seen_parked is refused'),
  ]);

  const nats = await connect({ servers: server.url, user: 'admin', pass: 'pw' });
  const manager = await nats.jetstreamManager();
  await manager.streams.update('seen', { max_bytes: 2_097_152, duplicate_window: 30_000_000_000 });
  await manager.streams.update('seen_parked', { max_age: 3_600_000_000_000 });
  await manager.consumers.add('seen', { durable_name: 'shop-1-0', ack_policy: 'explicit' as never });
  await nats.close();
  const changed = await doctor('--module', moduleFile('admin', optionsAs('admin')));
  expect(changed.code).toBe(1);
  expect(changed.lines.filter(({ level }) => level === 'fail')).toMatchObject([
    {
      check: 'settings of seen',
      found: 'expected max_bytes 1048576, found 2097152',
      todo: expect.stringContaining('stream.maxBytes'),
    },
    { check: 'settings of seen_parked', found: expect.stringContaining('max_age') },
    {
      check: 'duplicate window',
      todo: expect.stringContaining('topic edit seen --duplicate-window 75000ms'),
    },
    { check: 'old consumers', todo: expect.stringContaining('nats consumer rm seen shop-1-0') },
  ]);
}, 60_000);

test('a name that is not on the server is told', async () => {
  const at = ['--server', server.url, '--user', 'admin', '--password', 'pw'];
  const found = async (...args: string[]): Promise<(string | undefined)[][]> => {
    const { lines } = await doctor(...at, ...args);
    return lines.filter(({ level }) => level !== 'ok').map(({ level, check, todo }) => [level, check, todo]);
  };
  expect(await found('--topic', 'sene')).toEqual([
    ['warn', 'topic', expect.stringContaining('check the name')],
  ]);
  expect(await found('--topic', 'whole', '--group', 'shpo')).toContainEqual([
    ...['warn', 'group shpo'],
    expect.stringContaining('group list whole'),
  ]);
  expect(await found('--topic', 'whole', '--group', 'shop')).toEqual([]);
}, 60_000);

test('options that cannot be read, wrong options, and a server that is away are lines of their own', async () => {
  const away = { servers: 'nats://127.0.0.1:1', topics: { seen: {} } };
  const { code, lines } = await doctor('--module', moduleFile('away', away));
  expect(code).toBe(1);
  expect(lines).toMatchObject([
    { check: 'module', level: 'ok' },
    { check: 'connection', level: 'fail' },
  ]);
  const injected = await doctor(
    '--module',
    moduleFile('injected', away, 'injected'),
    '--server',
    'nats://127.0.0.1:1',
  );
  expect(injected.lines[0]).toMatchObject({ check: 'module', level: 'warn' });
  const wrong = await doctor(
    '--module',
    moduleFile('wrong', { ...away, group: 'a b' }),
    '--server',
    'nats://127.0.0.1:1',
  );
  expect(wrong.lines[0]).toMatchObject({
    check: 'module',
    level: 'fail',
    found: expect.stringContaining('OPTIONS_INVALID'),
  });
  expect(await doctor('--module', join(folder, 'none.mjs'))).toMatchObject({
    code: 2,
    errors: expect.stringContaining('--module'),
  });
}, 60_000);
