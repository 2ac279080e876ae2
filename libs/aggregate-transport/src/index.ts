// The public door: everything a service may use, by name.
export {
  AggregateTransportError,
  type AggregateTransportErrorCode,
  type BlockedBySettings,
  type BlockedByVersion,
  type BlockReason,
  BLOCKS_AGGREGATE,
  CodedError,
} from './errors.js';
export { EffectCollector, type EffectCollectorOptions } from './effect-collector.js';
export type { Codec } from './message/codec.js';
export { jsonCodec, type ReadHeaders } from './message/codec.js';
export { cloudEventsCodec, type CloudEventsOptions } from './message/cloud-events/cloud-events-codec.js';
export type { Envelope } from './message/envelope.js';
export type { AggregateEvent, PublishReceipt } from './message/event.js';
export type { Jsonable, JsonEvents, NotJson } from './message/json.js';
export type { AttemptFailure } from './message/delivery.js';
export type { ParkReason } from './message/park-reason.js';
export type { CheckedEvent } from './message/outgoing/checked-event.js';
export { partitionFilter, partitionOf } from './message/partitioning.js';
export type { StoredEvent } from './message/stored-event.js';
export { aggregateIdOf, subjectOf, tokenOf } from './message/subject.js';
export { defineTopic, type } from './message/shapes/define-topic.js';
export type { PayloadIssue } from './message/shapes/issues.js';
export { PayloadRefusedError, VersionNewerError } from './message/shapes/shape-errors.js';
export type { PayloadOf, ShapeDefinition, TopicDefinition, TypeOnly } from './message/shapes/shape-types.js';
export type { StandardSchemaV1 } from './message/shapes/standard-schema.js';
export type { Upcaster } from './message/shapes/topic-shapes.js';
export type { EventMap, EventsOf, InputsOf, Topic, TopicRef } from './message/topic.js';
export type { EventIn, EventOf, StoredEventIn, StoredEventOf } from './message/topic-types.js';
export { PublishRejectedError, SequenceConflictError } from './publisher/publish-errors.js';
export type { Disposition, FailedAttempt } from './consumer/handling/outcome.js';
export type { Around, AttemptContext } from './transport/around.js';
export type { AggregateHooks, AggregateNotice, ParkedNotice, StuckNotice } from './transport/hooks.js';
export type { AggregateBatch, AggregateBatchEvent } from './nest/handling/aggregate-batch.js';
export { AggregateContext, type EventEditView, positionOf } from './nest/handling/aggregate.context.js';
export type { CausedEvent, CausedEventOptions, EventTarget } from './nest/handling/caused-events.js';
export { AggregateClient, AggregateRecord } from './nest/publishing/aggregate.client.js';
export { aggregateExceptionFactory } from './nest/handling/aggregate-exception-factory.js';
export type { AggregateClientEvents, AggregateClientStatus } from './nest/publishing/client-status.js';
export {
  AggregateHealthIndicator,
  type AggregateHealthResult,
  type HealthCheckOptions,
} from './nest/operating/aggregate-health.indicator.js';
export {
  AggregateHandler,
  type AggregateHandlerOptions,
} from './nest/handling/aggregate-handler.decorator.js';
export { AggregateId } from './nest/handling/aggregate-handler.decorator.js';
export {
  AggregatePublisher,
  PublishAllError,
  type PublishResult,
  type UncommittedAggregate,
} from './nest/publishing/aggregate-publisher.js';
export type { PublishCallOptions, ReadOptions } from './nest/publishing/call-options.js';
export {
  type AggregateTail,
  ChainedPublisher,
  type ChainOutcome,
  type StreamProgress,
} from './nest/publishing/chained-publisher.js';
export { AggregateServer } from './nest/serving/aggregate.server.js';
export {
  AggregateTransportStatus,
  type SnapshotOptions,
} from './nest/operating/aggregate-transport-status.js';
export { AggregateTransportModule } from './nest/aggregate-transport.module.js';
export { InjectAggregatePublisher } from './nest/publishing/inject-aggregate-publisher.decorator.js';
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
} from './transport/options.js';
export { type NatsAuthenticators, natsAuthenticators } from './stream/clients/authenticators.js';
export type {
  NatsAuthenticator,
  NatsConnectionFactory,
  NatsConnectionOptions,
  NatsConnectionSource,
  NatsTlsOptions,
} from './stream/clients/client-options.js';
export type { OpenNatsConnection } from './stream/clients/open-connection.js';
export type { NatsClientName } from './stream/port/nats-port.js';
export type { EditResult } from './operating/letters/letter-edit.js';
export {
  type EditOptions,
  type LetterRef,
  type ParkedAddress,
  type ParkedAggregate,
  ParkedAggregates,
  type ParkedFilter,
  type ParkedLetter,
  type ParkedPage,
} from './nest/operating/parked-aggregates.js';
export type { RetryAllResult } from './operating/commands/retry-each.js';
export { AggregateGroups } from './nest/operating/aggregate-groups.js';
export type {
  ChangeResult,
  ChangeState,
  DeletionResult,
  GroupChangeOptions,
  ResetOptions,
  ResetResult,
} from './operating/groups/groups.js';
export type {
  GroupChange,
  GroupCondition,
  GroupDetails,
  GroupPartition,
  GroupSummary,
} from './operating/groups/group-state.js';
export type { DeletionPlan, DeletionState } from './operating/groups/deletion.js';
export type { AsideAggregate } from './operating/groups/catch-up.js';
export type { FollowOptions, FollowSample, GroupLag } from './operating/groups/follow.js';
export type { GroupRemains } from './operating/groups/group-ports.js';
export type { OperationStep, ProgressListener } from './operating/groups/patience.js';
export type { ResetLetters, ResetPlan, ResetRow } from './operating/groups/reset-plan.js';
export type { ResetTo } from './operating/groups/reset-target.js';
export { type AggregateAddress, type AggregateInGroup, Aggregates } from './nest/operating/aggregates.js';
export { AggregateOperations } from './nest/operating/aggregate-operations.js';
export type { AggregatePlace, ParkedPlace } from './operating/aggregates/aggregate-places.js';
export type { PartitionOwner } from './operating/aggregates/aggregate-ports.js';
export type { Purged, PurgePlan } from './operating/aggregates/purge-aggregate.js';
export type { ReplayFrom } from './operating/aggregates/replay-aggregate.js';
export type { HealthProblem, HealthProblemCode } from './observe/health-problem.js';
export type { Meter, MetricAttributes, ObservableResult } from './observe/meter.js';
export type { TracePropagator, Tracer } from './tracing/api.js';
export type { TracingOptions } from './tracing/tracing.js';
export type {
  GroupStatus,
  PartitionStatus,
  PublisherStatus,
  TopicStatus,
  TransportSnapshot,
} from './observe/snapshot.js';
export type { ChangedSetting } from './observe/observed.js';
export type { AggregateStatus } from './consumer/lanes/lane-report.js';
export type { PartitionCounts } from './consumer/partition-status.js';
export type { CommandResult } from './operating/commands/operator-commands.js';
export {
  AGGREGATE_TRANSPORT,
  AGGREGATE_TRANSPORT_OPTIONS,
  getAggregatePublisherToken,
} from './nest/tokens.js';
export type { PublisherOf } from './nest/publishing/publisher-of.js';
export { UnrecoverableError } from './nest/handling/unrecoverable.error.js';
export { FieldLogger } from './nest/field-logger.js';
export type { LineLogger, LoggedLine } from './nest/log-forms.js';
