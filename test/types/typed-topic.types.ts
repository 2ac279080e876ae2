// Compiled, never run: what the compiler must refuse stands behind `@ts-expect-error`, and an error that does
// not come is itself an error. test/unit/types.spec.ts proves that this file is really compiled.
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  type AggregatePublisher,
  defineTopic,
  type EventOf,
  type PublisherOf,
  type Topic,
} from 'nestjs-aggregate-transport';

interface OrderPlaced {
  total: number;
}
interface OrderShipped {
  carrier: string;
}

const orders = defineTopic<{ OrderPlaced: OrderPlaced; OrderShipped: OrderShipped }>('orders');
export const untyped = defineTopic('untyped');

/** A typed publisher takes the topic's types with their payloads. */
export function publishing(publisher: PublisherOf<typeof orders>): void {
  void publisher.publish({ aggregateId: 'a', type: 'OrderPlaced', payload: { total: 5 } });
  void publisher.publish({ aggregateId: 'a', type: 'OrderShipped', payload: { carrier: 'x' }, version: 2 });
  void publisher.publishAll([{ aggregateId: 'a', type: 'OrderPlaced', payload: { total: 5 } }]);

  // @ts-expect-error a type the topic does not have
  void publisher.publish({ aggregateId: 'a', type: 'OrderLost', payload: { total: 5 } });
  // @ts-expect-error the payload of another type
  void publisher.publish({ aggregateId: 'a', type: 'OrderPlaced', payload: { carrier: 'x' } });
  // @ts-expect-error a payload that lacks a field
  void publisher.publish({ aggregateId: 'a', type: 'OrderPlaced', payload: {} });
  // @ts-expect-error no payload
  void publisher.publish({ aggregateId: 'a', type: 'OrderPlaced' });
  // @ts-expect-error no aggregate
  void publisher.publish({ type: 'OrderPlaced', payload: { total: 5 } });
  // @ts-expect-error an aggregate id that is no text
  void publisher.publish({ aggregateId: 5, type: 'OrderPlaced', payload: { total: 5 } });
  // @ts-expect-error a misspelt field
  void publisher.publish({ aggregateId: 'a', type: 'OrderPlaced', payload: { total: 5 }, eventID: 'x' });
  // @ts-expect-error a wrong payload among many
  void publisher.publishAll([{ aggregateId: 'a', type: 'OrderPlaced', payload: { total: '5' } }]);
}

/** An untyped publisher takes any type and payload. */
export function publishingUntyped(
  publisher: AggregatePublisher,
  ofTopic: PublisherOf<typeof untyped>,
  ofName: PublisherOf<'orders'>,
): void {
  for (const any of [publisher, ofTopic, ofName]) {
    void any.publish({ aggregateId: 'a', type: 'Anything', payload: [1, 2, 3] });
    // @ts-expect-error still no event without a type
    void any.publish({ aggregateId: 'a', payload: 5 });
  }
}

export class TypedHandlers {
  @AggregateHandler(orders, { type: 'OrderPlaced' })
  placed(
    @Payload() payload: OrderPlaced,
    @AggregateId() id: string,
    @Ctx() context: AggregateContext,
  ): string {
    return `${payload.total} ${id} ${context.attempt}`;
  }

  @AggregateHandler(orders, { type: 'OrderShipped' })
  async shipped(@Payload() payload: { carrier: string }): Promise<void> {
    await Promise.resolve(payload);
  }

  @AggregateHandler(orders, { type: ['OrderPlaced', 'OrderShipped'] })
  both(@Payload() payload: OrderPlaced | OrderShipped): unknown {
    return payload;
  }

  @AggregateHandler(orders)
  everyOther(@Payload() payload: unknown): unknown {
    return payload;
  }

  @AggregateHandler(orders, { type: 'OrderPlaced' })
  withoutParameters(): void {
    // nothing to do
  }

  // @ts-expect-error a type the topic does not have
  @AggregateHandler(orders, { type: 'OrderLost' })
  lost(@Payload() payload: unknown): unknown {
    return payload;
  }

  // @ts-expect-error the payload of another type
  @AggregateHandler(orders, { type: 'OrderPlaced' })
  swapped(@Payload() payload: OrderShipped): unknown {
    return payload;
  }

  // @ts-expect-error a handler of two types must take the payloads of both
  @AggregateHandler(orders, { type: ['OrderPlaced', 'OrderShipped'] })
  onlyOne(@Payload() payload: OrderPlaced): unknown {
    return payload;
  }

  // @ts-expect-error a handler of every type must take every payload
  @AggregateHandler(orders)
  onlySome(@Payload() payload: OrderPlaced): unknown {
    return payload;
  }

  // @ts-expect-error an option there is not
  @AggregateHandler(orders, { type: 'OrderPlaced', retries: 5 })
  misspelt(@Payload() payload: OrderPlaced): unknown {
    return payload;
  }

  // @ts-expect-error a choice there is not
  @AggregateHandler(orders, { type: 'OrderPlaced', onExhausted: 'forget' })
  forgotten(@Payload() payload: OrderPlaced): unknown {
    return payload;
  }
}

/** A bare name knows no types: everything compiles that could be right. */
export class UntypedHandlers {
  @AggregateHandler('orders', { type: 'Anything' })
  any(@Payload() payload: { whatever: number }, @AggregateId() id: string): unknown {
    return [payload, id];
  }

  @AggregateHandler('orders')
  other(@Payload() payload: OrderPlaced): unknown {
    return payload;
  }

  // @ts-expect-error options are checked even so
  @AggregateHandler('orders', { timeoutMs: '5' })
  misspelt(@Payload() payload: unknown): unknown {
    return payload;
  }
}

/** The union of a topic's events narrows by their type. */
export function narrowing(event: EventOf<typeof orders>): number | string {
  return event.type === 'OrderPlaced' ? event.payload.total : event.payload.carrier;
}

// @ts-expect-error two topics with other events are two types
export const swappedTopic: Topic<{ Other: { n: number } }> = orders;
