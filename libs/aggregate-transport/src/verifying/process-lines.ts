import type { SizeBound } from './settings.js';

/** One attempt of a handler, as a replica writes it down. */
export interface RunLine {
  readonly aggregateId: string;
  readonly number: number;
  readonly sequence: number;
  readonly partition: number;
  readonly token: number;
  readonly attempt: number;
}

/** What a replica writes into its journal. */
export type ReplicaLine =
  | ({ readonly what: 'start' } & RunLine)
  | ({
      readonly what: 'end';
      readonly ok: boolean;
      /** Of an error that was not planned. */
      readonly error?: string;
    } & RunLine)
  /** Its event loop stood still for so long, in milliseconds, until now. */
  | { readonly what: 'stood-still'; readonly ms: number };

/** What a publisher writes into its journal. */
export type PublisherLine =
  | { readonly what: 'call'; readonly aggregateId: string; readonly number: number }
  | {
      readonly what: 'stored';
      readonly aggregateId: string;
      readonly number: number;
      readonly sequence: number;
    }
  | {
      readonly what: 'refused' | 'unknown';
      readonly aggregateId: string;
      readonly number: number;
      readonly code: string;
    };

/** What each process of a run is told first. */
interface CommonSetup {
  readonly topic: string;
  /** Where the process finds its server: the proxy before it. */
  readonly server: string;
  /** The name that the server's certificate must have; undefined without TLS. */
  readonly tlsName: string | undefined;
  /** The common options of the command line. */
  readonly access: Readonly<Record<string, string | boolean | undefined>>;
  readonly journal: string;
  readonly seed: number;
  /** The file of the user's handlers. */
  readonly handlers: string | undefined;
  /** Copies of each stream. */
  readonly copies: number;
  readonly bound: SizeBound;
}

export interface ReplicaSetup extends CommonSetup {
  readonly role: 'replica';
  readonly group: string;
  readonly partitions: number;
  readonly leaseTtlMs: number;
  readonly waitScale: number;
  /** The topic that the user's handlers are written for; undefined: any. */
  readonly handledTopic: string | undefined;
  /** The folder of files that release parked events. */
  readonly released: string;
}

export interface PublisherSetup extends CommonSetup {
  readonly role: 'publisher';
  readonly aggregateIds: readonly string[];
  readonly events: number;
  readonly eventsPerSecond: number;
}

export type ProcessSetup = ReplicaSetup | PublisherSetup;

/** What a process tells its parent. */
export type ProcessMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'held'; readonly partition: number; readonly token: number }
  | { readonly kind: 'progress'; readonly stored: number }
  /** Each event has its outcome. */
  | { readonly kind: 'done' }
  /** It cannot work, and ends. */
  | { readonly kind: 'failed'; readonly error: string; readonly isUsage: boolean };

/** What a parent tells a publisher. A publisher is never frozen, so it can end those that are. */
export type PublisherOrder =
  { readonly kind: 'begin' } | { readonly kind: 'processes'; readonly pids: readonly number[] };
