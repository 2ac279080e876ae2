import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import {
  AGGREGATE_TRANSPORT,
  type AggregateContext,
  AggregateId,
  AggregateServer,
  AggregateTransportStatus,
} from 'nestjs-aggregate-transport';
import { type Observable, timeout } from 'rxjs';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

async function serve(topics: readonly string[], controller: new () => object, logger = new CapturedLog()) {
  const app = await startApp({
    logger,
    options: {
      ...{ servers: server().url, group: 'shop', consume: { retry: { firstDelayMs: 10 } } },
      topics: Object.fromEntries(topics.map((topic) => [topic, {}])),
    },
    publishers: topics,
    controllers: [controller],
  });
  open.push(app);
  return app;
}

test("a bare @EventPattern's failure is logged once, with its event and its own error, and not by Nest", async () => {
  const topic = 'bare-failing';
  const log = new CapturedLog();
  let attempts = 0;

  @Controller()
  class Handler {
    @EventPattern<unknown>(topic, AGGREGATE_TRANSPORT)
    handle(): void {
      if (++attempts < 3) throw new Error('no stock');
    }
  }
  const app = await serve([topic], Handler, log);
  await publisherOf(app, topic).publish({ aggregateId: 'order-7', type: 'Placed', payload: 1 });
  await log.says(/handled in attempt 3/);
  expect(log.matching(/no stock/).every((line) => line.includes('order-7'))).toBe(true);
  expect(log.matching(/no stock/)).not.toEqual([]);
  expect(log.matching(/^error/)).toEqual([]);
});

test('a bare @EventPattern gets payload, aggregate id and context, for each of its topics, and counts as a handler', async () => {
  const topics = ['bare-one', 'bare-two'] as const;
  const seen: unknown[] = [];

  @Controller()
  class Handler {
    @EventPattern<unknown>([...topics], AGGREGATE_TRANSPORT)
    handle(@Payload() payload: unknown, @AggregateId() id: string, @Ctx() { topic }: AggregateContext): void {
      seen.push([topic, id, payload]);
    }
  }
  const app = await serve(topics, Handler);
  for (const topic of topics)
    await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'Placed', payload: topic });
  await eventually('both', () => seen.length === 2);
  expect(seen.sort()).toEqual(topics.map((topic) => [topic, 'a', topic]));
  expect(app.get(AggregateServer).handlerCount).toBe(1);
});

test('a bare @EventPattern that is not listened for is named by health', async () => {
  @Controller()
  class Handler {
    @EventPattern<unknown>('bare-unheard', AGGREGATE_TRANSPORT)
    handle(): void {
      // Never called.
    }
  }
  const app = await serve(['bare-unheard'], Handler);
  await app.get(AggregateServer).close();
  const { problems } = await app.get(AggregateTransportStatus).snapshot();
  expect(problems.map(({ code }) => code)).toContain('not-listening');
});

test('a lane waits for the method of a bare @EventPattern when an interceptor gives up first', async () => {
  const topic = 'bare-slow';
  class GivesUp implements NestInterceptor {
    intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
      return next.handle().pipe(timeout(20));
    }
  }
  let [running, most, handled] = [0, 0, 0];

  @Controller()
  class Handler {
    @UseInterceptors(GivesUp)
    @EventPattern<unknown>(topic, AGGREGATE_TRANSPORT)
    async handle(@Ctx() { signal }: AggregateContext): Promise<void> {
      most = Math.max(most, ++running);
      await once(signal, 'abort');
      running--;
      handled++;
    }
  }
  const app = await serve([topic], Handler);
  for (const n of [1, 2, 3])
    await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'Placed', payload: n });
  await eventually('all', () => handled >= 3);
  expect(most).toBe(1);
});
