import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type CanActivate, Module, UseGuards } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  AggregateContext,
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateServer,
  type AggregateTransportOptions,
  AggregateTransportStatus,
  type GroupStatus,
  ParkedAggregates,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

interface World {
  readonly app: INestApplication;
  readonly handled: string[];
  /** What a handler throws for an aggregate. */
  readonly failing: Map<string, Error>;
  /** Aggregates a guard refuses. */
  readonly refused: Set<string>;
  publish(...aggregateIds: string[]): Promise<void>;
}

async function worldOf(
  topic: string,
  { logger, ...options }: Partial<AggregateTransportOptions> & { logger?: CapturedLog } = {},
  consume: AggregateTransportOptions['consume'] = { partitions: 2 },
): Promise<World> {
  const handled: string[] = [];
  const failing = new Map<string, Error>();
  const refused = new Set<string>();

  class Guard implements CanActivate {
    canActivate(context: Parameters<CanActivate['canActivate']>[0]): boolean {
      return !refused.has(context.switchToRpc().getContext<AggregateContext>().aggregateId);
    }
  }

  @Controller()
  class Handler {
    @UseGuards(new Guard())
    @AggregateHandler(topic)
    handle(@Payload() _payload: unknown, @Ctx() { aggregateId }: AggregateContext): void {
      const error = failing.get(aggregateId);
      if (error !== undefined) throw error;
      handled.push(aggregateId);
    }
  }

  const app = await startApp({
    ...(logger && { logger }),
    options: {
      servers: server().url,
      group: 'shop',
      ...options,
      topics: {
        [topic]: {
          consume: {
            leaseTtlMs: 1_500,
            retry: { attempts: 50, firstDelayMs: 50, factor: 1, maxDelayMs: 100 },
            ...consume,
          },
        },
      },
    },
    publishers: [topic],
    controllers: [Handler],
  });
  open.push(app);
  const publisher = publisherOf(app, topic);
  return {
    app,
    handled,
    failing,
    refused,
    async publish(...aggregateIds) {
      for (const aggregateId of aggregateIds)
        await publisher.publish({ aggregateId, type: 'Counted', payload: { secret: 'hunter2' } });
    },
  };
}

async function groupOf({ app }: World): Promise<GroupStatus> {
  const { topics } = await app.get(AggregateTransportStatus).snapshot();
  return topics[0]!.groups[0]!;
}

test('a snapshot shows a failing aggregate with its attempts, a blocked lane, a parked aggregate, and the lag of the rest', async () => {
  const world = await worldOf('snapshots');
  world.failing.set('failing', new Error('no stock'));
  world.failing.set('hopeless', new UnrecoverableError(new Error('bad order')));
  world.refused.add('refused');
  await world.publish('fine', 'failing', 'failing', 'hopeless', 'refused');

  let group = await groupOf(world);
  await eventually('three aggregates in trouble', async () => {
    group = await groupOf(world);
    const parked = group.partitions.reduce(
      (sum, { counts, parked }) => sum + Math.min(counts.parked, parked),
      0,
    );
    return parked === 1 && group.slowest.length === 2 && group.slowest.every(({ attempts }) => attempts > 2);
  });
  expect(group.lookFailed).toBeUndefined();
  expect(group.breaker).toEqual({ isOpen: false, probing: undefined });
  expect(group.slowest).toMatchObject([
    // Blocked ones first, then the oldest.
    { aggregateId: 'refused', queued: 1, lastFailure: { stage: 'guard', outcome: 'block' } },
    {
      aggregateId: 'failing',
      type: 'Counted',
      sequence: 2,
      queued: 2,
      isStuck: false,
      lastFailure: { stage: 'handler', outcome: 'retry', error: 'Error: no stock' },
    },
  ]);
  expect(group.slowest[1]!.ageMs).toBeGreaterThan(50);
  expect(group.partitions).toMatchObject([
    { partition: 0, mode: 'running', epoch: 1, owner: { isThisProcess: true } },
    { partition: 1, mode: 'running', epoch: 1, owner: { isThisProcess: true } },
  ]);
  // A letter is settled: three events wait, of five.
  await eventually('a lag of 3', async () => {
    group = await groupOf(world);
    return group.partitions.reduce((sum, { lag = 0 }) => sum + lag, 0) === 3;
  });
  expect(Math.max(...group.partitions.map(({ oldestUnsettledMs = 0 }) => oldestUnsettledMs))).toBeGreaterThan(
    0,
  );
  const whole = await world.app.get(AggregateTransportStatus).snapshot({ slowest: 1 });
  expect(whole).toMatchObject({
    isListening: true,
    topics: [
      {
        topic: 'snapshots',
        connection: 'connected',
        publisher: { pending: 0, published: 5, failed: 0, unknown: 0, batching: { on: true } },
      },
    ],
  });
  expect(whole.topics[0]!.groups[0]!.slowest).toHaveLength(1);
  expect(JSON.stringify(whole)).not.toContain('hunter2');
}, 30_000);

