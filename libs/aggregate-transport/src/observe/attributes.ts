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
