import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import {
  AggregateContext,
  AggregateHandler,
  AggregateServer,
  AggregateTransportStatus,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { HandledOrder } from '../../support/handled-order.js';
import { serverForAll } from '../../support/server.js';
import { foreignMessage } from './foreign-messages.js';
import { firstSeed, Random } from './random.js';

/**
 * A client that is not ours stores random bodies, headers and subjects beside good events. Nothing is thrown that no
 * one catches, and good events of other aggregates are handled in order.
 *
 * `FOREIGN_MESSAGES` (400) messages, from seed `FOREIGN_SEED`.
 */
const MESSAGES = Number(process.env['FOREIGN_MESSAGES'] ?? 400);
const SEED = firstSeed('FOREIGN_SEED');
const TOPIC = 'fuzzed';
const GOOD = ['good1', 'good2', 'good3'];
const BATCH = 50;
const MS_PER_MESSAGE = 20;

let nats: NatsConnection;
const unhandled: unknown[] = [];
const noteUnhandled = (reason: unknown): void => void unhandled.push(reason);

// Before the server's own: it ends after the connections to it.
afterAll(async () => {
  process.off('unhandledRejection', noteUnhandled).off('uncaughtException', noteUnhandled);
  await nats.close();
});
const server = serverForAll();
beforeAll(async () => {
  process.on('unhandledRejection', noteUnhandled).on('uncaughtException', noteUnhandled);
  nats = await connect({ servers: server().url });
});

test(
  `random messages of a foreign client harm no good event (seed ${SEED}, ${MESSAGES} messages)`,
  async () => {
    const random = new Random(SEED);
    const log = new CapturedLog();
    const handled = new HandledOrder();
    const stalls = monitorEventLoopDelay({ resolution: 20 });
    stalls.enable();

    @Controller()
    class Handler {
      @AggregateHandler(TOPIC, { type: 'Counted' })
      handle(@Payload() n: number, @Ctx() { aggregateId, fencingToken }: AggregateContext): void {
        if (GOOD.includes(aggregateId)) handled.note(aggregateId, n, fencingToken);
      }
    }
    const app = await startApp({
      logger: log,
      options: {
        servers: server().url,
        group: 'g',
        topics: { [TOPIC]: { consume: { partitions: 2, retry: { attempts: 2, firstDelayMs: 1 } } } },
        consume: { breaker: { failedShare: 1 } },
      },
      publishers: [TOPIC],
      controllers: [Handler],
    });
    const publisher = publisherOf(app, TOPIC);
    let published = 0;
    for (let sent = 0; sent < MESSAGES; sent += BATCH) {
      for (let index = 0; index < BATCH; index++) {
        const { subject, body, headers } = foreignMessage(random, TOPIC);
        nats.publish(subject, body, headers === undefined ? {} : { headers });
      }
      await nats.flush();
      const n = ++published;
      await Promise.all(
        GOOD.map((aggregateId) => publisher.publish({ aggregateId, type: 'Counted', payload: n })),
      );
    }
    await eventually(
      'all good events to be handled',
      () => GOOD.every((id) => handled.last(id) === published),
      30_000 + MESSAGES * MS_PER_MESSAGE,
    );
    const longestStallMs = Math.round(stalls.max / 1e6);
    const leases = log.matching(/lease|halts|another reader/);
    console.log(
      `foreign client: seed ${SEED}, ${MESSAGES} messages, ${GOOD.length * published} good events, ` +
        `${handled.repeats} repeats, longest stall ${longestStallMs} ms\n${leases.join('\n')}`,
    );
    expect(GOOD.map((id) => handled.harmTo(id, published))).toEqual(GOOD.map(() => undefined));
    // Every message is handled, passed over or parked: none holds its partition up.
    await eventually(
      'nothing to be left',
      async () => {
        const { topics } = await app.get(AggregateTransportStatus).snapshot();
        const partitions = topics.flatMap(({ groups }) => groups.flatMap((group) => group.partitions));
        return partitions.every(({ lag, mode }) => mode === 'running' && lag === 0);
      },
      30_000 + MESSAGES * MS_PER_MESSAGE,
    );
    expect(app.get(AggregateServer).partitions.map(({ counts }) => counts.lost)).toEqual([0, 0]);
    for (const { aggregateId } of await app.get(ParkedAggregates).list({ topic: TOPIC }))
      expect(GOOD).not.toContain(aggregateId);
    await app.close();
    expect(unhandled).toEqual([]);
  },
  90_000 + 2 * MESSAGES * MS_PER_MESSAGE,
);
