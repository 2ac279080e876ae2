/** An event as a service hands it to the publisher. */
export interface AggregateEvent<T = unknown, K extends string = string> {
  /** Whose history this event belongs to: any well-formed text of 1 to 256 UTF-8 bytes. */
  aggregateId: string;
  /** What happened; chooses the handler. */
  type: K;
  /** Anything the codec carries; with the default codec plain data, as JSON has it. */
  payload: T;
  /** Dedup id within its aggregate: the same id is stored once per duplicate window. @default a UUIDv7 */
  eventId?: string;
  /** Version of the payload. @default the one that `defineTopic` declares for the type; 1 without */
  version?: number;
  /** Rises by one per event of the aggregate where the service keeps such a count; lets readers prove order. */
  aggregateVersion?: number;
  /** When it happened. @default now */
  timestamp?: Date;
  /** Stored with the event, and given to its handlers. Nothing is done with it; for spans see docs/tracing.md. */
  traceId?: string;
  /** Stored with the event, and given to its handlers. */
  correlationId?: string;
  /** Stored with the event, and given to its handlers. A whole number. */
  tenantId?: number;
  /** Message headers of your own, in a plain object; names beginning with `Nats-` are refused. */
  headers?: Record<string, string>;
  /**
   * Optimistic concurrency: the stream sequence of this aggregate's last event, 0 if it has none yet. Any other last
   * event refuses this one with SEQUENCE_CONFLICT. If the stream holds no event of the aggregate any more, and has
   * dropped the expected one, it is refused with SEQUENCE_UNKNOWN.
   */
  expectedSequence?: number;
}

/** Proof that the stream has stored an event. */
export interface PublishReceipt {
  /** The topic that stored it. */
  topic: string;
  /** The event's sequence in the topic's stream. */
  sequence: number;
  /** True if the stream held this event id already when this call sent it first. */
  duplicate: boolean;
}
