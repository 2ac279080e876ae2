import type { Clock } from '../clock.js';
import type { Partition } from '../consumer/partition.js';
import type { GroupOnServer, GroupQuestion } from '../records/group-on-server.js';
import type { HealthProblem } from './health-problem.js';
import type { Sequencer } from '../publisher/sequencer.js';

/** A partition as far as a look at it needs. */
export type ObservedPartition = Pick<
  Partition,
  'partition' | 'owner' | 'lease' | 'renewedAt' | 'counts' | 'unownedMs'
> & {
  readonly consumer: Pick<Partition['consumer'], 'load' | 'report' | 'noteLoss' | 'inside'>;
};

/** A group whose handlers this process has. */
export interface ObservedGroup {
  readonly topic: string;
  readonly group: string;
  /** The layout that this process follows. */
  readonly layout: number;
  /** All of them, whether this process owns them or waits for them. */
  readonly partitions: readonly ObservedPartition[];
}

/** A stream that an operator has edited or deleted so that it breaks a promise. */
export interface ChangedSetting {
  /** The stream's name on the server. */
  readonly stream: string;
  /** The setting, what was expected and found, what breaks, and what to do. */
  readonly what: string;
  /** Instead of taking an edit back. */
  readonly todo?: string;
  /** When this process noticed it, in milliseconds since 1970. */
  readonly since: number;
}

/** Tells which settings of a topic's streams break a promise now. Reads memory alone. */
export interface ChangedSettings {
  current(): readonly ChangedSetting[];
}

/** Tells which partitions have unsettled events that their stream soon drops. Reads memory alone. */
export interface NearRetention {
  /** Why, as of the last look; undefined if none is near. */
  nearRetention(group: ObservedGroup, partition: number): string | undefined;
}

export interface ObservedTopic {
  readonly name: string;
  readonly connected: boolean;
  /** Its connection never comes back. */
  readonly closed: boolean;
  /** Why, as the client or the server says it. */
  readonly closedWhy?: string | undefined;
  /** Set while JetStream answers nothing although the connection is up. */
  readonly jetStreamAway: { readonly forMs: number; readonly why: string } | undefined;
  readonly publisher: Pick<
    Sequencer,
    'pending' | 'published' | 'failed' | 'batching' | 'unknownAggregates' | 'trouble'
  >;
  readonly groups: readonly ObservedGroup[];
  readonly settings: ChangedSettings;
  lookAt(question: GroupQuestion): Promise<GroupOnServer>;
}

/** The transport of one process, as observers see it. Reading it sends nothing, except for `lookAt`. */
export interface Observed {
  readonly clock: Clock;
  /** The application has handlers of ours. */
  readonly hasHandlers: boolean;
  readonly isListening: boolean;
  /** Topics that are open. */
  topics(): readonly ObservedTopic[];
  readonly looks: NearRetention;
  /** Declared topics that are not open, or not any more. */
  closedTopics(): readonly string[];
  /** What health names at this moment. */
  problems(): readonly HealthProblem[];
}
