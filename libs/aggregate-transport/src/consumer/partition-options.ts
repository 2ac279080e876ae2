import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Codec } from '../message/codec.js';
import type { KeyPort } from '../records/key-port.js';
import type { ConsumerListener, ConsumerPort } from '../message/reader-port.js';
import type { Delivery } from '../message/delivery.js';
import type { ParkNote } from '../message/park-reason.js';
import type { ParkedPort } from '../parking/parked-port.js';
import type { FailurePolicy, FailureStage } from './handling/outcome.js';
import type { Breaker } from './handling/breaker.js';
import type { LeaseRecord } from '../records/lease-record.js';
import type { EventHandlers, OnUnhandledType } from './handling/event-handlers.js';
import type { Ownership } from './ownership/ownership.js';
import type { SuspectRecord } from './handling/suspects.js';

/**
 * Why a partition was taken over: with a lease that was let go, with one whose last owner had died, after a reconnect,
 * because deliveries were lost or the feed fell silent, because an event came that nobody had asked for, or because a
 * hand-over did not come to its end and the partition goes on here.
 */
export type TakeoverCause = 'lease' | 'crash' | 'reconnect' | 'gap' | 'disorder' | 'hand-over';

/** Who wants to know what happens to aggregates, and how long things take. Nothing it does may throw. */
export interface PartitionObserver {
  parked(event: Delivery, note: ParkNote): void;
  unparked(aggregateId: string): void;
  stuck(event: Delivery, ageMs: number): void;
  tookOver?: (cause: TakeoverCause, ms: number) => void;
  /** So long after the takeover all unsettled events had arrived again. */
  fenceOpened?: (ms: number) => void;
  /** The one call per event; where nobody measures there is none, and no clock is read for it. */
  attemptEnded?: (ms: number, failedIn: FailureStage | undefined) => void;
}

/** What one partition of a group is made of: its ways to the server, its handlers, its limits. */
export interface PartitionConsumerOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly topic: string;
  readonly connect: (listener: ConsumerListener) => ConsumerPort;
  readonly ownership: Ownership;
  /** Where the starts of suspects are written down. */
  readonly suspectPort: KeyPort<SuspectRecord>;
  /** Where its parked aggregates are kept. */
  readonly parkedPort: ParkedPort;
  /** The leases of the partitions, among so many, whose aggregates this partition holds. */
  readonly formerLeases: (partitions: number) => Promise<ReadonlyMap<number, LeaseRecord | undefined>>;
  /** Shared by all partitions of the group in this process. */
  readonly breaker: Breaker;
  readonly observer: PartitionObserver;
  /** What is known of the partition no longer holds: its events come again under a new epoch. */
  readonly startOver: (reason: string) => void;
  /** A takeover keeps failing, since so many milliseconds. */
  readonly takeoverFailed: (sinceMs: number) => void;
  readonly handlers: EventHandlers;
  readonly codec: Codec;
  readonly onUnhandledType: OnUnhandledType;
  readonly failurePolicy: FailurePolicy;
  readonly concurrency: number;
  readonly batch: number;
  readonly maxAckPending: number;
  readonly maxBufferedBytes: number;
  readonly pullExpiresMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}
