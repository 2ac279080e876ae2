import { expect, test } from '@jest/globals';
import {
  Controller,
  ParseIntPipe,
  UsePipes,
  ValidationPipe,
  type ValidationPipeOptions,
} from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { Type } from 'class-transformer';
import { IsInt, IsString, Min, ValidateNested } from 'class-validator';
import {
  AggregateContext,
  aggregateExceptionFactory,
  AggregateHandler,
  AggregateId,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { EXHAUSTED } from './exhausted.js';

const server = serverForAll();

class Item {
  @IsString()
  sku!: string;

  @IsInt()
  @Min(0)
  cents!: number;
}

class PlaceOrder {
  @IsString()
  customer!: string;

  @ValidateNested({ each: true })
  @Type(() => Item)
  items!: Item[];
}

const good = { customer: 'Ada', items: [{ sku: 'tea', cents: 250 }] };
const bad = { customer: 4711, items: [{ sku: 'tea', cents: -8_472_613 }] };

/** Publishes `bad` then `good` to aggregate "bad", and `good` to aggregate "good", through a global ValidationPipe. */
async function rejectOne(
  topic: string,
  options: ValidationPipeOptions,
): Promise<{ log: CapturedLog; handled: string[]; close: () => Promise<void> }> {
  const handled: string[] = [];
  const log = new CapturedLog();

  @Controller()
  class Orders {
    @AggregateHandler(topic)
    place(@Payload() order: PlaceOrder, @AggregateId() id: string) {
      handled.push(`${id} ${order.constructor.name} ${order.items[0]!.constructor.name}`);
    }
  }

  const app = await startApp({
    options: { servers: server().url, group: 'pipes', topics: { [topic]: {} } },
    publishers: [topic],
    controllers: [Orders],
    logger: log,
    configure: (created) => created.useGlobalPipes(new ValidationPipe({ transform: true, ...options })),
  });
  await publisherOf(app, topic).publishAll([
    { aggregateId: 'bad', type: 'OrderPlaced', payload: bad },
    { aggregateId: 'bad', type: 'OrderPlaced', payload: good },
    { aggregateId: 'good', type: 'OrderPlaced', payload: good },
  ]);
  return { log, handled, close: () => app.close() };
}

test('a payload that a ValidationPipe rejects is exhausted at once, with the rules it broke and none of its values', async () => {
  const { log, handled, close } = await rejectOne('rejected', {
    exceptionFactory: aggregateExceptionFactory,
  });
  const line = await log.says(/aggregate "bad" .*failed in its pipe \(attempt 1\)/);
  await eventually('the other aggregate is handled', () => handled.length > 0);
  await close();
  expect(handled).toEqual(['good PlaceOrder Item']);
  expect(line).toContain(EXHAUSTED);
  expect(line).toMatch(
    /PAYLOAD_INVALID: .*customer must be a string; items\.0\.cents: cents must not be less than 0/,
  );
  expect(log.lines.join('\n')).not.toMatch(/4711|8472613|8_472_613|Ada/);
});

test('the error that a ValidationPipe makes by itself is reported with its details, too', async () => {
  const { log, close } = await rejectOne('rejected-plainly', {});
  const line = await log.says(/failed in its pipe/);
  await close();
  expect(line).toMatch(
    /BadRequestException: customer must be a string; items\.0\.cents must not be less than 0/,
  );
  expect(line).toContain(EXHAUSTED);
});

test('pipes of a method and of a parameter apply; what they make of the payload is what the handler gets', async () => {
  const seen: unknown[] = [];

  @Controller()
  class Orders {
    @AggregateHandler('scoped-pipes', { type: 'Paid' })
    paid(@Payload('cents', ParseIntPipe) cents: number, @Ctx() ctx: AggregateContext) {
      seen.push(cents, ctx.type);
    }

    @AggregateHandler('scoped-pipes', { type: 'Placed' })
    @UsePipes(new ValidationPipe({ transform: true, whitelist: true }))
    placed(@Payload() order: PlaceOrder) {
      seen.push(order instanceof PlaceOrder, Object.keys(order));
    }
  }

  const app = await startApp({
    options: { servers: server().url, group: 'pipes', topics: { 'scoped-pipes': {} } },
    publishers: ['scoped-pipes'],
    controllers: [Orders],
  });
  const publisher = publisherOf(app, 'scoped-pipes');
  await publisher.publish({ aggregateId: 'a', type: 'Paid', payload: { cents: '250' } });
  await publisher.publish({ aggregateId: 'a', type: 'Placed', payload: { ...good, smuggled: true } });
  await eventually('both handled', () => seen.length === 4);
  await app.close();
  expect(seen).toEqual([250, 'Paid', true, ['customer', 'items']]);
});
