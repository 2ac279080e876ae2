/** A stream's configuration as the server's API writes it, as far as we set or check it. */
export interface StreamConfig {
  name: string;
  subjects: string[];
  retention: string;
  storage: string;
  max_bytes: number;
  max_msgs: number;
  /** In nanoseconds. */
  max_age: number;
  max_msgs_per_subject: number;
  max_msg_size?: number;
  num_replicas: number;
  /** In nanoseconds. */
  duplicate_window: number;
  discard: string;
  allow_direct: boolean;
  /** Several messages stored as one, or none of them; servers before 2.12 do not know it. */
  allow_atomic?: boolean;
  allow_rollup_hdrs?: boolean;
  /** Messages that are due later (ADR-51); servers before 2.12 do not know it. */
  allow_msg_schedules?: boolean;
  /** Servers before 2.12 do not know it. */
  allow_msg_counter?: boolean;
  /** Limits of the consumers of this stream; `inactive_threshold` in nanoseconds. */
  consumer_limits?: { readonly inactive_threshold?: number };
  deny_delete?: boolean;
  deny_purge?: boolean;
  /** With `discard: new`: a subject that has its number of messages takes no further one. */
  discard_new_per_subject?: boolean;
  no_ack?: boolean;
  /** `async` confirms before the message is on disk; servers before 2.12 do not know it. */
  persist_mode?: string;
  /** Nothing can be written or removed any more. */
  sealed?: boolean;
  mirror?: object | null;
  sources?: object[] | null;
  subject_transform?: object | null;
  /** How long a marker of deleted messages stays; servers before 2.11 do not know it. */
  subject_delete_marker_ttl?: number;
  metadata?: Record<string, string>;
}

/** What a caller wants of a stream to be made; the server fills in the rest. */
export type WantedStream = Partial<StreamConfig> & Pick<StreamConfig, 'name' | 'subjects'>;

/** Which server of a cluster speaks for a stream or a consumer. */
export interface ClusterInfo {
  leader?: string;
}

/** The answer of `STREAM.INFO` and `STREAM.CREATE`. */
export interface StreamInfo {
  config: StreamConfig;
  /** When it was made. */
  created: string;
  state: {
    first_seq: number;
    last_seq: number;
    messages: number;
    bytes: number;
    /** When the first of them was stored. */
    first_ts: string;
    /** When the last of them was stored. */
    last_ts?: string;
    /** Sequences between the first and the last that the stream does not hold; absent without one. */
    num_deleted?: number;
    /** Those sequences, if they were asked for. */
    deleted?: number[] | null;
    /** Subjects that have messages. */
    num_subjects?: number;
    /** Messages by subject, if asked for. */
    subjects?: Record<string, number>;
  };
  cluster?: ClusterInfo;
  /** The server's time. */
  ts?: string;
  /** All subjects there are, if a page of them was asked for. */
  total?: number;
}

/** The configuration of a consumer without acks, as the server's API writes it. */
export interface ReaderConfig {
  name: string;
  description: string;
  filter_subject: string;
  ack_policy: 'none';
  deliver_policy: 'by_start_sequence';
  opt_start_seq: number;
  replay_policy: 'instant';
  mem_storage: true;
  num_replicas: 1;
  /** In nanoseconds. */
  inactive_threshold: number;
  max_waiting?: number;
}

/** The answer of `CONSUMER.CREATE` and `CONSUMER.INFO`. */
export interface ConsumerInfo {
  name: string;
  num_pending: number;
  /** As the server completed it. */
  config: Readonly<Record<string, unknown>>;
  /** Since nats-server 2.11. */
  paused?: boolean;
}
