import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AggregateHandler } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
const AGGREGATES = 20;

test('a database that is away costs two lines an aggregate, none of them by Nest and none an error', async () => {
  let isAway = true;
  let failed = 0;
  const handled: string[] = [];

  @Controller()
  class Away {
    @AggregateHandler('away', { retry: { attempts: 1_000, firstDelayMs: 5, maxDelayMs: 5 } })
    async handle(@Payload() id: string) {
      await Promise.resolve();
      if (isAway) {
        failed++;
        throw new Error('the database is away');
      }
      handled.push(id);
    }
  }
  const log = new CapturedLog();
  const app = await startApp({
    options: { servers: server().url, group: 'noise', topics: { away: {} } },
    publishers: ['away'],
    controllers: [Away],
    logger: log,
  });
  const publisher = publisherOf(app, 'away');
  for (let n = 0; n < AGGREGATES; n++)
    await publisher.publish({ aggregateId: `a${n}`, type: 'T', payload: `a${n}` });
  await eventually('a thousand failed attempts', () => failed >= 1_000);
  isAway = false;
  await eventually('all to be handled', () => handled.length === AGGREGATES);
  await app.close();

  expect(log.matching(/^warn .*failed in its handler \(attempt 1\), again in \d+ ms: .*away/)).toHaveLength(
    AGGREGATES,
  );
  expect(log.matching(/^log .*handled in attempt \d+/)).toHaveLength(AGGREGATES);
  expect(log.matching(/^error/)).toEqual([]);
  const summaries = log.matching(
    /^warn .*further attempt\(s\) of 20 aggregate\(s\) failed and .*the last failure: .*away/,
  );
  expect(summaries.length).toBeGreaterThan(0);
  expect(log.matching(/the database is away/)).toHaveLength(AGGREGATES + summaries.length);
}, 60_000);
