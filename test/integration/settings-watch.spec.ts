import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import {
  AggregateHandler,
  type AggregateTransportOptions,
  AggregateTransportStatus,
  type ChangedSetting,
} from 'nestjs-aggregate-transport';
import { startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { fairClockForAll } from '../support/fair-clock.js';
import { serverForAll } from '../support/server.js';

/** Promised: an edit that breaks a promise is noticed within this time. */
const NOTICED_WITHIN_MS = 10_000;
const HOUR = 3_600_000_000_000;
const BREAKS = /breaks a promise since it was edited/;

const server = serverForAll();
const clock = fairClockForAll();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

/** An operator with the ordinary client. */
async function operator(): Promise<JetStreamManager> {
  const nats: NatsConnection = await connect({ servers: server().url });
  open.push(nats);
  return nats.jetstreamManager();
}

async function serve(
  topic: string,
  logger: CapturedLog,
  options: { handles: boolean; topicOptions?: NonNullable<AggregateTransportOptions['topics']>[string] },
): Promise<INestApplication> {
  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(): void {}
  }
  const app = await startApp({
    logger,
    options: { servers: server().url, group: 'shop', topics: { [topic]: options.topicOptions ?? {} } },
    publishers: [topic],
    ...(options.handles ? { controllers: [Handler] } : {}),
  });
  open.push(app);
  return app;
}

async function changedIn(app: INestApplication): Promise<readonly ChangedSetting[]> {
  const { topics } = await app.get(AggregateTransportStatus).snapshot();
  return topics.flatMap(({ changedSettings }) => changedSettings);
}

test('an edit of each of the five streams is noticed within 10 s, logged once, and over when it is taken back', async () => {
  const log = new CapturedLog();
  const topic = 'edited';
  const app = await serve(topic, log, { handles: true });
  const manager = await operator();
  const edits: [stream: string, edit: object, back: object, names: RegExp][] = [
    [topic, { max_msgs_per_subject: 5 }, { max_msgs_per_subject: -1 }, /max_msgs_per_subject -1, found 5/],
    [`${topic}_parked`, { max_age: HOUR }, { max_age: 0 }, /max_age 0, found 3600000000000/],
    [`${topic}_positions`, { discard: 'old' }, { discard: 'new' }, /discard "new", found "old"/],
    ['KV_aggregate-transport', { max_age: HOUR }, { max_age: 0 }, /max_age 0, found 3600000000000/],
    [
      'KV_aggregate-transport-parked',
      { max_msgs_per_subject: 3 },
      { max_msgs_per_subject: 1 },
      /max_msgs_per_subject 1, found 3/,
    ],
  ];
  for (const [stream, edit] of edits) await manager.streams.update(stream, edit);
  await eventually(
    'five changes to be noticed',
    async () => (await changedIn(app)).length === edits.length,
    NOTICED_WITHIN_MS,
    clock().now,
  );
  const changed = await changedIn(app);
  for (const [stream, , , names] of edits) {
    expect(changed.find((one) => one.stream === stream)?.what).toMatch(names);
  }
  for (const [stream, , back] of edits) await manager.streams.update(stream, back);
  await eventually(
    'no change to be left',
    async () => (await changedIn(app)).length === 0,
    NOTICED_WITHIN_MS,
    clock().now,
  );
  // Between the two there was more than one look.
  expect(log.matching(BREAKS)).toHaveLength(edits.length);
  expect(log.matching(/is as it must be again/)).toHaveLength(edits.length);
}, 40_000);

test('a process that only publishes notices edits of the topic: no answers, a shorter duplicate window, another subject', async () => {
  const log = new CapturedLog();
  const topic = 'published';
  const app = await serve(topic, log, { handles: false });
  const manager = await operator();
  await manager.streams.update(topic, { no_ack: true, duplicate_window: 1_000_000_000 });
  await eventually(
    'two changes to be noticed',
    async () => (await changedIn(app)).length === 2,
    NOTICED_WITHIN_MS,
    clock().now,
  );
  expect((await changedIn(app)).map(({ what }) => what).sort()).toEqual([
    expect.stringMatching(/^expected duplicate_window of at least 120000000000, found 1000000000/),
    expect.stringMatching(/^expected no_ack unset, found true/),
  ]);
  await manager.streams.delete(topic);
  await eventually(
    'the missing stream to be noticed',
    async () => (await changedIn(app)).some(({ what }) => what.startsWith('expected stream to exist')),
    NOTICED_WITHIN_MS,
    clock().now,
  );
}, 40_000);

test('more room is no change, and with provision "off" nothing is compared', async () => {
  const log = new CapturedLog();
  const [watched, off] = ['roomy', 'unwatched'] as const;
  await serve(watched, log, {
    handles: true,
    topicOptions: { stream: { maxBytes: 10_000_000, maxMessages: 100 } },
  });
  await (await serve(off, log, { handles: true })).close();
  await serve(off, log, { handles: true, topicOptions: { stream: { provision: 'off' } } });
  const marked = 'marked';
  const witness = await serve(marked, log, { handles: false });
  const manager = await operator();
  await manager.streams.update(watched, { max_bytes: 20_000_000, max_msgs: 200 });
  await manager.streams.update(off, { max_msgs_per_subject: 7 });
  // Later than both, and looked for as often.
  await manager.streams.update(marked, { max_msgs_per_subject: 7 });
  await eventually(
    'the last edit to be noticed',
    async () => (await changedIn(witness)).length === 1,
    NOTICED_WITHIN_MS,
    clock().now,
  );
  await manager.streams.update(marked, { max_msgs_per_subject: 8 });
  await log.says(/found 8/, NOTICED_WITHIN_MS, clock().now);
  expect(log.matching(BREAKS).every((line) => line.includes(`"${marked}"`))).toBe(true);
}, 40_000);
