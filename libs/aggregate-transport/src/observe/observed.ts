import type { Clock } from '../clock.js';
import type { Partition } from '../consumer/partition.js';
import type { GroupOnServer, GroupQuestion } from '../records/group-on-server.js';
import type { Sequencer } from '../publisher/sequencer.js';

/** A partition as far as a look at it needs. */
export type ObservedPartition = Pick<Partition, 'partition' | 'owner' | 'lease' | 'counts'> & {
  readonly consumer: Pick<Partition['consumer'], 'load' | 'look' | 'takeoverCount' | 'sawStream'>;
};

/** A group whose handlers this process has. */
export interface ObservedGroup {
  readonly topic: string;
  readonly group: string;
  /** All of them, whether this process owns them or waits for them. */
  readonly partitions: readonly ObservedPartition[];
}

export interface ObservedTopic {
  readonly name: string;
  readonly connected: boolean;
  /** Its connection never comes back. */
  readonly closed: boolean;
  readonly publisher: Pick<Sequencer, 'pending' | 'published' | 'failed' | 'batching' | 'unknownAggregates'>;
  readonly groups: readonly ObservedGroup[];
  lookAt(question: GroupQuestion): Promise<GroupOnServer>;
}

/** What is looked at: the transport of one process. Reading it sends nothing, but for `lookAt`. */
export interface Observed {
  readonly clock: Clock;
  /** The application has handlers of ours. */
  readonly hasHandlers: boolean;
  readonly isListening: boolean;
  /** Topics that are open. */
  topics(): readonly ObservedTopic[];
  /** Declared topics that are not open, or not any more. */
  closedTopics(): readonly string[];
}
