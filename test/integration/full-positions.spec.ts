import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { connect, type JetStreamManager } from 'nats';
import {
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateTransportStatus,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { fairClockForAll } from '../support/fair-clock.js';
import { serverForAll } from '../support/server.js';

/** Promised: named within this time, and over within this time of the repair. */
const WITHIN_MS = 5_000;
const server = serverForAll();
const clock = fairClockForAll();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

async function serve(topic: string, handled: string[], logger: CapturedLog): Promise<INestApplication> {
  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(payload: string): void {
      handled.push(payload);
    }
  }
  return startApp({
    logger,
    options: { servers: server().url, group: 'shop', topics: { [topic]: {} } },
    publishers: [topic],
    controllers: [Handler],
  });
}

async function operator(): Promise<JetStreamManager> {
  const nats = await connect({ servers: server().url });
  open.push(nats);
  return nats.jetstreamManager();
}

test('a claim that a full positions stream refuses is named by health within 5 s, with what to do, and over 5 s after there is room', async () => {
  const topic = 'claims';
  const [handled, log] = [[] as string[], new CapturedLog()];
  const first = await serve(topic, handled, log);
  await publisherOf(first, topic).publish({ aggregateId: 'a', type: 'Placed', payload: 'one' });
  await eventually('the first event', () => handled.length === 1);
  await first.close();
  const manager = await operator();
  // As in a group that has its record and has never claimed: a first record finds no room.
  await manager.streams.purge('KV_aggregate-transport', {
    filter: `$KV.aggregate-transport.lease.${topic}.>`,
  });
  await manager.streams.purge(`${topic}_positions`, { filter: `$KV.${topic}_positions.shop.>` });
  await manager.streams.update(`${topic}_positions`, { max_bytes: 1 });
  const app = await serve(topic, handled, log);
  open.push(app);
  const health = app.get(AggregateHealthIndicator);
  const isNamed = async (): Promise<boolean> =>
    JSON.stringify(await health.isHealthy('events')).includes('not-committing');
  await eventually('the problem', isNamed, WITHIN_MS, clock().now);
  const { problems } = await app.get(AggregateTransportStatus).snapshot();
  expect(problems).toContainEqual(
    expect.objectContaining({
      code: 'not-committing',
      topic,
      partition: 0,
      why: expect.stringContaining('maximum bytes exceeded'),
      do: expect.stringContaining('give it room (max_bytes)'),
    }),
  );
  expect(JSON.stringify(await health.isReady('events'))).toContain('"up"');
  expect(log.matching(/its position cannot be claimed, trying again: .*maximum bytes exceeded/)).not.toEqual(
    [],
  );
  await manager.streams.update(`${topic}_positions`, { max_bytes: -1 });
  await eventually('no problem', async () => !(await isNamed()), WITHIN_MS, clock().now);
  await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'Placed', payload: 'two' });
  await eventually('all events', () => handled.length === 3);
  // Its place is gone, so the group begins again.
  expect(handled).toEqual(['one', 'one', 'two']);
}, 40_000);