test('a snapshot names another process as the owner of its partitions, and tells their lag, too', async () => {
  const world = await worldOf('owners');
  const other = await worldOf('owners');
  world.failing.set('failing', new Error('no stock'));
  await world.publish('failing');
  await eventually('a lag of 1, seen by the process that does not own the partition', async () => {
    const { partitions } = await groupOf(other);
    return partitions.reduce((sum, { lag = 0 }) => sum + lag, 0) === 1;
  });
  const ownersOf = ({ partitions }: GroupStatus) => partitions.map(({ owner }) => owner?.id);
  let [mine, others] = [await groupOf(world), await groupOf(other)];
  // One partition is handed over when the second process joins.
  await eventually('two owners, one for each process', async () => {
    [mine, others] = [await groupOf(world), await groupOf(other)];
    return new Set(ownersOf(mine)).size === 2 && ownersOf(mine).join() === ownersOf(others).join();
  });
  for (const { partition, owner } of mine.partitions) {
    expect(others.partitions[partition]!.owner!.isThisProcess).toBe(!owner!.isThisProcess);
    expect(others.partitions[partition]!.epoch).toBe(mine.partitions[partition]!.epoch);
  }
}, 30_000);

test('health goes down with the reason, readiness does not for one aggregate, and both come up again', async () => {
  const world = await worldOf('health');
  const health = world.app.get(AggregateHealthIndicator);
  expect(await health.isHealthy('events')).toEqual({ events: { status: 'up', problems: [] } });

  world.refused.add('refused');
  await world.publish('refused');
  const isDown = async (): Promise<boolean> => (await health.isHealthy('events')).events.status === 'down';
  await eventually('a refusal that makes health go down', isDown);
  expect(await health.isHealthy('events')).toMatchObject({
    events: {
      status: 'down',
      problems: [{ code: 'guard-refuses', why: expect.stringContaining('aggregate "refused"') }],
    },
  });
  expect(await health.isReady('events')).toMatchObject({ events: { status: 'up', problems: [{}] } });
  expect(await health.isLive('events')).toMatchObject({ events: { status: 'up' } });
  expect(await health.isHealthy('events', { ignore: ['guard-refuses'] })).toMatchObject({
    events: { status: 'up' },
  });

  world.refused.clear();
  await eventually('health that comes up again', async () => !(await isDown()));
  expect(world.handled).toEqual(['refused']);

  await world.app.close();
  expect(await health.isReady('events')).toMatchObject({ events: { status: 'down' } });
  expect(await health.isLive('events')).toMatchObject({ events: { status: 'up' } });
}, 30_000);

test('readiness is down while the server of the handlers does not listen, and Terminus understands the answer', async () => {
  const { app } = await worldOf('terminus');
  const indicator = app.get(AggregateHealthIndicator);

  @Module({ imports: [TerminusModule.forRoot({ logger: false })] })
  class HealthModule {}
  const module = await Test.createTestingModule({ imports: [HealthModule] }).compile();
  open.push(module);
  const terminus = await module.resolve(HealthCheckService);
  const check = () => terminus.check([() => indicator.isReady('events')]);
  expect(await check()).toMatchObject({ status: 'ok', info: { events: { status: 'up', problems: [] } } });

  await app.get(AggregateServer).close();
  await expect(check()).rejects.toMatchObject({
    response: {
      status: 'error',
      error: { events: { status: 'down', problems: [{ code: 'not-listening' }] } },
    },
  });
}, 30_000);

