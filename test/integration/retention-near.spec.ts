import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { connect, type JetStreamManager } from 'nats';
import {
  AggregateHandler,
  AggregateHealthIndicator,
  type AggregateTransportOptions,
  AggregateTransportStatus,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { fairClockForAll } from '../support/fair-clock.js';
import { serverForAll } from '../support/server.js';

/** Promised: named and over within this time. */
const WITHIN_MS = 11_000;
const server = serverForAll();
const clock = fairClockForAll();
/** Nest has one log in a process. */
const log = new CapturedLog();
const open: { close(): Promise<unknown> }[] = [];

afterAll(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

/** A service whose handler waits until it is let go. */
async function serve(
  topic: string,
  stream: NonNullable<NonNullable<AggregateTransportOptions['topics']>[string]['stream']>,
) {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));

  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(): Promise<void> {
      return released;
    }
  }
  const app = await startApp({
    logger: log,
    options: { servers: server().url, group: 'shop', topics: { [topic]: { stream } } },
    publishers: [topic],
    controllers: [Handler],
  });
  open.push({
    close: () => {
      release();
      return app.close();
    },
  });
  const publish = (count: number): Promise<unknown> =>
    publisherOf(app, topic).publishAll(
      Array.from({ length: count }, (_, n) => ({ aggregateId: `a${n}`, type: 'Placed', payload: n })),
    );
  return { app, publish, release };
}

async function operator(): Promise<JetStreamManager> {
  const nats = await connect({ servers: server().url });
  open.push(nats);
  return nats.jetstreamManager();
}

/** Reads memory alone; a snapshot would ask the server. */
async function isNamed(app: INestApplication): Promise<boolean> {
  return JSON.stringify(await app.get(AggregateHealthIndicator).isHealthy('events')).includes(
    'retention-near',
  );
}

async function problemsOf(app: INestApplication) {
  return (await app.get(AggregateTransportStatus).snapshot()).problems;
}

/** By name: how a scene ended. */
const scenes = new Map<string, Promise<unknown>>();

// Side by side, because nearly all of the time is waiting for looks, ten seconds apart.
beforeAll(() => {
  for (const scene of [catchesUp, isEnlarged, isAged]) {
    const ended = scene();
    // Told by its test.
    ended.catch(() => undefined);
    scenes.set(scene.name, ended);
  }
});

test('a group whose oldest unsettled event is about to be dropped is named within 11 s, and ready; not once it catches up', async () => {
  await scenes.get(catchesUp.name);
}, 40_000);

test('a larger stream ends it, and a stream that refuses new events never has it', async () => {
  await scenes.get(isEnlarged.name);
}, 40_000);

test('an event that is nearly too old is named, also in a stream that refuses new events', async () => {
  await scenes.get(isAged.name);
}, 40_000);

async function catchesUp(): Promise<void> {
  const topic = 'near';
  const { app, publish, release } = await serve(topic, { maxMessages: 100 });
  await publish(80);
  await publish(11);
  await eventually('the problem', () => isNamed(app), WITHIN_MS, clock().now);
  expect(await problemsOf(app)).toEqual([
    {
      ...{ code: 'retention-near', topic, group: 'shop', partition: 0, since: expect.any(Number) },
      why:
        'the stream will soon drop the oldest event that is not settled: ' +
        '91 of at most 100 events (max_msgs) are stored since it (sequence 1)',
      do: expect.stringContaining('nats stream edit'),
    },
  ]);
  const health = app.get(AggregateHealthIndicator);
  expect(JSON.stringify(await health.isHealthy('events'))).toContain('"down"');
  expect(JSON.stringify(await health.isReady('events'))).toContain('"up"');
  await log.says(/topic "near".*health goes down, retention-near: /, 5_000, clock().now);
  release();
  await eventually('no problem', async () => !(await isNamed(app)), WITHIN_MS, clock().now);
  await log.says(/topic "near".*retention-near is over/, 5_000, clock().now);
}

async function isEnlarged(): Promise<void> {
  const [near, full] = ['enlarged', 'refusing'] as const;
  const one = await serve(near, { maxMessages: 100 });
  const other = await serve(full, { maxMessages: 100, discard: 'new' });
  await Promise.all([one.publish(95), other.publish(95)]);
  await eventually('the problem', () => isNamed(one.app), WITHIN_MS, clock().now);
  await (await operator()).streams.update(near, { max_msgs: 1_000 });
  await eventually('no problem', async () => !(await isNamed(one.app)), WITHIN_MS, clock().now);
  expect(await problemsOf(other.app)).toEqual([]);
}

async function isAged(): Promise<void> {
  const topic = 'aged';
  const { app, publish } = await serve(topic, { discard: 'new' });
  await (
    await operator()
  ).streams.update(topic, { max_age: 12_000_000_000, duplicate_window: 12_000_000_000 });
  // Each snapshot asks the server, so that so short an age is not missed.
  const isOld = async (): Promise<boolean> =>
    (await problemsOf(app)).some(({ code, why }) => code === 'retention-near' && why.includes('max_age'));
  // On a busy machine an event may be gone before it was seen to be old; then the next one has its turn.
  for (let round = 1; ; round++) {
    await publish(1);
    const isSeen = await eventually('the problem', isOld, 14_000).then(
      () => true,
      () => false,
    );
    if (isSeen) return;
    expect(round).toBeLessThan(4);
  }
}
