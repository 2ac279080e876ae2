import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();

test('1 000 events of one aggregate are handled in order, one at a time', async () => {
  const oracle = new OrderOracle();

  @Controller()
  class Handler {
    @AggregateHandler('first')
    async handle(@Payload() payload: { n: number }, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
      oracle.started(id, payload.n);
      await Promise.resolve();
      oracle.ended(id, payload.n, ctx.attempt > 0);
    }
  }

  const app = await startApp({
    options: { servers: server().url, group: 'test', topics: { first: {} } },
    publishers: ['first'],
    controllers: [Handler],
    verbose: true,
  });
  const publisher = publisherOf(app, 'first');
  await Promise.all(
    Array.from({ length: 1_000 }, () =>
      publisher.publish({ aggregateId: 'one', type: 'Counted', payload: { n: oracle.published('one') } }),
    ),
  );
  await eventually('all events handled', () => oracle.isComplete);
  await app.close();
  expect(oracle.verdict()).toEqual({ handled: 1_000, repeated: 0, violations: [], overlaps: [], lost: [] });
});
