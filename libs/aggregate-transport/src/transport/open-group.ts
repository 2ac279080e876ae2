import type { Clock } from '../clock.js';
import { ByteBudget } from '../consumer/byte-budget.js';
import { Breaker } from '../consumer/breaker/breaker.js';
import type { EventHandlers } from '../consumer/handling/event-handlers.js';
import type { AttemptSpans } from '../consumer/handling/lane-listener.js';
import { FailureLog } from '../consumer/handling/failure-log.js';
import { RecentAttempts } from '../consumer/recent-attempts.js';
import type { PartitionConsumer } from '../consumer/partition-consumer.js';
import type { GroupView, PartitionObserver } from '../consumer/partition-options.js';
import type { OtherSessions, OwnSession } from '../consumer/ownership/sessions.js';
import { Partition } from '../consumer/partition.js';
import type { AloneTurns } from '../consumer/suspects/alone-turns.js';
import { type Log, logAt } from '../log.js';
import type { PlaceFields } from '../log-events/fields.js';
import type { HandledTypes } from '../records/member-record.js';
import type { Measures } from '../observe/measures.js';
import type { PartitionAddress } from '../records/partition-address.js';
import { ProcessSpans } from '../tracing/process-spans.js';
import type { Tracing } from '../tracing/tracing.js';
import { type AggregateHooks, observerOf } from './hooks.js';
import type { TopicLink } from './open-topics.js';
import type { GroupWire, OpenHow, PartitionWire } from './wires.js';

/** What a handler may know of the partition it runs for. */
export type PartitionView = Pick<
  PartitionConsumer,
  'created' | 'runOf' | 'replayRun' | 'replayUntil' | 'startedThrough'
> & {
  readonly epoch: number;
  /** False from the moment another process may own the partition. */
  isValid(): boolean;
};

/** The partition that handlers run for. */
export interface PartitionPlace {
  readonly partition: number;
  readonly view: PartitionView;
  /** Undefined where attempts are not traced. */
  readonly spans: AttemptSpans | undefined;
}

/** Makes the handlers of a group. */
export interface HandlerSource {
  /** For one partition: each has its own scope. */
  handlersOf(place: PartitionPlace): EventHandlers;
  /** What they handle together, the same for all partitions. */
  readonly handled: HandledTypes;
}

export interface GroupOptions {
  readonly link: TopicLink;
  readonly group: string;
  readonly handlers: HandlerSource;
  readonly hooks: AggregateHooks;
  /** How long a partition that is handed over may take, in milliseconds. */
  readonly drainMs: number;
  /** Undefined where nothing is measured. */
  readonly measures: Measures | undefined;
  /** Undefined where nothing is traced. */
  readonly tracing: Tracing | undefined;
  /** Shared by all partitions of the process. */
  readonly turns: AloneTurns;
  readonly clock: Clock;
  readonly log: Log;
}

/** A group's partitions as one layout divides it. */
export interface OpenedLayout {
  readonly wire: GroupWire;
  readonly partitions: readonly Partition[];
}

/** This process as a replica of the group. */
export interface Replica {
  /** Names this process in its leases. */
  readonly session: OwnSession;
  readonly others: OtherSessions;
  /** The group, as partitions of the layout of this wire see it. */
  viewOf(wire: GroupWire): GroupView;
}

/**
 * Finds or makes a group's partitions on a topic.
 * @throws as {@link TopicWire.openGroup}
 */
export async function openGroup(
  options: GroupOptions,
  replica: Replica,
  how?: OpenHow,
): Promise<OpenedLayout> {
  const { link, group, clock, log } = options;
  const { consume, name } = link.topic;
  const wire = await link.wire.openGroup(group, how);
  const shared = {
    breaker: new Breaker(consume.breaker, wire.partitions.length),
    attempts: new RecentAttempts(options.clock),
    turns: options.turns,
    bytes: new ByteBudget(consume.maxBufferedBytes),
    failures: new FailureLog(
      `topic "${name}", group "${group}"`,
      clock,
      logAt<'group'>(log, { topic: name, group }),
    ),
    writes: link.writes,
  };
  const common = { shared, group: replica.viewOf(wire), replica };
  const partitions = wire.partitions.map((one) => partitionOf(options, one, common));
  return { wire, partitions };
}

interface Common {
  readonly replica: Replica;
  readonly group: GroupView;
  readonly shared: ConstructorParameters<typeof Partition>[0]['consumer']['shared'];
}

function partitionOf(
  options: GroupOptions,
  wire: PartitionWire,
  { replica, group, shared }: Common,
): Partition {
  const { clock, drainMs, log, handlers } = options;
  const { address } = wire;
  const { consume, codec } = options.link.topic;
  const { maxAckPending, onUnhandledType, batch, pullExpiresMs, commitEveryMs } = consume;
  const { partition } = address;
  const view: PartitionView = new LiveView(() => opened);
  const spans = options.tracing && new ProcessSpans(options.tracing, address, view);
  const opened: Partition = new Partition({
    session: replica.session,
    others: replica.others,
    leasePort: wire.leasePort,
    drainMs,
    consumer: {
      address,
      ports: wire,
      handling: {
        failurePolicy: consume,
        onUnhandledType,
        concurrency: Math.max(1, Math.ceil(consume.concurrency / address.partitions)),
        maxAckPending,
      },
      calls: { codec, handlers: handlers.handlersOf({ partition, view, spans }) },
      reading: { batch, pullExpiresMs, commitEveryMs },
      shared,
      group,
      surroundings: {
        ...{ clock, random: Math.random, observer: { ...observerFor(options, address), spans } },
        log: shared.failures.limit(logAt<'partition'>(log, placeOf(address))),
      },
    },
  });
  return opened;
}

/** Handlers exist before their partition does. */
class LiveView implements PartitionView {
  constructor(private readonly partition: () => Partition) {}

  get epoch(): number {
    return this.partition().lease.epoch;
  }

  get created(): string {
    return this.partition().consumer.created;
  }

  runOf(sequence: number): number {
    return this.partition().consumer.runOf(sequence);
  }

  get replayRun(): number {
    return this.partition().consumer.replayRun;
  }

  get replayUntil(): number {
    return this.partition().consumer.replayUntil;
  }

  get startedThrough(): number {
    return this.partition().consumer.startedThrough;
  }

  isValid(): boolean {
    return this.partition().lease.isValid();
  }
}

function placeOf({ topic, group, partition }: PartitionAddress): PlaceFields['partition'] {
  return { topic, group, partition };
}

function observerFor({ hooks, log, measures }: GroupOptions, address: PartitionAddress): PartitionObserver {
  const where = placeOf(address);
  return { ...observerOf(hooks, where, log), ...measures?.of(where) };
}
