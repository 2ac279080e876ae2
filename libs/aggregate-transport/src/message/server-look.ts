/** The lease of a partition as it lies on the server, whoever wrote it. */
export interface LeaseOnServer {
  readonly owner: string;
  readonly epoch: number;
  readonly released: boolean;
  readonly ttlMs: number;
  /** When it was last written, by the server's clock, in milliseconds since 1970. */
  readonly writtenAt: number;
}

/** What the server says of one partition of a group. */
export interface PartitionOnServer {
  readonly partition: number;
  /** Undefined if nobody ever took it, or if it was not asked for. */
  readonly lease: LeaseOnServer | undefined;
  /** Undefined if there is no consumer (yet). */
  readonly consumer:
    | {
        /** The highest stream sequence delivered so far. */
        readonly delivered: number;
        /** Events stored and not yet delivered. */
        readonly pending: number;
        /** Events delivered and not settled. */
        readonly unsettled: number;
      }
    | undefined;
  /** When the oldest event that is not settled was stored, in milliseconds since 1970; undefined if there is none. */
  readonly oldestStoredAt: number | undefined;
}

/** What the server says of a group on a topic. */
export interface GroupOnServer {
  /** Where the topic's stream begins; 0 if it has none. */
  readonly firstSequence: number;
  readonly partitions: readonly PartitionOnServer[];
}

/** What to ask the server about a group. */
export interface GroupQuestion {
  readonly group: string;
  readonly partitions: number;
  /** Partitions whose lease is known, with the generation of their consumer: their lease is not read. */
  readonly known: ReadonlyMap<number, number>;
  /** Asks about those only. */
  readonly knownOnly: boolean;
  /** No request begins later than so many milliseconds from now. */
  readonly withinMs: number;
}
