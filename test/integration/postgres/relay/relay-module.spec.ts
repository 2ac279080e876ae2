import { afterEach, expect, test } from '@jest/globals';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AggregateTransportModule, type Meter, type ObservableResult } from 'nestjs-aggregate-transport';
import {
  AggregatePostgresHealthIndicator,
  AggregatePostgresModule,
  AggregatePostgresStatus,
  getOutboxToken,
  type Outbox,
  type OutboxOptions,
  type OutboxStoppedNotice,
} from 'nestjs-aggregate-transport-postgres';
import { eventually } from '../../../support/eventually.js';
import { postgresForAll } from '../../../support/postgres.js';
import { type RelayFixture, relayFixtures } from '../../../support/relay.js';
import { serverForAll } from '../../../support/server.js';

const fixture = relayFixtures(postgresForAll(), serverForAll());
const apps: INestApplicationContext[] = [];

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

async function startService(
  world: RelayFixture,
  outbox: Partial<OutboxOptions> = {},
  metrics?: { meter: Meter },
): Promise<INestApplicationContext> {
  @Module({
    imports: [
      AggregateTransportModule.forRoot({ servers: world.servers, topics: { [world.topic]: {} } }),
      AggregatePostgresModule.forRoot({
        ...{ connectionString: world.url, schema: world.names.schema },
        outbox: { topics: [world.topic], ...outbox },
        ...(metrics && { metrics }),
      }),
    ],
  })
  class ServiceModule {}
  const app = await NestFactory.createApplicationContext(ServiceModule, {
    logger: false,
    abortOnError: false,
  });
  apps.push(app);
  return app;
}

async function add(app: INestApplicationContext, world: RelayFixture, name: string, size = 0): Promise<void> {
  const outbox = app.get<Outbox>(getOutboxToken(world.topic));
  await world.database.transaction(async ({ client }) => {
    const [aggregateId = ''] = name.split(':');
    await outbox.add(client, { aggregateId, type: 'T', payload: name.padEnd(size, ' ') });
  });
}

test('a service relays what it adds, in each of its shards, and hands over when it closes', async () => {
  const world = await fixture();
  const first = await startService(world, { shards: 4 });
  const second = await startService(world, { shards: 4 });
  for (let i = 0; i < 40; i++) await add(first, world, `a-${i}:1`);
  await world.untilEmpty();
  const { outboxes } = await first.get(AggregatePostgresStatus).snapshot();
  expect(outboxes[0]!.owners.map(({ shard, shards, isAlive }) => ({ shard, shards, isAlive }))).toEqual(
    [0, 1, 2, 3].map((shard) => ({ shard, shards: 4, isAlive: true })),
  );
  await apps.shift()!.close();
  for (let i = 0; i < 40; i++) await add(second, world, `a-${i}:2`);
  await world.untilEmpty();
  for (let i = 0; i < 40; i++) expect(await world.stored(`a-${i}`)).toEqual([`a-${i}:1`, `a-${i}:2`]);
});

test('processes with other numbers of shards exclude each other', async () => {
  const world = await fixture();
  const first = await startService(world, { shards: 1 });
  await add(first, world, 'a:1');
  await world.untilEmpty();
  const second = await startService(world, { shards: 2 });
  await add(second, world, 'a:2');
  await world.untilEmpty();
  const { relays } = await second.get(AggregatePostgresStatus).snapshot();
  expect(relays.map(({ mode }) => mode)).toEqual(['waiting', 'waiting']);
});

test('a service without a relay adds and relays nothing', async () => {
  const world = await fixture();
  const app = await startService(world, { relay: false });
  await add(app, world, 'a:1');
  const { outboxes, relays } = await app.get(AggregatePostgresStatus).snapshot();
  expect(relays).toEqual([]);
  expect(outboxes).toMatchObject([{ rows: 1, owners: [], stopped: 0 }]);
});

test('a stopped aggregate is told by the hook, by health and by the meter', async () => {
  const world = await fixture();
  await world.manage(({ streams }) => streams.update(world.topic, { max_msg_size: 1_000 }));
  const notices: OutboxStoppedNotice[] = [];
  const meter = new ReadMeter();
  const hooks = { outboxStopped: (notice: OutboxStoppedNotice) => notices.push(notice) };
  const app = await startService(world, { hooks }, { meter });
  const health = app.get(AggregatePostgresHealthIndicator);
  expect(await health.isHealthy('outbox')).toEqual({ outbox: { status: 'up', problems: [] } });
  await add(app, world, 'x:1', 3_000);
  await eventually('the hook to be called', () => notices.length > 0);
  expect(notices[0]).toMatchObject({ topic: world.topic, aggregateId: 'x', code: 'PUBLISH_REJECTED' });
  await eventually('health to be down', async () => {
    const { outbox } = await health.isHealthy('outbox');
    return outbox.status === 'down' && outbox.problems.some(({ topic }) => topic === world.topic);
  });
  const { outbox } = await health.isHealthy('outbox', { ignore: ['outbox-stuck'] });
  expect(outbox.status).toBe('up');
  expect(outbox.problems[0]!.why).toContain('"x" (PUBLISH_REJECTED)');
  expect((await health.isReady('outbox')).outbox.status).toBe('up');
  expect(await meter.read('aggregate_transport.outbox.stopped.current')).toEqual([1]);
  expect(await meter.read('aggregate_transport.outbox.lag')).toEqual([1]);
  expect(await meter.read('aggregate_transport.outbox.relaying')).toEqual([1]);
});

/** A meter that is read when the test asks. */
class ReadMeter implements Meter {
  readonly #callbacks = new Map<string, (result: ObservableResult) => unknown>();

  createHistogram(): { record: () => void } {
    return { record: () => undefined };
  }

  createObservableCounter = (name: string) => this.#instrument(name);
  createObservableGauge = (name: string) => this.#instrument(name);

  async read(name: string): Promise<number[]> {
    const values: number[] = [];
    await this.#callbacks.get(name)?.({ observe: (value) => void values.push(value) });
    return values;
  }

  #instrument(name: string): ReturnType<Meter['createObservableGauge']> {
    return {
      addCallback: (callback) => void this.#callbacks.set(name, callback),
      removeCallback: () => void this.#callbacks.delete(name),
    };
  }
}
