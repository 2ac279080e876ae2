import { Inject } from '@nestjs/common';
import type { TopicRef } from 'nestjs-aggregate-transport';
import { topicNameOf } from '../options/option-values.js';

/** Injection token of the options as the user gave them. */
export const AGGREGATE_POSTGRES_OPTIONS = 'AGGREGATE_POSTGRES_OPTIONS';

/**
 * Injection token of a topic's outbox; what `@InjectOutbox(topic)` injects.
 * @throws POSTGRES_OPTIONS_INVALID for what is no topic, such as one that a circular import leaves undefined
 */
export function getOutboxToken(topic: TopicRef): string {
  return tokenFor(topicNameOf(topic, 'getOutboxToken'));
}

/**
 * Injects the outbox of a topic: `@InjectOutbox(orders) private readonly outbox: OutboxOf<typeof orders>`.
 * @throws POSTGRES_OPTIONS_INVALID for what is no topic, such as one that a circular import leaves undefined
 */
export function InjectOutbox(topic: TopicRef): ParameterDecorator & PropertyDecorator {
  return Inject(tokenFor(topicNameOf(topic, '@InjectOutbox')));
}

function tokenFor(name: string): string {
  return `AggregateOutbox:${name}`;
}
