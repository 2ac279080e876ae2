// Compiled, never run: what the compiler must refuse stands behind `@ts-expect-error`, and an error that does
// not come is itself an error. test/unit/types.spec.ts proves that this file is really compiled.
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  type AggregateBatch,
  type AggregateEvent,
  AggregateHandler,
  AggregateId,
  type AggregatePublisher,
  defineTopic,
  type EventOf,
  type PublisherOf,
  type PublishResult,
  type StoredEvent,
  type StoredEventOf,
  type Topic,
  type UncommittedAggregate,
} from 'nestjs-aggregate-transport';
import type { TestingStreams } from 'nestjs-aggregate-transport/testing';

interface OrderPlaced {
  total: number;
}
interface OrderShipped {
  carrier: string;
}

interface OrderEvents {
  OrderPlaced: OrderPlaced;
  OrderShipped: OrderShipped;
}

const orders = defineTopic<OrderEvents>('orders');
export const untyped = defineTopic('untyped');

class Rows {
  readonly all: string[] = [];
}

/** In a list of parameters `typeof orders` is the parameter of that name. */
export class Shadowed {
  constructor(
    readonly orders: Rows,
    // @ts-expect-error a publisher without types otherwise
    readonly publisher: PublisherOf<typeof orders>,
  ) {}
}

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

/** In a list of many types each payload must be that of its own type. */
export function publishingMany(
  publisher: PublisherOf<typeof orders>,
  events: readonly EventOf<typeof orders>[],
): void {
  void publisher.publishAll(events);
  void publisher.publishAll([]);
  void publisher.publishAll([
    { aggregateId: 'a', type: 'OrderPlaced', payload: { total: 5 } },
    { aggregateId: 'a', type: 'OrderShipped', payload: { carrier: 'x' } },
  ]);
  void publisher.publishAll(events.map((event) => ({ ...event, aggregateId: 'b' })));

  void publisher.publishAll([
    // @ts-expect-error the payloads of two types swapped, here
    { aggregateId: 'a', type: 'OrderPlaced', payload: { carrier: 'x' } },
    // @ts-expect-error and here too
    { aggregateId: 'a', type: 'OrderShipped', payload: { total: 5 } },
  ]);
  const swapped = [
    { aggregateId: 'a', type: 'OrderPlaced' as const, payload: { carrier: 'x' } },
    { aggregateId: 'a', type: 'OrderShipped' as const, payload: { total: 5 } },
  ];
  // @ts-expect-error nor if the list has a name
  void publisher.publishAll(swapped);
}

/** A type that is known only as one of several takes no payload of one of them. */
export function publishingOneOfSeveral(
  publisher: PublisherOf<typeof orders>,
  event: EventOf<typeof orders>,
  both: OrderPlaced & OrderShipped,
): void {
  const { type, payload } = event;
  void publisher.publish(event);
  void publisher.publish({ ...event, version: 2 });
  void publisher.publish({ aggregateId: 'a', type, payload: both });

  // @ts-expect-error the payload of one of them
  void publisher.publish({ aggregateId: 'a', type, payload: { total: 5 } });
  // @ts-expect-error the payload of any of them
  void publisher.publish({ aggregateId: 'a', type, payload });
  // @ts-expect-error an event with the type of another
  void publisher.publish({ ...event, type: 'OrderPlaced' });
  // @ts-expect-error a type that is any text
  void publisher.publish({ aggregateId: 'a', type: type.trim(), payload: { total: 5 } });
}

/** A handler publishes what the topic of the publisher has, without an id of its own. */
export function publishingFromHandler(
  context: AggregateContext,
  publisher: PublisherOf<typeof orders>,
  ofName: AggregatePublisher,
): void {
  void context.publish(publisher, { aggregateId: 'a', type: 'OrderPlaced', payload: { total: 5 } });
  void context.publish(
    publisher,
    { aggregateId: 'a', type: 'OrderShipped', payload: { carrier: 'x' } },
    { key: 'k', again: true },
  );
  void context.publish(ofName, { aggregateId: 'a', type: 'Anything', payload: [1] });
  // @ts-expect-error a type the topic does not have
  void context.publish(publisher, { aggregateId: 'a', type: 'OrderLost', payload: { total: 5 } });
  // @ts-expect-error the payload of another type
  void context.publish(publisher, { aggregateId: 'a', type: 'OrderPlaced', payload: { carrier: 'x' } });
  // @ts-expect-error an id of its own
  void context.publish(ofName, { aggregateId: 'a', type: 'Any', payload: 1, eventId: 'e' });
}

/** A service's own function over one type at a time needs no cast. */
export function publishingByName<K extends keyof OrderEvents>(
  publisher: PublisherOf<typeof orders>,
  type: K,
  payload: OrderEvents[K],
): void {
  void publisher.publish({ aggregateId: 'a', type, payload });
  void publisher.publishAll([{ aggregateId: 'a', type, payload }]);
  // @ts-expect-error the payload of one type under the name of any
  void publisher.publish({ aggregateId: 'a', type, payload: { total: 5 } });
}

/** What an aggregate did, as its class knows it. */
type Deed = { readonly total: number } | { readonly carrier: string };

