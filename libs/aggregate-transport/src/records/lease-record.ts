/** What the lease key of a partition holds. */
export interface LeaseRecord {
  /** The process that holds or held it. */
  readonly owner: string;
  /** How long the record stands unless it is renewed, in milliseconds. */
  readonly ttlMs: number;
  /** Grows by one with every change of owner: the fencing token of handlers. */
  readonly epoch: number;
  /** Grows with every write of the owner in this epoch. */
  readonly beat: number;
  /** The owner let go: a contender may take over at once. Decides nothing else. */
  readonly released?: boolean;
  /** The partition's position was claimed under this lease or an earlier one, so a record of it must exist. */
  readonly claimed?: boolean;
  /** While the partition is being drained: handlers that still run, the first few. */
  readonly running?: readonly RunningHandler[] | undefined;
}

/** A handler that keeps a partition from being drained. */
export interface RunningHandler {
  readonly aggregateId: string;
  readonly sequence: number;
  /** How long it has been running, in milliseconds. */
  readonly forMs: number;
}
