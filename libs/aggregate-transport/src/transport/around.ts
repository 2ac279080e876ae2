/** What {@link Around} sees of an attempt; the `AggregateContext` that `@Ctx()` injects is one. */
export interface AttemptContext {
  readonly topic: string;
  readonly group: string;
  readonly partition: number;
  readonly aggregateId: string;
  readonly type: string;
  readonly eventId: string;
  readonly version: number;
  readonly aggregateVersion: number | undefined;
  readonly timestamp: Date;
  readonly traceId: string | undefined;
  readonly correlationId: string | undefined;
  readonly tenantId: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly sequence: number;
  readonly attempt: number;
  readonly position: bigint;
  readonly run: number;
  readonly isReplay: boolean;
  readonly fencingToken: number;
  readonly signal: AbortSignal;
}

interface Surrounding {
  around(context: AttemptContext, next: () => Promise<void>): unknown;
}

/** See `consume.around`. The type of a method, so that one that asks for the whole `AggregateContext` fits, too. */
export type Around = Surrounding['around'];
