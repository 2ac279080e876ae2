import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { seededRandom } from '../support/seeded.js';

const server = serverForAll();

const EVENTS = 100_000;
const AGGREGATES = 1_000;
const MAX_HANDLER_MS = 5;
const FAILURES = 0.01;

test('100 000 events of 1 000 aggregates: in order, none lost, aggregates side by side', async () => {
  const oracle = new OrderOracle();
  const random = seededRandom('order under load');
  let handlerMs = 0;
  let retried = 0;

  @Controller()
  class Handler {
    @AggregateHandler('load', { retry: { firstDelayMs: 10 } })
    async handle(@Payload() payload: { n: number }, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
      oracle.started(id, payload.n);
      const durationMs = random() * MAX_HANDLER_MS;
      handlerMs += durationMs;
      await new Promise((resolve) => setTimeout(resolve, durationMs));
      const fails = ctx.attempt === 1 && random() < FAILURES;
      oracle.ended(id, payload.n, !fails);
      if (fails) {
        retried++;
        throw new Error('first attempt fails');
      }
    }
  }

  const app = await startApp({
    options: { servers: server().url, group: 'load', topics: { load: { publish: { maxPending: EVENTS } } } },
    publishers: ['load'],
    controllers: [Handler],
  });
  const publisher = publisherOf(app, 'load');
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: EVENTS }, (_, index) => {
      const aggregateId = `aggregate-${index % AGGREGATES}`;
      return publisher.publish({
        aggregateId,
        type: 'Counted',
        payload: { n: oracle.published(aggregateId) },
      });
    }),
  );
  const publishedMs = performance.now() - startedAt;
  await eventually('all events handled', () => oracle.isComplete, 60_000);
  const totalMs = performance.now() - startedAt;
  await app.close();

  const verdict = oracle.verdict();
  expect(verdict).toEqual({ handled: EVENTS, repeated: 0, violations: [], overlaps: [], lost: [] });
  expect(retried).toBeGreaterThan(EVENTS * FAILURES * 0.5);
  // Timings report, they do not gate: on a busy machine both sides of the ratio move.
  console.log(
    `published in ${Math.round(publishedMs)} ms, all handled in ${Math.round(totalMs)} ms; one at a time the handlers ` +
      `alone would take ${Math.round(handlerMs)} ms: ${(handlerMs / totalMs).toFixed(1)} times faster`,
  );
}, 90_000);
