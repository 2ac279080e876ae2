import type { PositionLine } from './position-tap.js';

/** An event of one key, as a handler sees it. */
export interface Handling {
  readonly key: string;
  readonly n: number;
  readonly seq: number;
  readonly partition: number;
  /** The fencing token the handler read. */
  readonly epoch: number;
  readonly attempt: number;
}

/** What a worker writes. */
export type WorkerLine =
  | ({ readonly what: 'start' } & Handling)
  | ({ readonly what: 'end'; readonly ok: boolean; readonly why?: string } & Handling)
  | { readonly what: 'ready' | 'stopping' | 'stopped' }
  | { readonly what: 'block' | 'hang'; readonly on: boolean; readonly key: string; readonly n: number }
  | { readonly what: 'log'; readonly level: string; readonly text: string };

/** What the effect store writes, in the order it decided. */
export type EffectLine = {
  readonly what: 'effect';
  readonly worker: string;
  readonly accepted: boolean;
  /** The highest epoch that had written to the partition before. */
  readonly highest: number;
} & Handling;

/** What the parent writes: publisher, nemesis and tap. */
export type ParentLine =
  | { readonly what: 'pub.call'; readonly key: string; readonly n: number }
  | { readonly what: 'pub.ok'; readonly key: string; readonly n: number; readonly seq: number }
  | {
      readonly what: 'pub.fail' | 'pub.unknown';
      readonly key: string;
      readonly n: number;
      readonly code: string;
    }
  | {
      readonly what: 'fault';
      readonly kind: string;
      readonly on: boolean;
      /** The worker it hits; absent if it hits all. */
      readonly slot?: number;
      readonly note?: string;
    }
  | { readonly what: 'spawn'; readonly slot: number; readonly worker: string; readonly pid: number }
  | {
      readonly what: 'exit';
      readonly slot: number;
      readonly worker: string;
      readonly how: string;
      readonly expected: boolean;
    }
  | PositionLine
  | { readonly what: 'letter'; readonly seq: number }
  | { readonly what: 'tap.gap' }
  | { readonly what: 'phase'; readonly name: string };

export { Journal, readJournal, type Stamped, stamp } from '#library/verifying/harness/journal.js';
