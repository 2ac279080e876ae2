import type { Clock } from '../../clock.js';
import type { LogAt } from '../../log.js';
import type { KeyPort } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { OtherSessions, OwnSession } from './sessions.js';

/** What the holder writes into the lease beside its name. */
export type LeaseFacts = Pick<LeaseRecord, 'claimed' | 'running'>;

/** The partition, as its lease sees it. */
export interface LeaseListener {
  /** Taken under a new epoch. `before` is what the lease said; undefined if it said nothing. */
  acquired(before: LeaseRecord | undefined): void;
  /** Nothing may start any more. */
  lost(reason: string): void;
  /** As {@link lost}, although no other process can have owned it: it is taken again under a new epoch. */
  startsOver(reason: string): void;
  /** No handler of the partition runs in this process, under whichever epoch it began. */
  isAtRest(): boolean;
  /** What the lease says from its next write on. */
  facts(): LeaseFacts;
  /** The partition has another holder, as far as this process sees. */
  holderChanged(): void;
}

export interface LeaseOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  /** Names the lease in the records of sessions. */
  readonly key: string;
  /** This process's session: its term is the lease's time. */
  readonly session: OwnSession;
  readonly others: OtherSessions;
  readonly port: KeyPort<LeaseRecord>;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
  readonly listener: LeaseListener;
}

/** See `Lease`. */
export type LeaseMode = 'idle' | 'standby' | 'seeking' | 'held' | 'closed';
