import { Inject } from '@nestjs/common';
import { type TopicRef, topicNameOf } from '../../message/topic.js';
import { publisherToken } from '../tokens.js';

/**
 * Injects the publisher of a topic; the module imports `AggregateTransportModule.forFeature([topic])`.
 * @throws OPTIONS_INVALID for what is no topic, such as one that a circular import leaves undefined
 */
export function InjectAggregatePublisher(topic: TopicRef): ParameterDecorator & PropertyDecorator {
  return Inject(publisherToken(topicNameOf(topic, '@InjectAggregatePublisher')));
}
