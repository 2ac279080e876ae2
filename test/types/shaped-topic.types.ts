// Compiled, never run, as typed-topic.types.ts: what the compiler knows of a topic with schemas. `publish` takes what a
// schema takes, and handlers and `read` get what it makes of that.
import { Payload } from '@nestjs/microservices';
import { type as ark } from 'arktype';
import {
  type AggregateBatch,
  AggregateHandler,
  type AggregatePublisher,
  defineTopic,
  type EventOf,
  type InputsOf,
  type PayloadOf,
  type PublisherOf,
  type StandardSchemaV1,
  type StoredEventOf,
  type Topic,
  type,
} from 'nestjs-aggregate-transport';
import type { OutboxOf } from 'nestjs-aggregate-transport-postgres';
import type { PoolClient } from 'pg';
import * as v from 'valibot';
import { z } from 'zod';

interface OrderPaid {
  cents: number;
}
interface OrderPlacedV1 {
  line: string;
}

export const orders = defineTopic('orders', {
  OrderPlaced: {
    version: 3,
    schema: z.object({
      lines: z.array(z.string()),
      note: z.string().default('none'),
      placedOn: z.string().transform((text) => new Date(text)),
    }),
    upcast: {
      1: (old: OrderPlacedV1) => ({ lines: [old.line] }),
      2: async (old: { lines: string[] }) => Promise.resolve({ ...old, placedOn: '2020-01-01' }),
    },
  },
  OrderShipped: { version: 1, schema: v.object({ weight: v.pipe(v.string(), v.transform(Number)) }) },
  OrderLost: { version: 1, schema: ark({ days: 'string.integer.parse' }) },
  OrderCounted: {
    version: 2,
    schema: type<{ count: number }>(),
    upcast: { 1: (old) => ({ count: Number(old) }) },
  },
  OrderPaid: type<OrderPaid>(),
});

type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

export const equal: readonly [
  Equal<PayloadOf<typeof orders, 'OrderPlaced'>, { lines: string[]; note: string; placedOn: Date }>,
  Equal<
    InputsOf<typeof orders>['OrderPlaced'],
    { lines: string[]; note?: string | undefined; placedOn: string }
  >,
  Equal<PayloadOf<typeof orders, 'OrderShipped'>, { weight: number }>,
  Equal<InputsOf<typeof orders>['OrderShipped'], { weight: string }>,
  Equal<PayloadOf<typeof orders, 'OrderLost'>, { days: number }>,
  Equal<InputsOf<typeof orders>['OrderLost'], { days: string }>,
  Equal<PayloadOf<typeof orders, 'OrderPaid'>, OrderPaid>,
  Equal<PayloadOf<typeof orders, 'OrderCounted'>, { count: number }>,
  Equal<PayloadOf<Topic<{ OrderPaid: OrderPaid }>, 'OrderPaid'>, OrderPaid>,
] = [true, true, true, true, true, true, true, true, true];

export async function publishing(
  publisher: PublisherOf<typeof orders>,
  event: EventOf<typeof orders>,
  stored: StoredEventOf<typeof orders>,
): Promise<void> {
  const placed = { lines: ['a'], placedOn: '2026-01-01' };
  await publisher.publish({ aggregateId: 'a', type: 'OrderPlaced', payload: placed });
  await publisher.publish(event);
  await publisher.publishAll([
    { aggregateId: 'a', type: 'OrderPlaced', payload: placed },
    { aggregateId: 'a', type: 'OrderPaid', payload: { cents: 5 } },
  ]);
  // @ts-expect-error the output of its schema, where the input is asked for
  await publisher.publish({ aggregateId: 'a', type: 'OrderShipped', payload: { weight: 5 } });
  // @ts-expect-error a type that the definition does not name
  await publisher.publish({ aggregateId: 'a', type: 'OrderFound', payload: {} });
  // @ts-expect-error what is stored is not what is published
  await publisher.publish({ ...stored, expectedSequence: stored.sequence });
  for await (const { type: name, payload } of publisher.read('a'))
    if (name === 'OrderPlaced') payload.placedOn satisfies Date;
}

export async function adding(outbox: OutboxOf<typeof orders>, client: PoolClient): Promise<void> {
  await outbox.add(client, { aggregateId: 'a', type: 'OrderShipped', payload: { weight: '5' } });
  // @ts-expect-error the output of its schema
  await outbox.add(client, { aggregateId: 'a', type: 'OrderShipped', payload: { weight: 5 } });
}

export class Handlers {
  @AggregateHandler(orders, { type: 'OrderPlaced' })
  placed(@Payload() { placedOn }: PayloadOf<typeof orders, 'OrderPlaced'>): number {
    return placedOn.getTime();
  }

  // @ts-expect-error a handler gets a number
  @AggregateHandler(orders, { type: 'OrderShipped' })
  shipped(@Payload() { weight }: { weight: string }): number {
    return weight.length;
  }

  @AggregateHandler(orders, { type: 'OrderLost', batch: 10 })
  lost(events: AggregateBatch<typeof orders, 'OrderLost'>): number {
    return events.reduce((sum, { payload }) => sum + payload.days, 0);
  }
}

export const untyped: AggregatePublisher = undefined as unknown as AggregatePublisher;

declare const foreign: StandardSchemaV1<{ at: string }, { at: Date }>;
/** A schema of no known library. */
export const others = defineTopic('others', { Seen: { version: 1, schema: foreign } });
export const seen: PayloadOf<typeof others, 'Seen'> = { at: new Date() };

// @ts-expect-error JSON would carry the Date as text, which the schema then refuses
defineTopic('t', { Paid: { version: 1, schema: z.object({ at: z.date() }) } });
// @ts-expect-error so it is with a type alone
defineTopic('t', { Paid: type<{ at: Date }>() });
// @ts-expect-error a schema alone
defineTopic('t', { Paid: z.object({ cents: z.number() }) });
// @ts-expect-error no schema at all
defineTopic('t', { Paid: { version: 1 } });
// @ts-expect-error no version
defineTopic('t', { Paid: { schema: z.object({ cents: z.number() }) } });
// @ts-expect-error an upcaster that is no function
defineTopic('t', { Paid: { version: 2, schema: type<OrderPaid>(), upcast: { 1: 'v2' } } });
// @ts-expect-error upcasters in a list
defineTopic('t', { Paid: { version: 2, schema: type<OrderPaid>(), upcast: ['v2'] } });
// @ts-expect-error a version in words
defineTopic('t', { Paid: { version: '2', schema: type<OrderPaid>() } });
// @ts-expect-error a schema of no standard
defineTopic('t', { Paid: { version: 1, schema: { parse: (text: string) => text } } });
// @ts-expect-error JSON has no bigint, which the schema asks for
defineTopic('t', { Paid: { version: 1, schema: v.object({ cents: v.bigint() }) } });
// @ts-expect-error nor has it a Map
defineTopic('t', { Paid: { version: 1, schema: ark({ lines: 'Map' }) } });
// @ts-expect-error a payload of a type that the topic does not have
export type Unknown = PayloadOf<typeof orders, 'OrderFound'>;
