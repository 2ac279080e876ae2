import type { EventsOf } from '../../message/topic.js';
import type { AggregatePublisher } from './aggregate-publisher.js';

/** The publisher type of a topic: `PublisherOf<typeof orders>`. */
export type PublisherOf<T> = AggregatePublisher<EventsOf<T> & object>;
