import { type TopicRef, topicNameOf } from '../message/topic.js';

/** Our transport id: `@EventPattern(topic, AGGREGATE_TRANSPORT)` is the same as `@AggregateHandler(topic)`. */
export const AGGREGATE_TRANSPORT = Symbol.for('aggregate-transport');

/** Injection token of the options as the user gave them. */
export const AGGREGATE_TRANSPORT_OPTIONS = 'AGGREGATE_TRANSPORT_OPTIONS';

/**
 * Injection token of a topic's publisher; what `@InjectAggregatePublisher(topic)` injects.
 * @throws OPTIONS_INVALID for what is no topic, such as one that a circular import leaves undefined
 */
export function getAggregatePublisherToken(topic: TopicRef): string {
  return publisherToken(topicNameOf(topic, 'getAggregatePublisherToken'));
}

/** @internal As above, for a topic's name. */
export function publisherToken(topic: string): string {
  return `AggregatePublisher:${topic}`;
}
