/** The topic, the group that applies its events, and the two databases. */
export const TOPIC = 'orders';
export const GROUP = 'billing';
export const SHOP_SCHEMA = 'shop';
export const BILLING_SCHEMA = 'billing';
/** What a process gets in this environment variable, as JSON. */
export const SETUP_VARIABLE = 'POSTGRES_FAULTS';

interface ProcessSetup {
  readonly nats: string;
  /** Of its own database, through its own proxy. */
  readonly postgres: string;
  readonly journal: string;
  readonly seed: number;
}

export interface ShopSetup extends ProcessSetup {
  readonly sessions: number;
  readonly aggregates: number;
  /** Between two transactions of a session, at most. */
  readonly pauseMs: number;
  readonly maxConnections: number;
}

export interface RelaySetup extends ProcessSetup {
  readonly shards: number;
  readonly maxRows: number;
  readonly keepPublishedMs?: number;
  readonly silentForMs: number;
}

export interface HandlerSetup extends ProcessSetup {
  readonly partitions: number;
  readonly leaseTtlMs: number;
  readonly maxConnections: number;
  readonly commitEveryMs: number;
  /** Every transaction is the handler's own; else every second one. */
  readonly alwaysOwn: boolean;
}

/** What the parent tells a process: stop at a step, or stop no more; begin nothing new. */
export type Order = { readonly stopAt: string | undefined } | { readonly quiet: true };

/** What a process writes down. It judges nothing. */
export type ProcessLine =
  | { readonly what: 'ready' }
  /** A transaction that did not commit, or whose end is unknown, and why. */
  | { readonly what: 'undone'; readonly why: string }
  | { readonly what: 'repeat' | 'fenced'; readonly aggregate: string; readonly event: string }
  | { readonly what: 'failed'; readonly why: string }
  | { readonly what: 'log'; readonly level: string; readonly text: string };

/** An event's payload: the transaction that added it, and its place within it. */
export interface Ordered {
  readonly tx: string;
  readonly place: number;
}
