import type { AggregateEvent } from '../message/event.js';
import type { EventsOf } from '../message/topic.js';
import type { AggregatePublisher } from './aggregate-publisher.js';

/** The publisher type of a topic: `PublisherOf<typeof orders>`. */
export type PublisherOf<T> = AggregatePublisher<EventsOf<T> & object>;

/** Every event a topic can carry, as a union over its types: `EventOf<typeof orders>`. */
export type EventOf<T> = {
  [K in keyof EventsOf<T> & string]: AggregateEvent<EventsOf<T>[K], K>;
}[keyof EventsOf<T> & string];
