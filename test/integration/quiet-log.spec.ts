import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { AggregateClient, AggregateHandler, AggregateServer } from 'nestjs-aggregate-transport';
import { MAX_LINES, SUMMARY_EVERY_MS } from '#library/line-room.js';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { KeptLines } from '../support/kept-lines.js';
import { serverForAll } from '../support/server.js';

// How much a service says that has nothing to complain of. Each line more than these costs its readers something.

const server = serverForAll();
const TOPIC = 'quiet';
const PARTITIONS = 4;
const AGGREGATES = 500;
const EVENTS_OF_EACH = 6;

const log = new KeptLines();
let handled = 0;
let running: INestApplication[] = [];

@Controller()
class Skipping {
  @AggregateHandler('flooded', { retry: { attempts: 1 }, onExhausted: 'skip' })
  handle() {
    throw new Error('the database is away');
  }
}

@Controller()
class Handler {
  @AggregateHandler(TOPIC)
  handle() {
    handled++;
  }
}

afterEach(async () => {
  await Promise.all(running.map((app) => app.close()));
  running = [];
});

/** Ready once it is served; who owns which partition is waited for apart. */
async function start(): Promise<INestApplication> {
  const app = await startApp({
    options: {
      servers: server().url,
      group: 'billing',
      topics: { [TOPIC]: { consume: { partitions: PARTITIONS } } },
    },
    publishers: [TOPIC],
    controllers: [Handler],
    logger: log,
  });
  running.push(app);
  return app;
}

function ownedBy(app: INestApplication): number {
  return app.get(AggregateServer).partitions.filter(({ lease }) => lease.mode === 'held').length;
}

function owns(app: INestApplication, count: number): Promise<void> {
  return eventually(`${count} partitions to be owned`, () => ownedBy(app) === count);
}

async function close(app: INestApplication): Promise<void> {
  running = running.filter((one) => one !== app);
  await app.close();
}

/** Publishes to all aggregates in turn, and waits for each round: a machine under load is not to be overrun by it. */
async function work(app: INestApplication): Promise<void> {
  for (let round = 0; round < EVENTS_OF_EACH; round++) {
    const until = handled + AGGREGATES;
    const events = Array.from({ length: AGGREGATES }, (_, n) => ({
      aggregateId: `order-${n}`,
      type: 'Counted',
      payload: { n: round },
    }));
    await publisherOf(app, TOPIC).publishAll(events);
    await eventually('all events to be handled', () => handled >= until);
  }
}

/** What is said while the function runs: events and counts, by level. */
async function said(run: () => Promise<void>): Promise<Said> {
  const place = log.kept.length;
  await run();
  const counts: Said = { info: {}, debug: {} };
  for (const { level, event, text } of log.kept.slice(place)) {
    if (level === 'warn' || level === 'error')
      throw new Error(`expected nothing of level ${level}, found ${text}`);
    counts[level][event] = (counts[level][event] ?? 0) + 1;
  }
  return counts;
}

interface Said {
  readonly info: Record<string, number>;
  readonly debug: Record<string, number>;
}

const NOTHING: Said = { info: {}, debug: {} };
/** Said where both NATS clients are installed, and by servers that have no batches. */
const BY_PLACE = ['client-guessed', 'batching-off'];
/** One for each handler, topic, and change of who is there; one for each lease. */
const DEBUG_LINES: Readonly<Record<string, number>> = {
  'handler-bound': 1,
  'batching-on': 1,
  'partitions-shared': 1,
  'lease-held': PARTITIONS,
};

/** Events that are not expected, or are said more often than the bounds have it. */
function beyond(counts: Said['debug'], bounds: Readonly<Record<string, number>>): string[] {
  return Object.entries(counts).flatMap(([event, count]) =>
    count > (bounds[event] ?? 0) ? [`${event}: ${count}`] : [],
  );
}

function total(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function without(counts: Record<string, number>, events: readonly string[]): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([event]) => !events.includes(event)));
}

