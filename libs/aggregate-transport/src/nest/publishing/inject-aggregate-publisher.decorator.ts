import { Inject } from '@nestjs/common';
import type { TopicRef } from '../../message/topic.js';
import { getAggregatePublisherToken } from '../tokens.js';

/** Injects the publisher of a topic; the module imports `AggregateTransportModule.forFeature([topic])`. */
export function InjectAggregatePublisher(topic: TopicRef): ParameterDecorator & PropertyDecorator {
  return Inject(getAggregatePublisherToken(topic));
}
