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

/** The same symbol in two copies of this library in one process. */
const PUBLISHED_TOPIC = Symbol.for('aggregate-transport.published-topic');

/** @internal Leaves the topic with the factory of its publisher, for what reads an application without running it. */
export function forTopic<F extends object>(factory: F, topic: TopicRef): F {
  return Object.defineProperty(factory, PUBLISHED_TOPIC, { value: topic });
}

/** @internal The topic of a publisher's factory; undefined for anything else. */
export function publishedTopicOf(factory: unknown): TopicRef | undefined {
  return typeof factory === 'function'
    ? (factory as { [PUBLISHED_TOPIC]?: TopicRef })[PUBLISHED_TOPIC]
    : undefined;
}
