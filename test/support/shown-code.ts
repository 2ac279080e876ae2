// Names that pages use without telling where they come from. Their blocks are compiled with them.
import type { AsyncLocalStorage } from 'node:async_hooks';
import type {
  AggregateHealthIndicator,
  AggregatePublisher,
  AggregateTransportOptions,
  AggregateTransportStatus,
  EventIn,
  EventsOf,
  Meter,
  Topic,
} from 'nestjs-aggregate-transport';

export interface OrderPlaced {
  readonly customer: string;
}

export type Order = OrderPlaced;

export interface OrderPaid {
  readonly cents: number;
}

export declare const orders: Topic<{ OrderPlaced: OrderPlaced; OrderPaid: OrderPaid }>;
export declare const publisher: AggregatePublisher<EventsOf<typeof orders>>;
export declare const event: EventIn<EventsOf<typeof orders>>;
export declare const servers: string;
export declare const topics: AggregateTransportOptions['topics'];
export declare const user: string;
export declare const pass: string;
export declare const tls: Record<string, never>;
export declare const connectionString: string;
export declare const als: AsyncLocalStorage<Map<string, string | undefined>>;
export declare const status: AggregateTransportStatus;
export declare const events: AggregateHealthIndicator;
/** As `@nestjs/terminus` has it. */
export declare const health: { check(indicators: readonly (() => unknown)[]): Promise<unknown> };
/** As `@opentelemetry/api` has it. */
export declare const metrics: { getMeter(name: string): Meter };