test('a meter of OpenTelemetry collects counts, the time that claims and readers took with their cause, and the lag', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const world = await worldOf('metrics', { metrics: { meter: provider.getMeter('test') } });
  world.failing.set('failing', new Error('no stock'));
  world.failing.set('hopeless', new UnrecoverableError(new Error('bad order')));
  await world.publish('fine', 'failing', 'hopeless', 'hopeless');
  const parked = world.app.get(ParkedAggregates);
  await eventually('two letters', async () => {
    const [found] = await parked.list({ topic: 'metrics' });
    return found?.letters === 2;
  });
  await eventually('some retries', async () => {
    const { slowest } = await groupOf(world);
    return slowest.some(({ attempts }) => attempts > 2);
  });
  world.failing.delete('hopeless');
  expect(await parked.retry({ topic: 'metrics', aggregateId: 'hopeless' })).toEqual({ outcome: 'unparked' });
  // The lag is that of the position on the server, which is committed a little later.
  await eventually('one event that is not settled', async () => {
    const { partitions } = await groupOf(world);
    return partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0) === 1;
  });

  await reader.forceFlush();
  const metrics = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
  const pointsOf = (name: string): DataPoint<unknown>[] =>
    metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
  const sumOf = (name: string, where: Record<string, unknown> = {}): number =>
    pointsOf(name)
      .filter(({ attributes }) => Object.entries(where).every(([key, value]) => attributes[key] === value))
      .reduce(
        (sum, { value }) => sum + (typeof value === 'number' ? value : (value as { count: number }).count),
        0,
      );

  const stage = 'error.type';
  expect(sumOf('messaging.client.sent.messages')).toBe(4);
  expect(sumOf('messaging.client.consumed.messages', { [stage]: undefined })).toBe(1);
  expect(sumOf('messaging.client.consumed.messages', { [stage]: 'handler' })).toBeGreaterThan(3);
  // Replayed letters are attempts of a handler, too.
  expect(sumOf('messaging.process.duration', { [stage]: undefined })).toBe(3);
  expect(sumOf('messaging.process.duration', { [stage]: 'handler' })).toBeGreaterThan(3);
  expect(sumOf('aggregate_transport.attempts.retried')).toBeGreaterThan(1);
  expect(sumOf('aggregate_transport.aggregates.parked')).toBe(1);
  expect(sumOf('aggregate_transport.aggregates.unparked')).toBe(1);
  expect(sumOf('aggregate_transport.letters.stored')).toBe(2);
  expect(sumOf('aggregate_transport.letters.replayed')).toBe(2);
  expect(sumOf('aggregate_transport.leases')).toBe(2);
  expect(sumOf('aggregate_transport.claims')).toBe(2);
  expect(sumOf('aggregate_transport.readers')).toBe(2);
  expect(sumOf('aggregate_transport.claim.duration', { 'aggregate_transport.claim.cause': 'release' })).toBe(
    2,
  );
  expect(sumOf('aggregate_transport.reader.duration', { 'aggregate_transport.reader.cause': 'start' })).toBe(
    2,
  );
  expect(sumOf('aggregate_transport.lag')).toBe(1);
  expect(sumOf('aggregate_transport.breaker.open')).toBe(0);
  expect(
    Math.max(...pointsOf('aggregate_transport.oldest_unsettled.age').map(({ value }) => value as number)),
  ).toBeGreaterThan(0);
  expect(pointsOf('aggregate_transport.lag')[0]!.attributes).toEqual({
    'messaging.system': 'nats',
    'messaging.destination.name': 'metrics',
    'messaging.consumer.group.name': 'shop',
    'messaging.destination.partition.id': expect.stringMatching(/^[01]$/),
  });
  // No attribute names an aggregate, an event, or what an error said.
  const values = metrics.flatMap(({ dataPoints }) =>
    (dataPoints as DataPoint<unknown>[]).flatMap(({ attributes }) => Object.values(attributes)),
  );
  expect(new Set(values)).toEqual(
    new Set(['nats', 'metrics', 'shop', '0', '1', 'process', 'send', 'release', 'start', 'handler']),
  );
  await provider.shutdown();
}, 30_000);

test('events that the stream drops before they are read are counted, logged once and named by health; others continue', async () => {
  const log = new CapturedLog();
  const small = { stream: { maxMessages: 10 }, logger: log };
  const world = await worldOf('small', small, { maxAckPending: 1 });
  world.failing.set('slow', new Error('busy'));
  await world.publish('slow');
  await eventually(
    'an event that holds the only place',
    async () => (await groupOf(world)).slowest.length === 1,
  );
  await world.publish(...Array.from({ length: 30 }, (_, n) => `order-${n}`));

  const lost = async (): Promise<number> => (await groupOf(world)).partitions[0]!.counts.lost;
  // Of 31 events the last ten are left, and one was read.
  await eventually('a loss of 20', async () => (await lost()) === 20);
  const health = world.app.get(AggregateHealthIndicator);
  const lostSome: unknown = expect.objectContaining({
    code: 'events-lost',
    why: expect.stringContaining('20'),
  });
  // What is left fills the stream, so that retention-near may be named beside it.
  expect(await health.isHealthy('events')).toMatchObject({
    events: { status: 'down', problems: expect.arrayContaining([lostSome]) },
  });
  expect(await health.isReady('events')).toMatchObject({ events: { status: 'up' } });

  world.failing.clear();
  await eventually('the rest handled', () => world.handled.length === 11);
  expect(world.handled).toEqual(['slow', ...Array.from({ length: 10 }, (_, n) => `order-${n + 20}`)]);
  expect(await lost()).toBe(20);
  expect(log.matching(/has dropped events up to sequence 21; those after 1 were never handled/)).toHaveLength(
    1,
  );
}, 30_000);
