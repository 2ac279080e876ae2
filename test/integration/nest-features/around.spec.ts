import { afterEach, expect, test } from '@jest/globals';
import { type CanActivate, Controller, type INestApplication, type Type, UseGuards } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  type AggregateContext,
  AggregateHandler,
  type Around,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { AsyncLocalStorage } from 'node:async_hooks';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

// Every attempt passes through `consume.around`, whichever way its handler is called.

const server = serverForAll();
const traces = new AsyncLocalStorage<Map<string, unknown>>();
let app: INestApplication | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

const RETRY = { attempts: 3, firstDelayMs: 1, maxDelayMs: 5 };
const seenByGuard: unknown[] = [];
const guard: CanActivate = {
  canActivate: () => {
    seenByGuard.push(traces.getStore()?.get('trace'));
    return true;
  },
};

/** A handler that may have a guard: then it is called through Nest. */
function controllerOf(
  topic: string,
  hasGuard: boolean,
  handle: (context: AggregateContext) => unknown,
): Type {
  @Controller()
  class Handlers {
    @AggregateHandler(topic)
    handle(_payload: unknown, @Ctx() context: AggregateContext) {
      return handle(context);
    }
  }
  if (hasGuard) UseGuards(guard)(Handlers);
  return Handlers;
}

async function serve(topic: string, controller: Type, around: Around) {
  const log = new CapturedLog();
  app = await startApp({
    options: {
      ...{
        servers: server().url,
        group: 'around',
        consume: { around: () => Promise.reject(new Error('root')) },
      },
      topics: { [topic]: { consume: { retry: RETRY, around } } },
    },
    publishers: [topic],
    controllers: [controller],
    logger: log,
  });
  return { log, publisher: publisherOf(app, topic), parked: app.get(ParkedAggregates) };
}

test.each([false, true])(
  'first attempts, retries and letters run in what around enters (with a guard: %s)',
  async (hasGuard) => {
    const topic = `around-attempts-${hasGuard}`;
    const [seen, passed]: [unknown[], string[]] = [[], []];
    let isFixed = false;
    const controller = controllerOf(topic, hasGuard, async () => {
      await Promise.resolve();
      seen.push(traces.getStore()?.get('trace'));
      if (!isFixed) throw new RangeError('no stock');
    });
    const { publisher, parked } = await serve(topic, controller, (context, next) => {
      passed.push(`${context.aggregateId} ${context.attempt}`);
      return traces.run(new Map([['trace', passed.length]]), next);
    });
    for (const payload of [1, 2]) await publisher.publish({ aggregateId: 'anna', type: 'T', payload });
    await eventually('it to be parked', async () => (await parked.list({ topic })).length === 1);
    isFixed = true;
    expect(await parked.retry({ topic, aggregateId: 'anna' })).toEqual({ outcome: 'unparked' });
    expect(passed).toEqual(['anna 1', 'anna 2', 'anna 3', 'anna 1', 'anna 1']);
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    if (hasGuard) expect(seenByGuard).toEqual(seen);
  },
);

interface Fault {
  readonly what: string;
  readonly bad: Around;
  readonly line: RegExp;
  readonly runsOfBad: number;
}

const faults: readonly Fault[] = [
  {
    what: 'throws before next',
    bad: () => {
      throw new SyntaxError('no trace');
    },
    line: /failed in its interceptor \(attempt 3\).*SyntaxError: no trace/,
    runsOfBad: 0,
  },
  {
    what: 'never calls next',
    bad: () => undefined,
    line: /failed in its interceptor \(attempt 3\).*HANDLER_NOT_CALLED/,
    runsOfBad: 0,
  },
  {
    what: 'fails after next',
    bad: (_context, next) => next().then(() => Promise.reject(new SyntaxError('no commit'))),
    line: /failed in its interceptor \(attempt 3\).*SyntaxError: no commit/,
    runsOfBad: 3,
  },
];

test.each(faults.flatMap((fault) => [false, true].map((hasGuard) => ({ ...fault, hasGuard }))))(
  'an around that $what costs its event alone (with a guard: $hasGuard)',
  async ({ what, bad, line, runsOfBad, hasGuard }) => {
    const topic = `around-${what.replaceAll(' ', '-')}-${hasGuard}`;
    const handled: string[] = [];
    const controller = controllerOf(topic, hasGuard, ({ aggregateId }) => handled.push(aggregateId));
    const { log, publisher, parked } = await serve(topic, controller, (context, next) =>
      context.aggregateId === 'bad' ? bad(context, next) : next(),
    );
    for (const aggregateId of ['bad', 'good'])
      await publisher.publish({ aggregateId, type: 'T', payload: 1 });
    await log.says(line);
    await eventually('the other event', () => handled.includes('good'));
    expect(handled.filter((id) => id === 'bad')).toHaveLength(runsOfBad);
    await eventually('it to be parked', async () => (await parked.list({ topic })).length === 1);
  },
);

test.each([false, true])(
  'an error that around catches fails the event all the same (with a guard: %s)',
  async (hasGuard) => {
    const topic = `around-swallows-${hasGuard}`;
    let attempts = 0;
    const controller = controllerOf(topic, hasGuard, () => {
      attempts++;
      throw new RangeError('no stock');
    });
    const { log, publisher } = await serve(topic, controller, (_context, next) =>
      next().catch(() => 'swallowed'),
    );
    await publisher.publish({ aggregateId: 'anna', type: 'T', payload: 1 });
    await log.says(/failed in its handler \(attempt 3\).*its aggregate is parked.*RangeError: no stock/);
    expect(attempts).toBe(3);
  },
);

test('the next event of an aggregate waits for a handler that around does not wait for', async () => {
  const steps: string[] = [];
  const controller = controllerOf('around-leaves', false, async ({ sequence }) => {
    steps.push(`${sequence} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    steps.push(`${sequence} ends`);
  });
  const around = (_context: AggregateContext, next: () => Promise<void>): void => void next();
  const { publisher } = await serve('around-leaves', controller, around);
  await publisher.publishAll([1, 2].map((payload) => ({ aggregateId: 'anna', type: 'T', payload })));
  await eventually('both', () => steps.length === 4);
  expect(steps).toEqual(['1 begins', '1 ends', '2 begins', '2 ends']);
});
