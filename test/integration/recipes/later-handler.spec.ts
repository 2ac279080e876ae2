import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, ParkedAggregates } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { GROUP, walkOn } from './walk.js';

// Needs `npm run build`: the command is built code.

/** docs/operations/deploys.md, _A new handler type_ that is deployed after its events. */

const server = serverForAll();
const { reset } = walkOn(server);
let app: INestApplication | undefined;

afterEach(() => app?.close());

interface Deploy {
  readonly topic: string;
  /** Event types that have a handler. */
  readonly types: readonly string[];
  readonly onUnhandledType: 'ignore' | 'park';
  /** Gets `type sequence` of each event, and whether it is a replay. */
  readonly handled: string[];
}

async function deploy({ topic, types, onUnhandledType, handled }: Deploy): Promise<void> {
  await app?.close();
  const controllers = types.map((type): Type => {
    @Controller()
    class Handler {
      @AggregateHandler(topic, { type })
      handle(@Ctx() ctx: AggregateContext): void {
        handled.push(`${ctx.type} ${ctx.sequence}${ctx.isReplay ? ' again' : ''}`);
      }
    }
    return Handler;
  });
  app = await startApp({
    options: {
      servers: server().url,
      group: GROUP,
      topics: { [topic]: { consume: { leaseTtlMs: 1_000, onUnhandledType } } },
    },
    publishers: [topic],
    controllers,
  });
}

async function publish(topic: string, ...types: string[]): Promise<void> {
  for (const type of types) await publisherOf(app!, topic).publish({ aggregateId: 'a', type, payload: null });
}

test('with "ignore" a reset to before its events brings them to the new handler, and says what is a replay', async () => {
  const handled: string[] = [];
  const deployed = { topic: 'ignored', onUnhandledType: 'ignore' as const, handled };
  await deploy({ ...deployed, types: ['Placed'] });
  await publish('ignored', 'Placed', 'Shipped', 'Placed');
  await eventually('what has a handler', () => handled.length === 2);
  expect(handled).toEqual(['Placed 1', 'Placed 3']);
  // Events are gone for the group that a deploy alone comes after.
  await deploy({ ...deployed, types: ['Placed', 'Shipped'] });
  await publish('ignored', 'Shipped');
  await eventually('the next event', () => handled.length === 3);
  expect(handled.at(-1)).toBe('Shipped 4');
  await app?.close();
  app = undefined;
  await reset('ignored', 'sequence:2');
  handled.length = 0;
  await deploy({ ...deployed, types: ['Placed', 'Shipped'] });
  await eventually('the rest again', () => handled.length === 3);
  expect(handled).toEqual(['Shipped 2 again', 'Placed 3 again', 'Shipped 4 again']);
}, 60_000);

test('with "park" its events wait as letters, and a retry after the deploy handles them in order', async () => {
  const handled: string[] = [];
  const deployed = { topic: 'kept', onUnhandledType: 'park' as const, handled };
  await deploy({ ...deployed, types: ['Placed'] });
  await publish('kept', 'Placed', 'Shipped', 'Placed');
  await eventually('two letters', async () => {
    const [found] = await app!.get(ParkedAggregates).list({ topic: 'kept' });
    return found?.letters === 2;
  });
  await deploy({ ...deployed, types: ['Placed', 'Shipped'] });
  await app!.get(ParkedAggregates).retry({ topic: 'kept', aggregateId: 'a' });
  await eventually('all of it', () => handled.length === 3);
  expect(handled).toEqual(['Placed 1', 'Shipped 2', 'Placed 3']);
}, 60_000);
