import type { StoredMessage } from '../../message/stored-event.js';

/** The topic that events are read from. Every call rejects with JETSTREAM_REQUEST_FAILED if it has no answer. */
export interface CopySource {
  readonly topic: string;
  /** When its stream was made. */
  readonly created: string;
  readonly state: () => Promise<CopiedState>;
  /** The events from this sequence on, in stream order, up to the end of the stream. */
  readonly events: (fromSequence: number) => AsyncIterable<StoredMessage>;
}

/** What a stream holds. */
export interface CopiedState {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
}

/** An event as it is stored in the new topic. */
export interface CopiedEvent {
  readonly token: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type CopyAnswer =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  /** The aggregate's last event is not the one that was expected. */
  | { readonly kind: 'moved' }
  /** Nothing is stored, and the same event would be refused again. */
  | { readonly kind: 'refused'; readonly reason: string };

/** The topic that events are written to. */
export interface CopyTarget {
  readonly topic: string;
  readonly state: () => Promise<CopiedState>;
  /** The aggregate's last event. */
  readonly last: (token: string) => Promise<StoredMessage | undefined>;
  /** All events of the aggregate, in order. */
  readonly history: (token: string) => AsyncIterable<StoredMessage>;
  /**
   * Stores an event if the aggregate's last one has this sequence (0: it has none; undefined: any will do).
   * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown: it may still arrive
   */
  readonly store: (event: CopiedEvent, after: number | undefined) => Promise<CopyAnswer>;
}
