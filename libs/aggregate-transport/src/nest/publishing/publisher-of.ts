import type { EventsOf, InputsOf, TopicRef } from '../../message/topic.js';
import type { AggregatePublisher } from './aggregate-publisher.js';

/**
 * The publisher type of a topic: `PublisherOf<typeof orders>`. It compiles for a topic alone: in the parameters of a
 * constructor `typeof orders` means a parameter of that name, if there is one.
 */
export type PublisherOf<T extends TopicRef> = AggregatePublisher<EventsOf<T> & object, InputsOf<T> & object>;
