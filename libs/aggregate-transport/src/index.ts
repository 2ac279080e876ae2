// The public door: everything a service may use, by name.
export { AggregateTransportError, type AggregateTransportErrorCode } from './errors.js';
export type { Codec } from './message/codec.js';
export { jsonCodec } from './message/codec.js';
export type { Envelope } from './message/envelope.js';
export type { AggregateEvent, PublishReceipt } from './message/event.js';
export type { AttemptFailure } from './message/delivery.js';
export type { ParkReason } from './message/park-reason.js';
export { partitionFilter, partitionOf } from './message/partition.js';
export type { StoredEvent } from './message/stored-event.js';
export { aggregateIdOf, subjectOf, tokenOf } from './message/subject.js';
export { defineTopic, type EventMap, type EventsOf, type Topic, type TopicRef } from './message/topic.js';
export type { EventIn, EventOf, StoredEventIn, StoredEventOf } from './message/topic-events.js';
export { SequenceConflictError } from './publisher/publish-errors.js';
export type { Disposition, FailedAttempt } from './settlement/outcome.js';
export type { AggregateHooks, AggregateNotice, ParkedNotice, StuckNotice } from './nest/aggregate-hooks.js';
export { AggregateContext } from './nest/aggregate.context.js';
export { AggregateClient, AggregateRecord } from './nest/aggregate.client.js';
export { aggregateExceptionFactory } from './nest/aggregate-exception-factory.js';
export type { AggregateClientEvents, AggregateClientStatus } from './nest/client-status.js';
export {
  AggregateHealthIndicator,
  type AggregateHealthResult,
  type HealthCheckOptions,
} from './nest/aggregate-health.indicator.js';
export { AggregateHandler, type AggregateHandlerOptions } from './nest/aggregate-handler.decorator.js';
export { AggregateId } from './nest/aggregate-id.decorator.js';
export {
  AggregatePublisher,
  PublishAllError,
  type PublishCallOptions,
  type PublishResult,
  type ReadOptions,
  type UncommittedAggregate,
} from './nest/aggregate-publisher.js';
export { AggregateServer } from './nest/aggregate.server.js';
export { AggregateTransportStatus, type SnapshotOptions } from './nest/aggregate-transport-status.js';
export { AggregateTransportModule } from './nest/aggregate-transport.module.js';
export { InjectAggregatePublisher } from './nest/inject-aggregate-publisher.decorator.js';
export {
  type AggregateStreamOptions,
  type AggregateTransportOptions,
  type AggregateTransportOptionsFactory,
  type ConsumeOptions,
  DEFAULTS,
  type MetricsOptions,
  type PublishOptions,
  type ShutdownOptions,
  type TopicOptions,
} from './nest/options.js';
export {
  type ParkedAddress,
  type ParkedAggregate,
  ParkedAggregates,
  type ParkedFilter,
  type ParkedLetter,
  type ParkedPage,
  type RetryAllResult,
} from './nest/parked-aggregates.js';
export type { HealthProblem, HealthProblemCode } from './observe/health.js';
export type { Meter, MetricAttributes } from './observe/meter.js';
export type {
  GroupStatus,
  PartitionStatus,
  PublisherStatus,
  TopicStatus,
  TransportSnapshot,
} from './observe/snapshot.js';
export type { AggregateLook, PartitionCounts } from './consumer/partition-look.js';
export type { CommandResult } from './parking/parked-commands.js';
export {
  AGGREGATE_TRANSPORT,
  AGGREGATE_TRANSPORT_OPTIONS,
  getAggregatePublisherToken,
} from './nest/tokens.js';
export type { PublisherOf } from './nest/typed-topic.js';
export { UnrecoverableError } from './nest/unrecoverable.error.js';
