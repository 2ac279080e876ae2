import { streamSubjectOf } from '../../message/subject.js';
import type { StreamConfig } from './api-types.js';
import { nanosOf } from './time.js';

/** The mark of our subject and header layout, written into a stream's metadata when it is made, and never later. */
export const LAYOUT_KEY = 'aggregate-transport.layout';
export const LAYOUT_VERSION = '1';

/** Without an open pull the server removes a reader after this time. */
export const READER_INACTIVE_MS = 10_000;

export interface StreamOptions {
  readonly storage: 'file' | 'memory';
  readonly maxBytes: number;
  readonly maxMessages: number;
  /** 0 keeps events however old they are. */
  readonly maxAgeMs: number;
  readonly replicas: number;
  readonly duplicateWindowMs: number;
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
