import type { LeaseSession } from '../../records/lease-record.js';

/** A term of a replica's session, as leases name it. */
export interface SessionTerm {
  readonly owner: string;
  readonly term: number;
}

/** Depends on this process's session: a lease. */
export interface SessionTenant {
  /** What it holds, for the record that others see; undefined if it holds nothing. */
  readonly held: { readonly key: string; readonly epoch: number } | undefined;
  /** A term begins: leases may be taken. */
  sessionBegan(): void;
  /** The term is over: nothing may start under its leases any more. */
  sessionEnded(reason: string): void;
  /** Requests failed for a while and are answered again, in the same term: announcements may have been missed. */
  sessionResumed(): void;
}

/** This process's session, as its leases see it. */
export interface OwnSession {
  /** Names this process. */
  readonly member: string;
  readonly ttlMs: number;
  /** The term in force; 0 if there is none. Reads the clocks. */
  readonly term: number;
  /** Milliseconds until the term is over unless it is renewed; 0 or less without one. */
  remainingMs(): number;
  /** When the last confirmed renewal was sent. */
  readonly renewedAt: number;
  /** When the server answered again: before, no replica could renew anything. */
  readonly answeredSince: number;
  join(tenant: SessionTenant): void;
  leave(tenant: SessionTenant): void;
}

/** What was heard of another replica's session. */
export interface SessionNews {
  readonly member: string;
  readonly term: number;
  readonly ttlMs: number;
  /** See `MemberRecord`; undefined if it was not a write of the replica itself. */
  readonly holds: Readonly<Record<string, number>> | undefined;
}

export interface SessionListener {
  /** The session was renewed, or is over. */
  sessionHeard(news: SessionNews): void;
  /** All sessions were looked at or heard for the first time: now it is known what they hold. */
  othersSeen(): void;
}

/** The sessions of the other replicas, as leases see them. */
export interface OtherSessions {
  /** Since when, on the clock, this process knows that the term is over; undefined if it may be in force. */
  overSince(session: SessionTerm): number | undefined;
  /** Of the lease of that key: the highest epoch that a live session says it holds. 0: none; infinity: not known yet. */
  heldEpoch(key: string): number;
  /** A lease names this session: it is ended once its record, or the lack of one, has stood still for the ttl. */
  watch(session: LeaseSession): void;
  listen(listener: SessionListener): void;
  forget(listener: SessionListener): void;
}
