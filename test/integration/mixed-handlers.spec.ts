import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AggregateHandler, AggregateServer } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const open: INestApplication[] = [];
const EVENTS = 20;

afterEach(async () => {
  for (const app of open.splice(0).reverse()) await app.close();
});

interface Counted {
  readonly type: string;
  readonly n: number;
}

async function service(topic: string, types: string[], handled: Counted[], logger: CapturedLog) {
  @Controller()
  class Handler {
    @AggregateHandler(topic, { type: types })
    handle(@Payload() event: Counted): void {
      handled.push(event);
    }
  }
  const app = await startApp({
    ...{ logger, publishers: [topic], controllers: [Handler] },
    options: { servers: server().url, group: 'billing', topics: { [topic]: { consume: { partitions: 4 } } } },
  });
  open.push(app);
  return app;
}

/** Events of types without a handler that were settled unhandled. */
function ignoredBy(app: INestApplication): number {
  return app.get(AggregateServer).partitions.reduce((sum, { counts }) => sum + counts.ignored, 0);
}

function waitingIn(app: INestApplication): boolean {
  return app.get(AggregateServer).partitions.some(({ consumer }) => consumer.load.typeWait !== undefined);
}

test('of two services in one group neither settles the events of the other away, and both say so', async () => {
  const log = new CapturedLog();
  const handled: Counted[] = [];
  const placed = await service('mixed', ['Placed'], handled, log);
  const paid = await service('mixed', ['Paid'], handled, log);
  await log.says(
    /this replica handles Placed, and another one \([^)]+\) handles Paid: neither has all types/,
  );
  await log.says(
    /this replica handles Paid, and another one \([^)]+\) handles Placed: neither has all types/,
  );
  await eventually('both own partitions', () =>
    [placed, paid].every((app) => app.get(AggregateServer).partitions.some(({ lease }) => lease.isValid())),
  );

  const publisher = publisherOf(placed, 'mixed');
  for (let n = 0; n < EVENTS; n++) {
    for (const type of ['Placed', 'Paid'])
      await publisher.publish({ aggregateId: `order-${n}`, type, payload: { type, n } });
  }
  await eventually('both wait for the other', () => waitingIn(placed) && waitingIn(paid));
  expect([ignoredBy(placed), ignoredBy(paid)]).toEqual([0, 0]);
  expect(handled.length).toBeLessThan(2 * EVENTS);

  // The remedy: replicas with all handlers.
  const both = await service('mixed', ['Placed', 'Paid'], handled, log);
  await placed.close();
  await paid.close();
  await eventually('everything is handled', () => handled.length >= 2 * EVENTS);
  for (let n = 0; n < EVENTS; n++) {
    const types = handled.filter((event) => event.n === n).map(({ type }) => type);
    expect(types).toEqual(['Placed', 'Paid']);
  }
  expect(ignoredBy(both)).toBe(0);
}, 60_000);

test('a rolling deploy that adds a type loses none of its events, and warns of nothing', async () => {
  const log = new CapturedLog();
  const handled: Counted[] = [];
  const before = await service('rolling', ['Placed'], handled, log);
  const after = await service('rolling', ['Placed', 'Paid'], handled, log);
  await eventually('both see each other', () =>
    [before, after].every((app) => app.get(AggregateServer).groups[0]?.replicas.members.length === 2),
  );
  const publisher = publisherOf(after, 'rolling');
  for (let n = 0; n < EVENTS; n++)
    await publisher.publish({ aggregateId: `order-${n}`, type: 'Paid', payload: { type: 'Paid', n } });
  await before.close();
  await eventually('everything is handled', () => handled.length === EVENTS);
  expect(ignoredBy(before) + ignoredBy(after)).toBe(0);
  expect(log.matching(/neither has all types/)).toEqual([]);
}, 60_000);
