/** What the lease key of a partition holds. Written when something in it changes: the owner's session keeps it. */
export interface LeaseRecord {
  /** The process that holds or held it. */
  readonly owner: string;
  /**
   * The term of that process's session under which it was taken; the lease is over when that term is. Missing in what a
   * release without sessions writes: its owner renews the lease itself.
   */
  readonly term?: number;
  /**
   * How long the lease stands unless it is written again, in milliseconds, to a replica that knows no sessions. With a
   * session that is {@link NO_SESSION_TTL_MS}.
   */
  readonly ttlMs: number;
  /** How long a session that leaves no record counts as alive, in milliseconds. */
  readonly sessionTtlMs?: number;
  /** Without a session: grows with every renewal. */
  readonly beat?: number;
  /** Grows by one with every change of owner: the fencing token of handlers. */
  readonly epoch: number;
  /** The owner let go: a contender may take over at once. Decides nothing else. */
  readonly released?: boolean;
  /** The partition's position was claimed under this lease or an earlier one, so a record of it must exist. */
  readonly claimed?: boolean;
  /** While the partition is being drained: handlers that still run, the first few. */
  readonly running?: readonly RunningHandler[] | undefined;
}

/**
 * A replica of a release without sessions would take a lease that is not renewed. So that lease claims to stand for 20
 * days: a rolling deploy takes less, and timers take no more than 24.
 */
export const NO_SESSION_TTL_MS = 1_728_000_000;

/** The session that keeps a lease. */
export interface LeaseSession {
  readonly owner: string;
  readonly term: number;
  /** How long it counts as alive if it leaves no record, in milliseconds. */
  readonly ttlMs: number;
}

/** Undefined for a lease that its owner renews itself. Pure. */
export function sessionOf({ owner, term, ttlMs, sessionTtlMs }: LeaseRecord): LeaseSession | undefined {
  return term === undefined ? undefined : { owner, term, ttlMs: sessionTtlMs ?? ttlMs };
}

/** How a lease names the session that keeps it. Pure. */
export function keptBy({ owner, term, ttlMs }: LeaseSession): Omit<LeaseRecord, 'epoch'> {
  return { owner, term, ttlMs: NO_SESSION_TTL_MS, sessionTtlMs: ttlMs };
}

/** A handler that keeps a partition from being drained. */
export interface RunningHandler {
  readonly aggregateId: string;
  readonly sequence: number;
  /** How long it has been running, in milliseconds. */
  readonly forMs: number;
}
