/** What {@link Around} sees of an attempt; the `AggregateContext` that `@Ctx()` injects is one. */
export interface AttemptContext {
  /** The topic of the event. */
  readonly topic: string;
  /** The group that handles it. */
  readonly group: string;
  /** The group's partition, from 0. */
  readonly partition: number;
  /** The aggregate that the event belongs to. */
  readonly aggregateId: string;
  /** The type that the event was published under. */
  readonly type: string;
  /** The same in every attempt, every group and every run. */
  readonly eventId: string;
  /** Schema version of the payload. */
  readonly version: number;
  /** The service's own count of the aggregate's events; undefined if its publisher sets none. */
  readonly aggregateVersion: number | undefined;
  /** When it happened; when it was stored, if its publisher does not say. */
  readonly timestamp: Date;
  /** As its publisher gave it; undefined if it gave none. */
  readonly traceId: string | undefined;
  /** As its publisher gave it; undefined if it gave none. */
  readonly correlationId: string | undefined;
  /** As its publisher gave it; undefined if it gave none. */
  readonly tenantId: number | undefined;
  /** The message's headers, read when asked for. */
  readonly headers: Readonly<Record<string, string>>;
  /** The event's sequence in the topic's stream. */
  readonly sequence: number;
  /** Attempts in this process: 1, 2, … */
  readonly attempt: number;
  /**
   * Rises with every event of the aggregate in this group, over resets and streams made again. Store it to tell a
   * repeat.
   */
  readonly position: bigint;
  /** How often the group began again for this topic; 0 at first. */
  readonly run: number;
  /** True below the place that the group, or this aggregate alone, had reached before a reset. */
  readonly isReplay: boolean;
  /** Grows with every change of the partition's owner. A store that remembers it can refuse a late writer. */
  readonly fencingToken: number;
  /** Aborted when the handler's time is over, when the lease is lost or handed over, and when the process stops. */
  readonly signal: AbortSignal;
}

interface Surrounding {
  around(context: AttemptContext, next: () => Promise<void>): unknown;
}

/** See `consume.around`. The type of a method, so that one that asks for the whole `AggregateContext` fits, too. */
export type Around = Surrounding['around'];
