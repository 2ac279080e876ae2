/** What the lease key of a partition holds. Written when something in it changes: the owner's session keeps it. */
export interface LeaseRecord {
  /** The process that holds or held it. */
  readonly owner: string;
  /** The term of that process's session under which it was taken; the lease is over when that term is. */
  readonly term: number;
  /** How long a session that leaves no record counts as alive, in milliseconds. */
  readonly ttlMs: number;
  /** Grows by one with every change of owner: the fencing token of handlers. */
  readonly epoch: number;
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
