import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId, AggregateServer } from 'nestjs-aggregate-transport';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp, readersOf } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

// These tests kill the server, so it is one of our own.
const server = serverForAll({ config: '' });

test('an event that waits through twenty readers without starting is handled in its first attempt', async () => {
  const proxy = await TcpProxy.listen(server().port);
  const starts: { n: number; attempt: number }[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });

  @Controller()
  class Handler {
    @AggregateHandler('waiting', { retry: { attempts: 3 } })
    async handle(@Payload() { n }: { n: number }, @Ctx() ctx: AggregateContext) {
      starts.push({ n, attempt: ctx.attempt });
      if (n === 1) await held;
    }
  }

  const publishing = await startApp({
    options: { servers: server().url, topics: { waiting: {} } },
    publishers: ['waiting'],
  });
  const app = await startApp({
    options: {
      servers: proxy.url,
      group: 'waiting',
      topics: { waiting: { consume: { leaseTtlMs: 20_000 } } },
    },
    controllers: [Handler],
  });
  for (const n of [1, 2]) {
    await publisherOf(publishing, 'waiting').publish({ aggregateId: 'a', type: 'Waited', payload: { n } });
  }
  await eventually('the first event runs', () => starts.length === 1);
  for (let cut = 1; cut <= 20; cut++) {
    const before = readersOf(app);
    proxy.cut();
    await eventually('the reader after the cut', () => readersOf(app) > before);
  }
  release();
  await eventually('the second event has run', () => starts.length === 2);
  await app.close();
  await publishing.close();
  await proxy.close();
  expect(starts.map(({ n, attempt }) => [n, attempt])).toEqual([
    [1, 1],
    [2, 1],
  ]);
}, 60_000);

test('a server away for longer than the lease: the same process continues, no aggregate has two handlers', async () => {
  const oracle = new OrderOracle();
  const slow = new Set(['slow-1', 'slow-2']);

  @Controller()
  class Handler {
    @AggregateHandler('away')
    async handle(@Payload() { n }: { n: number }, @AggregateId() id: string) {
      oracle.started(id, n);
      // These outlast the lease, the server's absence and the next epoch's beginning.
      await new Promise((resolve) => setTimeout(resolve, slow.has(id) && n === 5 ? 4_000 : 2));
      oracle.ended(id, n, true);
    }
  }

  const app = await startApp({
    options: {
      servers: server().url,
      group: 'away',
      topics: { away: { consume: { leaseTtlMs: 1_000 } } },
    },
    publishers: ['away'],
    controllers: [Handler],
  });
  const epochs = (): number => app.get(AggregateServer).partitions[0]?.lease.epoch ?? 0;
  const publish = (id: string): Promise<unknown> =>
    publisherOf(app, 'away').publish({ aggregateId: id, type: 'T', payload: { n: oracle.published(id) } });
  const ids = ['slow-1', 'slow-2', 'quick-1', 'quick-2'];
  await Promise.all(ids.flatMap((id) => Array.from({ length: 10 }, () => publish(id))));
  await eventually('quick ones are handled', () => oracle.verdict().handled >= 28);
  await server().kill();
  await eventually(
    'the lease is gone',
    () => app.get(AggregateServer).partitions[0]?.lease.isValid() === false,
  );
  await server().start();
  await eventually('the next epoch', () => epochs() >= 2);
  await Promise.all(ids.flatMap((id) => Array.from({ length: 10 }, () => publish(id))));
  await eventually('all is handled', () => oracle.isComplete);
  await app.close();
  expect(oracle.verdict()).toMatchObject({ violations: [], overlaps: [], lost: [] });
}, 60_000);
