import { streamSubjectOf } from '../../message/subject.js';
import type { StreamConfig } from './api-types.js';
import { nanosOf } from './time.js';

/** The mark of our subject and header layout, written into a stream's metadata when it is made, and never later. */
export const LAYOUT_KEY = 'aggregate-transport.layout';
export const LAYOUT_VERSION = '1';

/** Without an open pull the server removes a reader after this time. */
export const READER_INACTIVE_MS = 10_000;

export interface StreamOptions {
  /** Where the server keeps the events. `memory` is faster, and empty after a restart of the server. */
  readonly storage: 'file' | 'memory';
  /** Room for events, in bytes, from 1 MiB. The server reserves it; what a full stream does is `discard`. */
  readonly maxBytes: number;
  /** Room for events, in number, from 1; what a full stream does is `discard`. */
  readonly maxMessages: number;
  /** How old an event gets before the stream drops it, handled or not, in milliseconds. 0 keeps events for ever. */
  readonly maxAgeMs: number;
  /** Servers of a cluster that keep the stream, 1 to 5; 3 survive the loss of one server, 1 survives none. */
  readonly replicas: number;
  /**
   * How long the stream knows an event's id, in milliseconds, from 16 000. A copy that comes later is stored once more.
   * At least `publish.giveUpAfterMs` and 15 s.
   */
  readonly duplicateWindowMs: number;
  /**
   * What a full stream does. `old` drops its oldest events, handled or not. `new` refuses new ones at once, with the
   * server's reason.
   */
  readonly discard: 'old' | 'new';
}

/** What the options of a topic set on its stream. */
type TopicStreamConfig = Pick<
  StreamConfig,
  | 'name'
  | 'subjects'
  | 'retention'
  | 'storage'
  | 'max_bytes'
  | 'max_msgs'
  | 'max_age'
  | 'num_replicas'
  | 'duplicate_window'
  | 'discard'
  | 'allow_direct'
  | 'metadata'
>;

export function streamConfigOf(topic: string, options: StreamOptions): TopicStreamConfig {
  return {
    name: topic,
    subjects: [streamSubjectOf(topic)],
    retention: 'limits',
    storage: options.storage,
    max_bytes: options.maxBytes,
    max_msgs: options.maxMessages,
    max_age: nanosOf(options.maxAgeMs),
    num_replicas: options.replicas,
    duplicate_window: nanosOf(options.duplicateWindowMs),
    discard: options.discard,
    allow_direct: true,
    metadata: { [LAYOUT_KEY]: LAYOUT_VERSION },
  };
}

/** Where a group begins when it starts for the first time. */
export type StartAt = 'all' | 'new' | { readonly sequence: number } | { readonly time: Date };
