/** What a publisher process writes. An event is known by its key and its number within the key. */
export type PublisherLine =
  | { readonly what: 'call'; readonly key: string; readonly n: number; readonly again: boolean }
  | {
      readonly what: 'ok';
      readonly key: string;
      readonly n: number;
      readonly seq: number;
      readonly duplicate: boolean;
    }
  | { readonly what: 'fail' | 'unknown'; readonly key: string; readonly n: number; readonly code: string }
  /** An emission of `results$`. */
  | {
      readonly what: 'result';
      readonly key: string;
      readonly n: number;
      readonly outcome: 'stored' | 'failed' | 'unknown';
      readonly seq?: number;
      readonly code?: string;
    }
  | { readonly what: 'crash'; readonly kind: string; readonly text: string }
  | { readonly what: 'ready' }
  /** The publisher's own figures when all is over. */
  | {
      readonly what: 'end';
      readonly flushed: boolean;
      readonly pending: number;
      readonly published: number;
      readonly failed: number;
    }
  | { readonly what: 'log'; readonly level: string; readonly text: string };

/** What the driver writes: what it does, and what it sees on the wire between publisher and server. */
export type DriverLine =
  | { readonly what: 'fault'; readonly kind: string; readonly on: boolean; readonly note?: string }
  | { readonly what: 'spawn'; readonly life: number; readonly pid: number }
  | { readonly what: 'exit'; readonly life: number; readonly how: string; readonly expected: boolean }
  /** An event left the process. */
  | {
      readonly what: 'sent';
      readonly life: number;
      readonly link: number;
      readonly key: string;
      readonly n: number;
      /** The batch that it left in, if in one. */
      readonly batch?: { readonly id: string; readonly isFirst: boolean; readonly isLast: boolean };
    }
  /** An answer to an event, or to a batch whose last sent event this is, reached the process. */
  | {
      readonly what: 'answer';
      readonly life: number;
      readonly key: string;
      readonly n: number;
      readonly answer: 'stored' | 'duplicate' | 'refused' | 'not-stored' | 'unavailable' | 'opened';
      readonly batch?: string;
    }
  /** The answer to a question about a key's stored events reached the process. */
  | { readonly what: 'told'; readonly life: number; readonly key: string };
