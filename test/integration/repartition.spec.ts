import { expect, test } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import { AggregateContext, AggregateHandler, AggregateId, AggregateServer } from 'nestjs-aggregate-transport';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { seededRandom } from '../support/seeded.js';

// Needs `npm run build`: the command is built code.

const random = seededRandom('repartition');
const server = serverForAll();
const LEASE_TTL_MS = 1_500;

function repartition(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  return runCommand({ args: ['repartition', ...args, '--server', server().url] });
}

interface Replica {
  readonly topic: string;
  readonly controllers: Type[];
  readonly partitions: number;
  readonly log?: CapturedLog;
  readonly leaseTtlMs?: number;
}

function startReplica({
  topic,
  controllers,
  partitions,
  log,
  leaseTtlMs = LEASE_TTL_MS,
}: Replica): Promise<INestApplication> {
  return startApp({
    options: {
      servers: server().url,
      group: 'billing',
      topics: { [topic]: { consume: { partitions, leaseTtlMs } } },
    },
    publishers: [topic],
    controllers,
    ...(log === undefined ? {} : { logger: log }),
  });
}

async function readersOf(topic: string): Promise<string[]> {
  const nats: NatsConnection = await connect({ servers: server().url });
  try {
    const manager = await nats.jetstreamManager();
    const names: string[] = [];
    for await (const { name } of manager.consumers.list(topic)) names.push(name);
    return names;
  } finally {
    await nats.close();
  }
}

test('4 partitions become 16 and 4 again under load: in order, none lost, nothing handled twice, tokens grow', async () => {
  const topic = 'load';
  const oracle = new OrderOracle();
  const tokens = new Map<string, number>();
  const shrunk: string[] = [];

  @Controller()
  class Handler {
    @AggregateHandler(topic)
    async handle(@Payload() { n }: { n: number }, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
      if (ctx.fencingToken < (tokens.get(id) ?? 0)) shrunk.push(id);
      tokens.set(id, ctx.fencingToken);
      oracle.started(id, n);
      await delay(random() * 4);
      oracle.ended(id, n, true);
    }
  }
  const apps: INestApplication[] = [];
  const load = { isOver: false };
  const log = new CapturedLog();
  let published = 0;
  try {
    // A lease that a busy machine loses repeats events, which is not what this is about.
    for (let replica = 0; replica < 2; replica++)
      apps.push(
        await startReplica({ topic, controllers: [Handler], partitions: 4, log, leaseTtlMs: 10_000 }),
      );
    const publisher = publisherOf(apps[0]!, topic);
    const publishing = (async () => {
      while (!load.isOver) {
        const batch = Array.from({ length: 100 }, () => {
          const aggregateId = `order-${published++ % 300}`;
          return publisher.publish({
            aggregateId,
            type: 'Counted',
            payload: { n: oracle.published(aggregateId) },
          });
        });
        await Promise.all(batch);
      }
    })();
    await eventually('some to be handled', () => oracle.verdict().handled > 500);
    for (const count of ['16', '4']) {
      const done = await repartition(topic, 'billing', count, '--yes');
      expect(done).toMatchObject({
        code: 0,
        output: expect.stringContaining(`the group has ${count} partitions`),
      });
      const before = oracle.verdict().handled;
      await eventually('the new layout to be at work', () => oracle.verdict().handled > before + 1_000);
      expect(apps.map((app) => app.get(AggregateServer).partitions.length)).toEqual([+count, +count]);
    }
    load.isOver = true;
    await publishing;
    await eventually('all events to be handled', () => oracle.isComplete);
    await eventually('one reader a partition', async () => (await readersOf(topic)).length === 4);
  } finally {
    load.isOver = true;
    await Promise.all(apps.map((app) => app.close()));
  }
  expect(shrunk).toEqual([]);
  expect(oracle.verdict()).toEqual({
    handled: published,
    repeated: 0,
    violations: [],
    overlaps: [],
    lost: [],
  });
  expect(log.matching(/the lease is lost/)).toEqual([]);
}, 60_000);

