import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { AggregateClient, AggregateHealthIndicator, AggregateRecord } from 'nestjs-aggregate-transport';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { fakeNats } from '../support/fake-nats.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const TOPIC = 'ends';
const event = (aggregateId: string, payload: unknown = 1) => ({ aggregateId, type: 'T', payload });
const storeDir = mkdtempSync(join(tmpdir(), 'ends-'));
afterAll(() => rmSync(storeDir, { recursive: true, force: true }));

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'stored',
    (error: unknown) => (error as { code: string }).code,
  );
}

/** A port on which nothing listens. */
async function deadUrl(): Promise<string> {
  const port = await fakeNats(undefined);
  await port.close();
  return port.url;
}

describe('a client that has given up', () => {
  const config = (password: string): string =>
    `accounts { A { jetstream: enabled, users: [ { user: svc, password: ${password} } ] } }`;
  const start = async (password: string, port?: number): Promise<NatsServer> => {
    const nats = await startNatsServer({
      ...{ storeDir, config: config(password) },
      ...(port === undefined ? {} : { port }),
    });
    opened.push(() => nats.stop());
    return nats;
  };

  test('ends every publish with a code, says so once as an error, and health is down', async () => {
    const first = await start('one');
    const log = new CapturedLog();
    const app = await startApp({
      options: {
        servers: first.url,
        connection: { user: 'svc', pass: 'one' },
        topics: { [TOPIC]: {} },
        shutdown: { drainMs: 200 },
      },
      publishers: [TOPIC],
      logger: log,
    });
    opened.push(() => app.close());
    const publisher = publisherOf(app, TOPIC);
    await publisher.publish(event('a'));
    const told: string[] = [];
    const client = app.get(AggregateClient);
    client.on('disconnect', () => {
      throw new Error('a callback of the application');
    });
    client.on('disconnect', (topic) => void told.push(topic));
    await first.stop();
    await eventually('the connection to be gone', () => told.length > 0);
    const waiting = publisher.publish(event('a'));
    await start('two', first.port);
    expect(await codeOf(waiting)).toBe('CONNECTION_CLOSED');
    expect(await codeOf(publisher.publish(event('b')))).toBe('CONNECTION_CLOSED');
    await publisher.flush();
    expect(publisher.pending).toBe(0);
    const said = log.matching(/CONNECTION_CLOSED/);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^error .*closed it for good.*Authorization Violation/);
    expect(log.matching(/is gone, reconnecting/)).toHaveLength(1);
    expect(log.matching(/^error a callback of on\("disconnect"\) failed: .*of the application/)).toHaveLength(
      1,
    );
    const health = await app.get(AggregateHealthIndicator).isHealthy('events');
    expect(JSON.stringify(health)).toContain('connection-closed');
  }, 30_000);
});

describe('a server with another max_payload', () => {
  const start = async (maxPayload: string, port?: number): Promise<NatsServer> => {
    const nats = await startNatsServer({
      ...{ storeDir: join(storeDir, 'payload'), config: `max_payload: ${maxPayload}` },
      ...(port === undefined ? {} : { port }),
    });
    opened.push(() => nats.stop());
    return nats;
  };
  const KB = 1_024;

  test('costs the events that are too large for it, and no other; a larger one takes them', async () => {
    const large = await start('1MB');
    const log = new CapturedLog();
    const app = await startApp({
      options: { servers: large.url, topics: { [TOPIC]: {} }, shutdown: { drainMs: 200 } },
      publishers: [TOPIC],
      logger: log,
    });
    opened.push(() => app.close());
    const publisher = publisherOf(app, TOPIC);
    const payload = 'x'.repeat(200 * KB);
    await publisher.publish(event('a', payload));
    await large.stop();
    await log.says(/is gone/);
    const waiting = [
      publisher.publish(event('a', payload)),
      publisher.publish(event('a')),
      publisher.publish(event('b')),
    ];
    const small = await start('64KB', large.port);
    expect(await Promise.all(waiting.map(codeOf))).toEqual([
      ...['EVENT_TOO_LARGE', 'PREDECESSOR_REJECTED', 'stored'],
    ]);
    expect(await codeOf(publisher.publish(event('c', payload)))).toBe('EVENT_TOO_LARGE');
    await small.stop();
    await eventually('the second end', () => log.matching(/is gone/).length === 2);
    const huge = await start('8MB', large.port);
    await eventually('the third server', () => log.matching(/is back/).length === 2);
    expect(await codeOf(publisher.publish(event('c', 'x'.repeat(3 * KB * KB))))).toBe('stored');
    await huge.stop();
    await eventually('the third end', () => log.matching(/is gone/).length === 3);
    // While no server says what it takes, the last one counts.
    const meanwhile = codeOf(publisher.publish(event('d', 'x'.repeat(3 * KB * KB))));
    await start('8MB', large.port);
    expect(await meanwhile).toBe('stored');
    expect(log.matching(/a listener failed|did not send/)).toEqual([]);
  }, 60_000);
});

describe('an application that closes while it connects', () => {
  test('calls the connecting off', async () => {
    const servers = await deadUrl();
    const log = new CapturedLog();
    const starting = startApp({
      options: {
        ...{ servers, topics: { [TOPIC]: {}, other: {} } },
        connection: { waitOnFirstConnect: true, reconnectDelayHandler: () => Number.NaN },
      },
      publishers: [TOPIC],
      logger: log,
      configure: (app) => {
        void log
          .says(/expected connection\.reconnectDelayHandler to give milliseconds/)
          .then(() => app.close());
      },
    });
    expect(await codeOf(starting)).toBe('PUBLISHER_CLOSED');
  });

  test('rejects what was published meanwhile: it is not stored', async () => {
    const client = new AggregateClient({
      ...{ servers: await deadUrl(), topics: { [TOPIC]: {} } },
      connection: { waitOnFirstConnect: true },
    });
    const published = new Promise((resolve, reject) => {
      client.emit(TOPIC, new AggregateRecord(event('a'))).subscribe({ next: resolve, error: reject });
    });
    const code = codeOf(published);
    await client.close();
    expect(await code).toBe('PUBLISHER_CLOSED');
  });
});

describe('a process', () => {
  const run = (story: string, url: string): ChildProcess => {
    const script = 'dist/test/support/start-up-worker.js';
    const child = spawn(process.execPath, [script, story, url], { stdio: ['ignore', 'pipe', 'inherit'] });
    diesWithParent(child);
    return child;
  };

  test('that waits for a server ends at SIGTERM', async () => {
    const child = run('waiting', await deadUrl());
    await once(child.stdout!, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
  }, 20_000);

  test.each([
    ['undeclared', 'TOPIC_UNDECLARED'],
    ['mismatch', 'STREAM_MISSING'],
  ])(
    'ends by itself after a start that failed: %s',
    async (story, code) => {
      const child = run(story, server().url);
      const [said] = (await once(child.stdout!, 'data')) as [Buffer];
      expect(said.toString()).toBe(`failed ${code}\n`);
      expect(await once(child, 'exit')).toEqual([0, null]);
    },
    20_000,
  );
});
