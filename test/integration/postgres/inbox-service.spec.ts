import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  type AggregateContext,
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateServer,
  AggregateTransportModule,
  AggregateTransportStatus,
  ParkedAggregates,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import {
  AggregatePostgresModule,
  Inbox,
  InboxOnce,
  inboxTransaction,
} from 'nestjs-aggregate-transport-postgres';
import { DataSource, type EntityManager } from 'typeorm';
import { eventually } from '../../support/eventually.js';
import { fixtureForEach, type PostgresFixture, postgresForAll } from '../../support/postgres.js';
import { publisherOf } from '../../support/app.js';
import { serverForAll } from '../../support/server.js';

const postgres = postgresForAll();
const nats = serverForAll();
const fixture = fixtureForEach(postgres);
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

interface Order {
  readonly n: number;
}

let topics = 0;

async function service(
  given: PostgresFixture,
  controller: new (...args: never[]) => object,
  topic: string,
  dataSource?: DataSource,
): Promise<INestApplication> {
  @Module({
    imports: [
      AggregateTransportModule.forRoot({
        servers: nats().url,
        topics: { [topic]: {} },
        group: 'billing',
        consume: { retry: { attempts: 3, firstDelayMs: 10, maxDelayMs: 50 } },
      }),
      AggregateTransportModule.forFeature([topic]),
      AggregatePostgresModule.forRoot({ pool: given.pool, schema: given.names.schema, inbox: true }),
    ],
    controllers: [controller],
    providers: dataSource === undefined ? [] : [{ provide: DataSource, useValue: dataSource }],
  })
  class TestModule {}
  const app = await NestFactory.create(TestModule, { logger: false, abortOnError: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  open.push(app);
  await app.init();
  await app.startAllMicroservices();
  return app;
}

async function withEffects(given: PostgresFixture): Promise<() => Promise<string[]>> {
  const table = `"${given.names.schema}".effects`;
  await given.pool.query(`create table ${table} (id serial primary key, what text not null)`);
  return async () => {
    const { rows } = await given.pool.query<{ what: string }>(`select what from ${table} order by id`);
    return rows.map(({ what }) => what);
  };
}

test('a handler that fails behind its effect commits it once, and rows of aggregates at rest can be pruned', async () => {
  const given = await fixture();
  const effects = await withEffects(given);
  const topic = `inbox-${++topics}`;
  const outcomes: string[] = [];
  @Controller()
  class Billing {
    constructor(private readonly inbox: Inbox) {}
    @AggregateHandler(topic)
    async on(@Payload() { n }: Order, @Ctx() ctx: AggregateContext): Promise<void> {
      outcomes.push(
        await this.inbox.once(ctx, (transaction) =>
          transaction.query(`insert into "${given.names.schema}".effects (what) values ($1)`, [
            `${ctx.aggregateId} ${n}`,
          ]),
        ),
      );
      if (ctx.attempt === 1) throw new Error('behind the commit');
    }
  }
  Reflect.defineMetadata('design:paramtypes', [Inbox], Billing);
  const app = await service(given, Billing, topic);
  for (let n = 1; n <= 3; n++)
    await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'Placed', payload: { n } });
  await eventually('all are handled', async () => (await effects()).length === 3 && outcomes.length === 6);
  expect(await effects()).toEqual(['a 1', 'a 2', 'a 3']);
  expect(outcomes).toEqual(['done', 'repeat', 'done', 'repeat', 'done', 'repeat']);

  const inbox = app.get(Inbox);
  await given.pool.query(`update "${given.names.schema}".inbox set updated_at = now() - interval '1 hour'`);
  await eventually('the position is confirmed, and the row goes', async () => {
    return (await inbox.prune({ topic, olderThanMs: 60_000 })) === 1;
  });
});

test('no row is pruned whose position lies above a letter: its aggregate is handled later', async () => {
  const given = await fixture();
  const effects = await withEffects(given);
  const topic = `inbox-${++topics}`;
  @Controller()
  class Billing {
    @AggregateHandler(topic)
    @InboxOnce()
    async on(@Payload() { n }: Order, @Ctx() ctx: AggregateContext): Promise<void> {
      if (ctx.aggregateId === 'poison') throw new UnrecoverableError(new Error('never'));
      await inboxTransaction().query(`insert into "${given.names.schema}".effects (what) values ($1)`, [
        String(n),
      ]);
    }
  }
  const app = await service(given, Billing, topic);
  const parked = app.get(ParkedAggregates);
  const publisher = publisherOf(app, topic);
  await publisher.publish({ aggregateId: 'poison', type: 'Placed', payload: { n: 0 } });
  await eventually('it is parked', async () => (await parked.list({ topic })).length === 1);
  await publisher.publish({ aggregateId: 'a', type: 'Placed', payload: { n: 1 } });
  await eventually('the other is handled', async () => (await effects()).length === 1);
  await eventually('both are settled', async () => {
    const { topics: seen } = await app.get(AggregateTransportStatus).snapshot();
    return seen[0]!.groups[0]!.partitions[0]!.settledThrough?.sequence === 2;
  });
  await given.pool.query(`update "${given.names.schema}".inbox set updated_at = now() - interval '1 hour'`);
  const inbox = app.get(Inbox);
  expect(await inbox.prune({ topic, olderThanMs: 60_000 })).toBe(0);
  await parked.discard({ topic, aggregateId: 'poison' });
  expect(await inbox.prune({ topic, olderThanMs: 60_000 })).toBe(1);
});

