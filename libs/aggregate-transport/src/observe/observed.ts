import type { Clock } from '../clock.js';
import type { Partition } from '../consumer/partition.js';
import type { GroupOnServer, GroupQuestion } from '../records/group-on-server.js';
import type { HealthProblem } from './health-problem.js';
import type { Notice } from './notice-board.js';
import type { Sequencer } from '../publisher/sequencer.js';

/** A partition as far as a look at it needs. */
export type ObservedPartition = Pick<Partition, 'partition' | 'owner' | 'lease' | 'counts' | 'unownedMs'> & {
  readonly consumer: Pick<Partition['consumer'], 'load' | 'report' | 'noteFirstSequence'>;
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

export interface ObservedTopic {
  readonly name: string;
  readonly connected: boolean;
  /** Its connection never comes back. */
  readonly closed: boolean;
  /** Set while JetStream answers nothing although the connection is up. */
  readonly jetStreamAway: { readonly forMs: number; readonly why: string } | undefined;
  /** What parts of the transport have noticed when they looked. */
  readonly notices: readonly Notice[];
  readonly publisher: Pick<
    Sequencer,
    'pending' | 'published' | 'failed' | 'batching' | 'unknownAggregates' | 'trouble'
  >;
  readonly groups: readonly ObservedGroup[];
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
  /** Declared topics that are not open, or not any more. */
  closedTopics(): readonly string[];
  /** What health names at this moment. */
  problems(): readonly HealthProblem[];
}
