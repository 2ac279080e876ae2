import { afterEach, expect, test } from '@jest/globals';
import { type CanActivate, Controller, type INestApplication, UseGuards } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { type AggregateContext, AggregateHandler, ParkedAggregates } from 'nestjs-aggregate-transport';
import { AsyncLocalStorage } from 'node:async_hooks';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

// Each attempt starts in the context that the server was started in: never in that of another event.

const server = serverForAll();
const tenants = new AsyncLocalStorage<string>();
let app: INestApplication | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

/** Enters a context for its event, unless there is one already. */
const guard: CanActivate = {
  canActivate: (host) => {
    const { aggregateId, sequence, attempt } = host.switchToRpc().getContext<AggregateContext>();
    if (tenants.getStore() === undefined) tenants.enterWith(`${aggregateId} ${sequence} ${attempt}`);
    return true;
  },
};

interface Seen {
  readonly own: string;
  readonly found: string | undefined;
}

async function serve(topic: string, handle: (context: AggregateContext) => unknown) {
  const seen: Seen[] = [];

  @Controller()
  @UseGuards(guard)
  class Tenants {
    @AggregateHandler(topic, { retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 5 } })
    handle(_payload: unknown, @Ctx() context: AggregateContext) {
      const { aggregateId, sequence, attempt } = context;
      seen.push({ own: `${aggregateId} ${sequence} ${attempt}`, found: tenants.getStore() });
      return handle(context);
    }
  }
  app = await startApp({
    options: { servers: server().url, group: 'tenants', topics: { [topic]: {} } },
    publishers: [topic],
    controllers: [Tenants],
  });
  return { seen, publisher: publisherOf(app, topic) };
}

test.each([
  ['at once', () => undefined],
  ['later', () => new Promise((resolve) => setImmediate(resolve))],
])('events that are handled %s see the context of their own guard alone', async (_how, handle) => {
  const { seen, publisher } = await serve(`contexts-${_how.replace(' ', '-')}`, handle);
  const events = ['anna', 'ben', 'cleo'].flatMap((aggregateId) => [1, 2, 3].map(() => aggregateId));
  await Promise.all(events.map((aggregateId) => publisher.publish({ aggregateId, type: 'T', payload: 1 })));
  await eventually('all events', () => seen.length === events.length);
  expect(seen.filter(({ own, found }) => own !== found)).toEqual([]);
});

test('retries, and letters that are handled again, see the context of their own guard alone', async () => {
  let isFixed = false;
  const { seen, publisher } = await serve('contexts-retried', () => {
    if (!isFixed) throw new Error('no stock');
  });
  for (const aggregateId of ['anna', 'ben'])
    for (const payload of [1, 2]) await publisher.publish({ aggregateId, type: 'T', payload });
  const parked = app!.get(ParkedAggregates);
  const topic = 'contexts-retried';
  await eventually('both to be parked', async () => (await parked.list({ topic })).length === 2);
  isFixed = true;
  for (const aggregateId of ['anna', 'ben'])
    expect(await parked.retry({ topic, aggregateId })).toEqual({ outcome: 'unparked' });
  // Three attempts at each first event, and a letter for each event.
  expect(seen).toHaveLength(2 * 3 + 4);
  expect(seen.filter(({ own, found }) => own !== found)).toEqual([]);
});

test('an event whose publish was called in a request sees nothing of that request', async () => {
  const { seen, publisher } = await serve('contexts-request', () => undefined);
  await tenants.run('a request', () => publisher.publish({ aggregateId: 'anna', type: 'T', payload: 1 }));
  await eventually('the event', () => seen.length === 1);
  expect(seen[0]!.found).toBe(seen[0]!.own);
});

test('a context that stands when the server starts is the one that attempts start in', async () => {
  await tenants.run('the service', async () => {
    const { seen, publisher } = await serve('contexts-started', () => undefined);
    await tenants.exit(() => publisher.publish({ aggregateId: 'anna', type: 'T', payload: 1 }));
    await eventually('the event', () => seen.length === 1);
    expect(seen[0]!.found).toBe('the service');
  });
});

test.each([
  ['at once', () => undefined],
  ['later', () => new Promise((resolve) => setImmediate(resolve))],
])('a context that a handler enters before it ends %s is gone with its attempt', async (how, handle) => {
  const topic = `contexts-entered-${how.replace(' ', '-')}`;
  const seen: Seen[] = [];
  @Controller()
  class Plain {
    @AggregateHandler(topic)
    handle(@Ctx() { aggregateId, sequence }: AggregateContext) {
      seen.push({ own: `${aggregateId} ${sequence}`, found: tenants.getStore() });
      tenants.enterWith(`${aggregateId} ${sequence}`);
      return handle();
    }
  }
  app = await startApp({
    options: { servers: server().url, group: 'tenants', topics: { [topic]: {} } },
    publishers: [topic],
    controllers: [Plain],
  });
  const publisher = publisherOf(app, topic);
  const events = ['anna', 'ben', 'cleo'].flatMap((aggregateId) => [1, 2, 3].map(() => aggregateId));
  await Promise.all(events.map((aggregateId) => publisher.publish({ aggregateId, type: 'T', payload: 1 })));
  await eventually('all events', () => seen.length === events.length);
  expect(seen.filter(({ found }) => found !== undefined)).toEqual([]);
});