test('an owner that was followed by another blocks its aggregate: nothing is parked, and a reset lets it pass', async () => {
  const given = await fixture();
  const effects = await withEffects(given);
  const topic = `inbox-${++topics}`;
  @Controller()
  class Billing {
    @AggregateHandler(topic)
    @InboxOnce()
    async on(@Payload() { n }: Order, @Ctx() ctx: AggregateContext): Promise<void> {
      await inboxTransaction().query(`insert into "${given.names.schema}".effects (what) values ($1)`, [
        `${ctx.aggregateId} ${n}`,
      ]);
    }
  }
  // As after a restore of the streams: the database has seen a later owner.
  await given.pool.query(
    `insert into "${given.names.schema}".inbox (consumer_group, topic, aggregate, position, fencing_token)
     values ('billing', $1, 'a', 0, 1000)`,
    [topic],
  );
  const app = await service(given, Billing, topic);
  const publisher = publisherOf(app, topic);
  await publisher.publish({ aggregateId: 'a', type: 'Placed', payload: { n: 1 } });
  await publisher.publish({ aggregateId: 'b', type: 'Placed', payload: { n: 1 } });
  const inbox = app.get(Inbox);
  await eventually(
    'the other aggregate passes',
    async () => (await effects()).length === 1 && inbox.fences().length === 1,
  );
  const { topics: seen } = await app.get(AggregateTransportStatus).snapshot();
  const [slowest] = seen[0]!.groups[0]!.slowest;
  expect(slowest).toMatchObject({ aggregateId: 'a', lastFailure: { outcome: 'block' } });
  expect(slowest?.lastFailure?.error).toMatch(/^FENCED: .*at most \d+ for aggregate "a".*found 1000/);
  expect(await app.get(ParkedAggregates).list({ topic })).toEqual([]);
  const own = inbox.fences()[0]!.ownToken;
  const health = app.get(AggregateHealthIndicator);
  const { transport } = await health.isHealthy('transport');
  expect(transport).toMatchObject({
    status: 'down',
    problems: [{ code: 'settings-changed', topic, group: 'billing' }],
  });
  expect(transport.problems[0]!.why).toContain(
    `fencing token 1000 for aggregate "a", and the own token is ${own}`,
  );
  expect(transport.problems[0]!.do).toContain('inbox.reset(group)');

  expect(await inbox.reset('billing', { topic, aggregateId: 'a' })).toBe(1);
  await eventually('the blocked event passes', async () => (await effects()).length === 2);
  expect(await effects()).toEqual(['b 1', 'a 1']);
  expect(inbox.fences()).toEqual([]);
  await eventually(
    'health is well again',
    async () => (await health.isHealthy('transport')).transport.problems.length === 0,
  );
});

test("TypeORM's transactions hold effect and place, by the decorator above or below", async () => {
  const given = await fixture();
  const effects = await withEffects(given);
  const topic = `inbox-${++topics}`;
  const source = await new DataSource({ type: 'postgres', url: given.url }).initialize();
  open.push({ close: () => source.destroy() });
  @Injectable()
  @Controller()
  class Billing {
    @InboxOnce({ dataSource: DataSource })
    @AggregateHandler(topic)
    async on(@Payload() { n }: Order, @Ctx() ctx: AggregateContext): Promise<void> {
      const manager = inboxTransaction<EntityManager>();
      await manager.query(`insert into "${given.names.schema}".effects (what) values ($1)`, [String(n)]);
      if (ctx.attempt === 1) throw new Error('before the commit');
    }
  }
  const app = await service(given, Billing, topic, source);
  for (let n = 1; n <= 2; n++)
    await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'Placed', payload: { n } });
  await eventually('both are handled', async () => (await effects()).length === 2);
  expect(await effects()).toEqual(['1', '2']);
});
