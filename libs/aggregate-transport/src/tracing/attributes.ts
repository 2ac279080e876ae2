/** The release of OpenTelemetry's semantic conventions that names of spans and of `messaging.*` follow. */
export const CONVENTIONS = '1.45.0';

/** Every attribute that a span can have. docs/tracing.md has a row for each. */
export const ATTRIBUTE = {
  system: 'messaging.system',
  destination: 'messaging.destination.name',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  group: 'messaging.consumer.group.name',
  partition: 'messaging.destination.partition.id',
  messageId: 'messaging.message.id',
  batchCount: 'messaging.batch.message_count',
  errorType: 'error.type',
  sequence: 'aggregate_transport.sequence',
  attempt: 'aggregate_transport.attempt',
  outcome: 'aggregate_transport.outcome',
  stage: 'aggregate_transport.stage',
  eventType: 'aggregate_transport.event.type',
  aggregateId: 'aggregate_transport.aggregate.id',
  duplicate: 'aggregate_transport.duplicate',
  letter: 'aggregate_transport.letter',
  replay: 'aggregate_transport.replay',
} as const;

export const SYSTEM = 'nats';