test('a healthy service says few lines at its start, and none above debug after that', async () => {
  let app!: INestApplication;
  const startAlone = async (): Promise<void> => {
    app = await start();
    await owns(app, PARTITIONS);
  };

  const first = await said(startAlone);
  expect(without(first.info, BY_PLACE)).toEqual({ 'topic-opened': 1, 'group-created': 1, 'group-served': 1 });
  expect(total(first.info)).toBeLessThanOrEqual(5);
  expect(first.debug).toMatchObject({ 'lease-held': PARTITIONS, 'partitions-shared': 1 });
  expect(beyond(first.debug, DEBUG_LINES)).toEqual([]);

  // Thousands of events of hundreds of aggregates cost no line of any level.
  expect(await said(() => work(app))).toEqual(NOTHING);
  expect(await said(() => work(app))).toEqual(NOTHING);

  let other!: INestApplication;
  const joined = await said(async () => {
    other = await start();
    await owns(other, PARTITIONS / 2);
    await owns(app, PARTITIONS / 2);
    await work(app);
  });
  // The replica that joins has its start; the one that was there says no more than who is there.
  expect(without(joined.info, BY_PLACE)).toEqual({ 'topic-opened': 1, 'group-served': 1 });
  const halved = { 'partitions-shared': 2, 'lease-held': PARTITIONS / 2 };
  expect(joined.debug).toMatchObject(halved);
  expect(beyond(joined.debug, { ...DEBUG_LINES, ...halved })).toEqual([]);

  const left = await said(async () => {
    await close(other);
    await owns(app, PARTITIONS);
    await work(app);
  });
  expect(left.info).toEqual({});
  expect(left.debug).toMatchObject({ 'lease-held': PARTITIONS / 2 });
  expect(beyond(left.debug, { 'partitions-shared': 1, 'lease-held': PARTITIONS / 2 })).toEqual([]);

  expect(await said(() => close(app))).toEqual(NOTHING);

  const later = await said(startAlone);
  expect(without(later.info, BY_PLACE)).toEqual({ 'topic-opened': 1, 'group-served': 1 });
  expect(beyond(later.debug, DEBUG_LINES)).toEqual([]);
  expect(await said(() => work(app))).toEqual(NOTHING);
  expect(await said(() => close(app))).toEqual(NOTHING);
}, 60_000);

test('a flood of failures is told in 100 lines for each 10 s, and the rest is counted', async () => {
  const aggregates = 400;
  const flooded = new KeptLines();
  const began = performance.now();
  const app = await startApp({
    options: { servers: server().url, group: 'billing', topics: { flooded: {} } },
    publishers: ['flooded'],
    controllers: [Skipping],
    logger: flooded,
  });
  running.push(app);
  const events = Array.from({ length: aggregates }, (_, n) => ({
    aggregateId: `order-${n}`,
    type: 'Counted',
    payload: { n },
  }));
  await publisherOf(app, 'flooded').publishAll(events);
  const skipped = (): number =>
    app.get(AggregateServer).partitions.reduce((sum, { counts }) => sum + counts.skipped, 0);
  await eventually('all events to be skipped', () => skipped() === aggregates);
  // Calls that fail have a line each, of no aggregate: the process bounds those.
  for (let n = 0; n < aggregates; n++) app.get(AggregateClient).emit('flooded', { of: 'no event' });
  await close(app);

  const windows = 1 + Math.ceil((performance.now() - began) / SUMMARY_EVERY_MS);
  const lines = flooded.kept.filter(({ event }) => event === 'event-skipped').length;
  expect(lines).toBeGreaterThanOrEqual(MAX_LINES);
  expect(lines).toBeLessThanOrEqual(windows * MAX_LINES);
  // None is lost: what has no line is in the counts, by the time the process has ended.
  const leftOut = flooded.kept.filter(({ event }) => event === 'lines-left-out');
  const counted = leftOut.reduce((sum, { fields }) => sum + (fields as { count: number }).count, 0);
  expect(lines + counted).toBe(aggregates);
  expect(leftOut.map(({ fields }) => fields)).toContainEqual(
    expect.objectContaining({ events: expect.stringMatching(/^event-skipped \d+$/) }),
  );
  const failedCalls = flooded.kept.filter(({ event }) => event === 'emitted-not-stored').length;
  expect(failedCalls).toBeLessThanOrEqual(windows * MAX_LINES);
  const sums = flooded.kept.filter(({ event }) => event === 'repeats-left-out');
  const notSaid = sums.reduce((sum, { fields }) => sum + (fields as { count: number }).count, 0);
  expect([notSaid > 0, failedCalls + notSaid]).toEqual([true, aggregates]);
}, 30_000);
