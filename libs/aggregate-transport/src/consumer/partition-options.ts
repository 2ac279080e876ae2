import type { Clock } from '../clock.js';
import type { LogAt } from '../log.js';
import type { ReaderConnectionListener, ReaderPort } from '../message/reader-port.js';
import type { ParkedPort } from '../parking/parked-port.js';
import type { GroupRecord } from '../records/group-record.js';
import type { KeyPort } from '../records/key-port.js';
import type { PartitionAddress } from '../records/partition-address.js';
import type { PositionRecord } from '../records/position-record.js';
import type { Breaker } from './breaker/breaker.js';
import type { ByteBudget } from './byte-budget.js';
import type { FailureLog } from './handling/failure-log.js';
import type { RecentAttempts } from './recent-attempts.js';
import type { HandlerCallsOptions } from './handling/handler-calls.js';
import type { LaneObserver, OtherReplicas } from './handling/lane-listener.js';
import type { HandlingPolicy } from './lanes/lanes.js';
import type { WriteBudget } from './position/commit-pace.js';
import type { ReaderCause } from './reading/reader.js';
import type { SeenEvents } from './seen-events.js';
import type { AloneTurns } from './suspects/alone-turns.js';
import type { Survivors } from './suspects/suspects.js';

/** How a partition came to this owner: released, from an owner that died, or this process itself had it before. */
export type ClaimCause = 'release' | 'death' | 'own';

/** Hears what happens to aggregates, and how long things take. Nothing it does may throw. */
export interface PartitionObserver extends LaneObserver {
  /** From the lease until the first event may be taken in. */
  claimed?: (cause: ClaimCause, ms: number) => void;
  /** From the wish for a reader until it reads. */
  readerOpened?: (cause: ReaderCause, ms: number) => void;
}

/** One partition's ways to the server. */
export interface PartitionPorts {
  connect(listener: ReaderConnectionListener): ReaderPort;
  readonly positionPort: KeyPort<PositionRecord>;
  readonly parkedPort: ParkedPort;
}

/** How events are read and positions written. */
export interface ReadingPolicy {
  readonly batch: number;
  readonly pullExpiresMs: number;
  readonly commitEveryMs: number;
}

/** What the partitions of a group in this process share. */
export interface GroupParts {
  readonly breaker: Breaker;
  readonly attempts: RecentAttempts;
  readonly turns: AloneTurns;
  readonly bytes: ByteBudget;
  readonly failures: FailureLog;
  readonly writes: WriteBudget;
}

/** The group, as its partitions see it. */
export interface GroupView extends Survivors, OtherReplicas {
  /** The record as this process saw it last. */
  readonly record: GroupRecord;
  /** What the replicas know of the stream. */
  readonly seen: SeenEvents;
  /** True if the change of that number, which drained a partition of this layout, was cancelled. */
  isCancelled(change: number): boolean;
}

/** Time, chance and where to tell. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: LogAt<'partition'>;
  readonly observer: PartitionObserver;
}

/** What one partition of a group is made of. */
export interface PartitionConsumerOptions {
  readonly address: PartitionAddress;
  readonly ports: PartitionPorts;
  readonly handling: HandlingPolicy;
  readonly calls: Pick<HandlerCallsOptions, 'codec' | 'handlers'>;
  readonly reading: ReadingPolicy;
  readonly shared: GroupParts;
  readonly group: GroupView;
  readonly surroundings: Surroundings;
}

/** For log texts. */
export function nameOf({ topic, group, partition }: PartitionAddress): string {
  return `topic "${topic}", group "${group}", partition ${partition}`;
}
