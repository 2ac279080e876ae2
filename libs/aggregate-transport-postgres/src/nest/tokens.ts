import { Inject } from '@nestjs/common';
import type { TopicRef } from 'nestjs-aggregate-transport';

/** Injection token of the options as the user gave them. */
export const AGGREGATE_POSTGRES_OPTIONS = 'AGGREGATE_POSTGRES_OPTIONS';

/** Injection token of a topic's outbox; what `@InjectOutbox(topic)` injects. */
export function getOutboxToken(topic: TopicRef): string {
  return `AggregateOutbox:${typeof topic === 'string' ? topic : topic.name}`;
}

/** Injects the outbox of a topic: `@InjectOutbox(orders) private readonly outbox: OutboxOf<typeof orders>`. */
export function InjectOutbox(topic: TopicRef): ParameterDecorator & PropertyDecorator {
  return Inject(getOutboxToken(topic));
}
