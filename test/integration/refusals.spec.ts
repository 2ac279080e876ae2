import { expect, test } from '@jest/globals';
import {
  BadRequestException,
  type CanActivate,
  Controller,
  type PipeTransform,
  UseGuards,
  ValidationPipe,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { IsPositive, IsString } from 'class-validator';
import { AggregateHandler, aggregateExceptionFactory, ParkedAggregates } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const TOPIC = 'refused';
const GUARD_ASKED_AT_LEAST = 12;

interface Amount {
  readonly amount: number;
}

class Amounts {
  @IsPositive()
  amount!: number;

  @IsString()
  currency!: string;
}

test('a guard parks nothing and its event waits; what a pipe rejects is parked at once, with what is wrong', async () => {
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

    @AggregateHandler(TOPIC, { type: 'Validated' })
    validated(@Payload(new ValidationPipe()) { amount }: Amounts): void {
      handled.push(amount);
    }

    @AggregateHandler(TOPIC, { type: 'Explained' })
    explained(
      @Payload(new ValidationPipe({ exceptionFactory: aggregateExceptionFactory })) { amount }: Amounts,
    ): void {
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
  await publisher.publish({ aggregateId: 'validated', type: 'Validated', payload: { amount: -1 } });
  await publisher.publish({ aggregateId: 'explained', type: 'Explained', payload: { amount: -1 } });
  await eventually('the guard to have refused often', () => gate.asked >= GUARD_ASKED_AT_LEAST);
  await eventually('the rejected events to be letters', async () => {
    const list = await parked.list({ topic: TOPIC });
    return list.length === 3 && list.every(({ letters }) => letters === 1);
  });
  const found = new Map<string, string>();
  for (const { aggregateId, reason, attempts } of await parked.list({ topic: TOPIC })) {
    expect([reason, attempts]).toEqual(['REJECTED', 1]);
    for await (const letter of parked.letters({ topic: TOPIC, aggregateId }))
      found.set(aggregateId, letter.error ?? '');
  }
  expect(found.get('checked')).toContain('amount must be a positive number');
  for (const aggregateId of ['validated', 'explained']) {
    expect(found.get(aggregateId)).toContain('amount must be a positive number');
    expect(found.get(aggregateId)).toContain('currency must be a string');
  }
  gate.open = true;
  await eventually('the guarded event to be handled', () => handled.length === 1);
  expect(handled).toEqual([1]);
  await app.close();
});
