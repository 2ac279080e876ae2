import { afterEach, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { AggregateHandler, type AggregateTransportOptions } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { runCommand } from '../../support/command.js';
import { SAYS_ALL } from '../../support/says-all.js';
import { serverForAll } from '../../support/server.js';

const MIB = 1_048_576;
const server = serverForAll({
  config: `
    jetstream { max_memory_store: 20MB }
    accounts {
      SMALL: { jetstream: { max_store: 50MB }, users: [ { user: small, password: "p@ss/w:rd" } ] }
      STREAM: { jetstream: { max_store: 500MB, store_max_stream_bytes: 20MB }, users: [ { user: stream, password: pw } ] }
      SIZED: { jetstream: { max_store: 500MB, max_bytes_required: true }, users: [ { user: sized, password: pw } ] }
      FEW: { jetstream: { max_store: 500MB, max_streams: 1 }, users: [ { user: few, password: pw } ] }
      MEMORY: { jetstream: enabled, users: [ { user: memory, password: pw } ] }
      TOKEN: { jetstream: enabled, users: [ { user: token, password: pw } ] }
    }`,
});

@Controller()
class Handler {
  @AggregateHandler('topic')
  handle() {}
}

const apps: INestApplication[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

async function start(
  user: string,
  { pass = 'pw', ...options }: Partial<AggregateTransportOptions> & { pass?: string },
): Promise<INestApplication> {
  const app = await startApp({
    options: {
      ...{ servers: server().url, connection: { user, pass }, group: 'limits', topics: { topic: {} } },
      ...options,
    },
    controllers: [Handler],
  });
  apps.push(app);
  return app;
}

const small = { maxBytes: 10 * MIB };

describe('a limit of the account or the server names the option to change', () => {
  test.each<[what: string, user: string, options: Parameters<typeof start>[1], text: RegExp]>([
    [
      'less disk than a topic reserves',
      'small',
      { pass: 'p@ss/w:rd' },
      /10047: .*1073741824 bytes are reserved for "topic" \(stream\.maxBytes\).*set stream\.maxBytes lower/,
    ],
    [
      'less disk than its letters reserve',
      'small',
      { pass: 'p@ss/w:rd', stream: small },
      /10047: .*"topic_parked" \(parked\.maxBytes\).*set parked\.maxBytes lower/,
    ],
    [
      'less memory than a topic reserves',
      'memory',
      { stream: { ...small, maxBytes: 30 * MIB, storage: 'memory' } },
      /10028: .*max_memory_store.*set stream\.maxBytes lower/,
    ],
    [
      'a largest stream',
      'stream',
      { stream: { maxBytes: 30 * MIB } },
      /10122: .*store_max_stream_bytes.*set stream\.maxBytes lower/,
    ],
    [
      'a size for each stream, of which a bucket has none',
      'sized',
      { stream: small, parked: small },
      /10113: .*"KV_aggregate-transport" is made without one: create it with max_bytes beforehand/,
    ],
    ['few streams', 'few', { stream: small, parked: small }, /10027: .*max_streams/],
    [
      'one server and three replicas',
      'memory',
      { stream: { ...small, replicas: 3 } },
      /10074: .*stream\.replicas to 1/,
    ],
  ])('%s', async (_what, user, options, text) => {
    const starting = start(user, options);
    await expect(starting).rejects.toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    await expect(starting).rejects.toThrow(text);
    await expect(starting).rejects.toThrow(SAYS_ALL);
  });
});

describe('credentials in the address of a server', () => {
  const address = (credentials: string): string => server().url.replace('//', `//${credentials}@`);

  test.each([
    ['as they are', 'small:p@ss%2Fw:rd'],
    ['percent-encoded', 'small:p%40ss%2Fw%3Ard'],
  ])('are used by the module, %s, and never told', async (_how, credentials) => {
    const log = new CapturedLog();
    const app = await startApp({
      options: {
        ...{ servers: address(credentials), topics: { addressed: {} }, stream: small },
        connection: { reconnectTimeWait: 50 },
      },
      publishers: ['addressed'],
      logger: log,
    });
    apps.push(app);
    await publisherOf(app, 'addressed').publish({ aggregateId: 'a', type: 'T', payload: 1 });
    expect(log.lines.join('\n')).not.toMatch(/p@ss|p%40ss/);
  });

  test('that are wrong are refused without being told', async () => {
    const starting = startApp({
      options: { servers: address('small:guessed-secret'), topics: { topic: {} } },
    });
    await expect(starting).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
    await expect(starting).rejects.toThrow(/AUTHORIZATION_VIOLATION/);
    await expect(starting).rejects.not.toThrow(/guessed-secret/);
  });

  test('that differ from those of the options are refused by name', () => {
    const starting = startApp({
      options: {
        ...{ servers: address('small:guessed-secret'), topics: { topic: {} } },
        connection: { user: 'stream', pass: 'pw' },
      },
    });
    return expect(starting).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
  });

  test('are used by the command line, from --server and from NATS_URL', async () => {
    const given = await runCommand({ args: ['status', '--json', '--server', address('token:pw')] });
    expect([given.code, given.errors]).toEqual([0, '']);
    const fromEnv = await runCommand({ args: ['status', '--json'], env: { NATS_URL: address('token:pw') } });
    expect([fromEnv.code, fromEnv.errors]).toEqual([0, '']);
    const wrong = await runCommand({ args: ['status', '--server', address('token:guessed-secret')] });
    expect(wrong.code).toBe(1);
    expect(wrong.errors).toMatch(/AUTHORIZATION_VIOLATION/);
    expect(wrong.errors).not.toMatch(/guessed-secret/);
  }, 30_000);
});
