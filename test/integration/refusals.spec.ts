import { expect, test } from '@jest/globals';
import {
  BadRequestException,
  type CanActivate,
  Controller,
  type PipeTransform,
  UseGuards,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AggregateHandler, ParkedAggregates } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const TOPIC = 'refused';
const GUARD_ASKED_AT_LEAST = 12;

interface Amount {
  readonly amount: number;
}

test('a guard parks nothing and its event waits; what a pipe rejects is parked at once', async () => {
  const handled: number[] = [];
  const gate = { open: false, asked: 0 };

  class Guard implements CanActivate {
    canActivate(): boolean {
      gate.asked++;
      return gate.open;
    }
  }

  /** Rejects as Nest's ValidationPipe does it. */
  class Positive implements PipeTransform<Amount, Amount> {
    transform(value: Amount): Amount {
      if (value.amount > 0) return value;
      throw new BadRequestException(['amount must be a positive number']);
    }
  }

  @Controller()
  class Handler {
    @AggregateHandler(TOPIC, { type: 'Guarded' })
    @UseGuards(Guard)
    guarded(@Payload() { amount }: Amount): void {
      handled.push(amount);
    }

    @AggregateHandler(TOPIC, { type: 'Checked' })
    checked(@Payload(Positive) { amount }: Amount): void {
      handled.push(amount);
    }
  }

  const app = await startApp({
    options: {
      servers: server().url,
      group: 'refusals',
      // A guard is asked again at the longest wait; attempts are used up many times over.
      topics: { [TOPIC]: { consume: { retry: { attempts: 3, firstDelayMs: 10, maxDelayMs: 20 } } } },
    },
    publishers: [TOPIC],
    controllers: [Handler],
  });
  const publisher = publisherOf(app, TOPIC);
  const parked = app.get(ParkedAggregates);
  await publisher.publish({ aggregateId: 'guarded', type: 'Guarded', payload: { amount: 1 } });
  await publisher.publish({ aggregateId: 'checked', type: 'Checked', payload: { amount: -1 } });
  await eventually('the guard to have refused often', () => gate.asked >= GUARD_ASKED_AT_LEAST);
  await eventually('the rejected event to be a letter', async () => {
    return (await parked.list({ topic: TOPIC }))[0]?.letters === 1;
  });
  expect(await parked.list({ topic: TOPIC })).toMatchObject([
    { aggregateId: 'checked', reason: 'REJECTED', attempts: 1 },
  ]);
  gate.open = true;
  await eventually('the guarded event to be handled', () => handled.length === 1);
  expect(handled).toEqual([1]);
  await app.close();
});