test('replicas that join before and during a change share the new partitions evenly, in order, none lost', async () => {
  const topic = 'joined';
  const oracle = new OrderOracle();
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });

  @Controller()
  class Handler {
    @AggregateHandler(topic)
    async handle(@Payload() { n }: { n: number }, @AggregateId() id: string) {
      oracle.started(id, n);
      await (id === 'held' ? released : delay(random() * 4));
      oracle.ended(id, n, true);
    }
  }
  const log = new CapturedLog();
  // Long enough that a busy machine loses none: then nothing is handled twice.
  const replica = { topic, controllers: [Handler], partitions: 4, log, leaseTtlMs: 5_000 };
  const apps: INestApplication[] = [];
  const heldBy = (app: INestApplication): number =>
    app.get(AggregateServer).partitions.filter(({ lease }) => lease.mode === 'held').length;
  let published = 0;
  try {
    apps.push(await startReplica(replica));
    const publisher = publisherOf(apps[0]!, topic);
    const publish = async (aggregateId: string): Promise<void> => {
      published++;
      await publisher.publish({
        aggregateId,
        type: 'Counted',
        payload: { n: oracle.published(aggregateId) },
      });
    };
    const publishMany = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 600 }, (_, n) => publish(`order-${n % 120}`)));
    await publish('held');
    await publishMany();
    await eventually('most to be handled', () => oracle.verdict().handled > 500);
    // Partitions are handed over to these, but for the one whose handler runs; then all of them are drained.
    apps.push(...(await Promise.all([startReplica(replica), startReplica(replica)])));
    const done = repartition(topic, 'billing', '16', '--yes');
    await eventually('the change to begin', () => log.lines.join('\n').includes('nothing new starts'));
    apps.push(await startReplica(replica));
    await publishMany();
    expect(apps.map((app) => app.get(AggregateServer).partitions.length)).toEqual([4, 4, 4, 4]);
    release();
    expect(await done).toMatchObject({
      code: 0,
      output: expect.stringContaining('the group has 16 partitions'),
    });
    await publishMany();
    await eventually('an even share', () => apps.map(heldBy).join() === '4,4,4,4');
    await publishMany();
    await eventually('all events to be handled', () => oracle.isComplete);
    for (const { groups } of apps.map((app) => app.get(AggregateServer)))
      expect(groups.map(({ partitions, replicas }) => [partitions.length, replicas.members.length])).toEqual([
        [16, 4],
      ]);
  } finally {
    release();
    await Promise.all(apps.map((app) => app.close()));
  }
  expect(oracle.verdict()).toEqual({
    handled: published,
    repeated: 0,
    violations: [],
    overlaps: [],
    lost: [],
  });
}, 60_000);

test('a handler that never ends holds the change up, is named, and --cancel brings the old layout back to work', async () => {
  const topic = 'held';
  const handled: string[] = [];
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });

  @Controller()
  class Handler {
    @AggregateHandler(topic)
    async handle(@AggregateId() id: string) {
      if (id === 'hangs') await released;
      handled.push(id);
    }
  }
  const app = await startReplica({ topic, controllers: [Handler], partitions: 4 });
  try {
    const publish = (aggregateId: string) =>
      publisherOf(app, topic).publish({ aggregateId, type: 'Counted', payload: {} });
    await publish('hangs');
    await publish('first');
    await eventually('the first to be handled', () => handled.includes('first'));

    const held = await repartition(topic, 'billing', '8', '--yes', '--wait', '5000');
    expect(held.code).toBe(1);
    expect(held.output).toMatch(
      /drained 3 of 4; partition \d: the handler of aggregate "hangs" \(sequence 1\) runs for \d+ s/,
    );
    await publish('second');
    expect(await repartition(topic, 'billing', '16', '--yes')).toMatchObject({
      code: 1,
      errors: expect.stringContaining('CHANGE_UNDER_WAY'),
    });
    await delay(200);
    expect(handled).toEqual(['first']);

    expect(await repartition(topic, 'billing', '--cancel')).toMatchObject({ code: 0 });
    await eventually('the old layout to be at work', () => handled.includes('second'));
    for (let n = 0; n < 40; n++) await publish(`later-${n}`);
    await eventually('all others to be handled', () => handled.length === 42);
    expect(handled).not.toContain('hangs');

    // Run again when it can continue; the handler of the event that hung ends meanwhile.
    const again = repartition(topic, 'billing', '8', '--yes');
    release();
    expect(await again).toMatchObject({ code: 0 });
    await publish('last');
    await eventually('the last to be handled', () => handled.includes('last'));
    expect(handled.toSorted()).toEqual([...new Set(handled)].toSorted());
  } finally {
    release();
    await app.close();
  }
}, 60_000);

test('a replica configured with another number follows the record of its group, and says so', async () => {
  const topic = 'follows';
  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(): void {}
  }
  const first = await startReplica({ topic, controllers: [Handler], partitions: 4 });
  const log = new CapturedLog();
  const second = await startReplica({ topic, controllers: [Handler], partitions: 8, log });
  try {
    expect(second.get(AggregateServer).partitions.length).toBe(4);
    expect(log.lines.join('\n')).toMatch(
      /has 4 partitions, as its record says; consume\.partitions 8 is not followed/,
    );
  } finally {
    await Promise.all([first.close(), second.close()]);
  }
});

test('the command asks before it begins, and knows a group that never started', async () => {
  const topic = 'asks';
  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(): void {}
  }
  const app = await startReplica({ topic, controllers: [Handler], partitions: 1 });
  try {
    expect(await repartition(topic, 'billing', '2')).toMatchObject({
      code: 2,
      errors: expect.stringContaining('not confirmed'),
    });
    expect(await repartition(topic, 'billing', '3')).toMatchObject({
      code: 2,
      errors: expect.stringContaining('power of two'),
    });
    expect(await repartition(topic, 'unknown', '2')).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/GROUP_UNKNOWN.*found none; check the names/),
    });
    expect(await repartition(topic, 'billing', '--cancel')).toMatchObject({ code: 1 });
    expect(await repartition(topic, 'billing', '1', '--json')).toMatchObject({
      code: 0,
      output: expect.stringContaining('"state":"done"'),
    });
  } finally {
    await app.close();
  }
});
