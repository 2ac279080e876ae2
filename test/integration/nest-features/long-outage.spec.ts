import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { HandledOrder } from '../../support/handled-order.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();

const AGGREGATES = Array.from({ length: 24 }, (_, n) => `account-${n}`);
/** Two summaries, and what is left. */
const OUTAGE_MS = 21_000;
/** Until the longest pause is over; ten attempts would be used up before the database is back. */
const RETRY = { attempts: 30, maxDelayMs: 3_000 };
const ROUND_EVERY_MS = 80;
/** One when each 10 s end, and one for the last failures. */
const SUMMARIES = 4;
/** Health goes down once, as most attempts fail, and that is over once. */
const HEALTH_LINES = 2;

test('a database away for 21 s at 300 events a second costs a line for each aggregate and change, and a summary every 10 s', async () => {
  let isAway = false;
  const order = new HandledOrder();

  @Controller()
  class Accounts {
    @AggregateHandler('accounts')
    async handle(@Payload() n: number, @Ctx() { aggregateId, fencingToken }: AggregateContext) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (isAway) throw new Error('the database is away');
      order.note(aggregateId, n, fencingToken);
    }
  }
  const log = new CapturedLog();
  const app = await startApp({
    options: { servers: server().url, group: 'noise', topics: { accounts: { consume: { retry: RETRY } } } },
    publishers: ['accounts'],
    controllers: [Accounts],
    logger: log,
  });
  const publisher = publisherOf(app, 'accounts');
  let round = 0;
  const publishRound = async (): Promise<void> => {
    round++;
    await publisher.publishAll(
      AGGREGATES.map((aggregateId) => ({ aggregateId, type: 'Booked', payload: round })),
    );
  };
  const publishFor = async (ms: number): Promise<void> => {
    const until = performance.now() + ms;
    while (performance.now() < until) {
      const next = performance.now() + ROUND_EVERY_MS;
      await publishRound();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
    }
  };
  await publishFor(1_000);
  await eventually('the first events to be handled', () =>
    AGGREGATES.every((id) => order.last(id) === round),
  );
  const before = log.lines.length;
  isAway = true;
  await publishFor(OUTAGE_MS);
  isAway = false;
  await publishFor(1_000);
  await eventually('all to be handled', () => AGGREGATES.every((id) => order.last(id) === round), 60_000);
  const lines = log.lines.slice(before);
  await app.close();

  const count = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
  const failed = count(
    /^warn .*failed in its handler \(attempt 1\), again in \d+ ms: .*the database is away/,
  );
  const recovered = count(/^log .*handled in attempt \d+/);
  const summaries = count(/^warn .*further attempt\(s\) of/);
  const health = count(/^(warn .*health goes down, |log .*: )attempts-fail(:| is over)/);
  console.log(
    `noise: ${round * AGGREGATES.length} events; ${count(/^error/)} ERROR, ${count(/^warn/)} WARN, ${count(/^log/)} LOG: ` +
      `${failed} failed, ${recovered} recovered, ${summaries} summaries, ${health} of health`,
  );
  expect(AGGREGATES.map((id) => order.harmTo(id, round))).toEqual(AGGREGATES.map(() => undefined));
  expect([failed, recovered]).toEqual([AGGREGATES.length, AGGREGATES.length]);
  expect(summaries).toBeGreaterThan(1);
  expect(summaries).toBeLessThanOrEqual(SUMMARIES);
  expect(health).toBe(HEALTH_LINES);
  // Nothing else: none by Nest, and no line for an attempt.
  expect(lines.length).toBe(failed + recovered + summaries + health);
}, 120_000);
