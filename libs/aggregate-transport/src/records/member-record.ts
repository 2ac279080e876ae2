import type { StoredValue } from './key-port.js';

/** An event that a replica has taken in. */
export interface SeenEvent {
  /** When the stream was made. */
  readonly created: string;
  readonly sequence: number;
  /** When the stream stored it, in nanoseconds since 1970; '' if not known. */
  readonly time: string;
}

/** The event types that a replica has handlers for. */
export interface HandledTypes {
  /** Sorted; of very many only the first {@link MAX_NAMED_TYPES}. */
  readonly types: readonly string[];
  /** It has a handler for every other type, too. */
  readonly others: boolean;
}

/** A member's record is written four times per ttl, so it names no more types than this. */
export const MAX_NAMED_TYPES = 500;

/**
 * What a replica of a group writes to be seen by the others: its session. A replica may own partitions while it renews
 * this record. Every write is compare-and-set, so a session that another replica has ended cannot be renewed.
 */
export interface MemberRecord {
  /** Names the process; no other may use the same name. */
  readonly member: string;
  /** How long it counts as alive without another write, in milliseconds. */
  readonly ttlMs: number;
  /**
   * Grows with every write of the process, from a random number on. So two writes are told apart wherever they are
   * seen, and those of two processes, too.
   */
  readonly beat: number;
  /**
   * Grows with every session of the process. Its earlier terms are over: nothing starts under their leases. 0 in what a
   * release without sessions writes.
   */
  readonly term: number;
  /** Written by another replica, which has seen the session stand still: this term is over, too. */
  readonly ended?: boolean;
  /** It shuts down and wants no partition any more. It may still hold some. */
  readonly released?: boolean;
  /** The epoch of each lease that it holds, by {@link heldKeyOf}. A hint: the lease alone decides. */
  readonly holds?: Readonly<Record<string, number>>;
  /** Epochs whose lease it lost and survived, by partition: no event started under them has killed it. */
  readonly survived?: Readonly<Record<number, number>>;
  /** The last event of the stream that it knows to have existed. */
  readonly seen?: SeenEvent;
  /** Missing in records of releases that do not say so. */
  readonly handles?: HandledTypes;
}

/** A member's record, and when it was last written, by the server's clock in milliseconds since 1970. */
export interface StoredMember extends StoredValue<MemberRecord> {
  readonly writtenAt?: number;
}

/** Where the replicas of one topic and group see each other. */
export interface PresencePort {
  /**
   * Writes the record of `record.member` if its revision still is `revision`. Resolves with the new revision, or with
   * undefined if another write was first.
   * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown
   */
  announce(record: MemberRecord, revision: number): Promise<number | undefined>;
  /**
   * The names of all records there are.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  list(): Promise<string[]>;
  /** @throws JETSTREAM_REQUEST_FAILED */
  read(member: string): Promise<StoredMember>;
  /**
   * Removes a member's record unless it was written again since.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  remove(member: string, revision: number): Promise<void>;
  /** Calls back whenever a record is written, refused writes included. A hint: it may be missed. */
  onHint(callback: (record: MemberRecord) => void): void;
  close(): void;
}
