import type { MetricAttributes } from './meter.js';

/** Where a value belongs, in the words of OpenTelemetry's conventions for messaging. */
export function topicAttributes(topic: string): MetricAttributes {
  return { 'messaging.system': 'nats', 'messaging.destination.name': topic };
}

export function groupAttributes(topic: string, group: string): MetricAttributes {
  return { ...topicAttributes(topic), 'messaging.consumer.group.name': group };
}

export function partitionAttributes(topic: string, group: string, partition: number): MetricAttributes {
  return { ...groupAttributes(topic, group), 'messaging.destination.partition.id': String(partition) };
}

/** A problem names what it is about, which may be the whole process. */
export function problemAttributes(
  code: string,
  topic: string | undefined,
  group: string | undefined,
): MetricAttributes {
  return {
    'messaging.system': 'nats',
    'aggregate_transport.problem.code': code,
    ...(topic !== undefined && { 'messaging.destination.name': topic }),
    ...(group !== undefined && { 'messaging.consumer.group.name': group }),
  };
}