/** What an aggregate did becomes events of the topic, each with its own payload. */
export function publishingAggregate(
  publisher: PublisherOf<typeof orders>,
  aggregate: UncommittedAggregate<Deed>,
): void {
  void publisher.publishAggregate(aggregate, (deed) =>
    'total' in deed
      ? { aggregateId: 'a', type: 'OrderPlaced', payload: deed }
      : { aggregateId: 'a', type: 'OrderShipped', payload: deed },
  );
  void publisher.publishAggregate(aggregate, (deed) =>
    // @ts-expect-error the payloads of two types swapped
    'total' in deed
      ? { aggregateId: 'a', type: 'OrderShipped', payload: deed }
      : { aggregateId: 'a', type: 'OrderPlaced', payload: deed },
  );
  void publisher.publishAggregate(aggregate, (deed) => ({
    aggregateId: 'a',
    type: 'OrderPlaced',
    // @ts-expect-error a payload of any type under the name of one
    payload: deed,
  }));
  void publisher.publishAggregate(aggregate, (deed) => ({
    aggregateId: 'a',
    // @ts-expect-error a type the topic does not have
    type: 'OrderLost',
    payload: deed,
  }));
}

/** A history narrows by type, and so do outcomes and what a test looks at. */
export async function reading(
  publisher: PublisherOf<typeof orders>,
  streams: TestingStreams,
  placed: (order: OrderPlaced) => void,
): Promise<[StoredEventOf<typeof orders>[], StoredEvent[]]> {
  for await (const event of publisher.read('a')) {
    if (event.type === 'OrderPlaced') placed(event.payload);
    else event.payload.carrier.trim();
    // @ts-expect-error a payload before its type is known
    placed(event.payload);
    // @ts-expect-error the payload of the other type
    if (event.type === 'OrderShipped') placed(event.payload);
    // @ts-expect-error a type the topic does not have
    if (event.type === 'OrderLost') return [[], []];
  }
  publisher.results$.subscribe((result: PublishResult<EventOf<typeof orders>>) => {
    if (result.event.type === 'OrderPlaced') placed(result.event.payload);
    // @ts-expect-error the payload of the other type
    if (result.event.type === 'OrderShipped') placed(result.event.payload);
    // @ts-expect-error a payload before its type is known
    placed(result.event.payload);
  });
  publisher.results$.subscribe((result: PublishResult) => result.event.aggregateId);
  return [streams.events(orders), streams.events('orders')];
}

/** More types than the compiler takes apart one by one. */
type Letter = `${'a' | 'b' | 'c' | 'd' | 'e' | 'f'}${'a' | 'b' | 'c' | 'd' | 'e' | 'f'}`;

/** An untyped publisher takes any type and payload. */
export function publishingUntyped(
  publisher: AggregatePublisher,
  ofTopic: PublisherOf<typeof untyped>,
  ofName: PublisherOf<'orders'>,
  given: { events: AggregateEvent[]; letter: Letter; aggregate: UncommittedAggregate<object> },
): void {
  for (const any of [publisher, ofTopic, ofName]) {
    void any.publish({ aggregateId: 'a', type: 'Anything', payload: [1, 2, 3] });
    void any.publish({ aggregateId: 'a', type: String(Math.PI), payload: undefined });
    void any.publishAll([
      { aggregateId: 'a', type: 'Anything', payload: { total: 5 } },
      { aggregateId: 'a', type: 'Other', payload: 'x' },
    ]);
    void any.publishAll(given.events);
    void any.publish({ aggregateId: 'a', type: given.letter, payload: 5 });
    void any.publishAggregate(given.aggregate, (payload) => ({ aggregateId: 'a', type: 'Any', payload }));
    any.results$.subscribe((result: PublishResult) => result.event.payload);
    any.read('a') satisfies AsyncIterable<StoredEvent>;
    // @ts-expect-error still no event without a type
    void any.publish({ aggregateId: 'a', payload: 5 });
    // @ts-expect-error nor in a list
    void any.publishAll([{ aggregateId: 'a', payload: 5 }]);
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
  any(@Payload() payload: { anything: number }, @AggregateId() id: string): unknown {
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

/** A handler with `batch` gets events of its types, each with its own payload. */
export class BatchHandlers {
  @AggregateHandler(orders, { type: ['OrderPlaced', 'OrderShipped'], batch: 100 })
  all(events: AggregateBatch<typeof orders>) {
    for (const { type, payload, context } of events)
      if (type === 'OrderPlaced') this.placed(payload.total, context.position);
      else this.shipped(payload.carrier);
  }

  @AggregateHandler(orders, { type: 'OrderPlaced', batch: 100 })
  one(events: AggregateBatch<typeof orders, 'OrderPlaced'>) {
    return events.map(({ payload }) => payload.total);
  }

  placed(total: number, position: bigint) {
    return [total, position];
  }

  shipped(carrier: string) {
    return carrier;
  }

  @AggregateHandler('untyped', { batch: 2 })
  untyped(events: AggregateBatch) {
    return events.map(({ type, payload }) => ({ type, payload }));
  }

  // @ts-expect-error a payload where a batch comes
  @AggregateHandler(orders, { type: 'OrderPlaced', batch: 100 })
  single(order: OrderPlaced) {
    return order;
  }

  // @ts-expect-error a batch where a payload comes
  @AggregateHandler(orders, { type: 'OrderPlaced' })
  batch(events: AggregateBatch<typeof orders, 'OrderPlaced'>) {
    return events;
  }

  // @ts-expect-error a batch of types that the handler is not for
  @AggregateHandler(orders, { type: ['OrderPlaced', 'OrderShipped'], batch: 100 })
  other(events: AggregateBatch<typeof orders, 'OrderPlaced'>) {
    return events;
  }
}
