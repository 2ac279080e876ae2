import type {
  AggregateAnswer,
  OneAggregateAnswer,
  PartitionAnswer,
  ProblemAnswer,
  TroubleCounts,
} from '../asking/answers.js';

/**
 * Who answered. `answered`: in time. `silent`: its session is renewed, and no answer came; it runs an older release,
 * lacks the permission, or its event loop is blocked. What only it knows is unknown.
 */
export interface LiveReplica {
  /** The name of the process in leases and sessions. */
  readonly replica: string;
  /** Whether it answered in time. */
  readonly state: 'answered' | 'silent';
  /** How long its answer took, in milliseconds. */
  readonly tookMs: number | undefined;
}

/** Who answered a question, and who did not. */
export interface Asked {
  /** The topic that was asked about. */
  readonly topic: string;
  /** The group that was asked about. */
  readonly group: string;
  /** When the answers were gathered, by this host's clock, in milliseconds since 1970. */
  readonly at: number;
  /** All living replicas of the group, by name, silent ones included. */
  readonly replicas: readonly LiveReplica[];
  /** Every living replica answered. Without one, nothing is known of the group but what the server holds. */
  readonly isComplete: boolean;
}

/** A partition as its owner sees it. */
export interface LivePartition extends PartitionAnswer {
  /** Its owner. */
  readonly replica: string;
}

export interface LiveAggregate extends AggregateAnswer {
  /** The owner of its partition. */
  readonly replica: string;
}

export interface LiveProblem extends ProblemAnswer {
  /** The process that names it. */
  readonly replica: string;
}

/** A group as its processes see it. */
export interface LiveGroup extends Asked {
  /** Of the newest layout that an answer names; 0 without an answer. */
  readonly partitionCount: number;
  /** Those whose owner answered, ascending. Two processes may name one for a moment: the higher epoch counts. */
  readonly partitions: readonly LivePartition[];
  /** Those that no answer names: they have no owner, or their owner is silent. */
  readonly unknown: readonly number[];
  /** Replicas whose breaker is open. */
  readonly breakers: readonly { readonly replica: string; readonly probing: string | undefined }[];
  /** What health of each process says of this group. */
  readonly problems: readonly LiveProblem[];
  /** Over all answers. */
  readonly trouble: TroubleCounts;
  /** Worst first, over all answers. */
  readonly worst: readonly LiveAggregate[];
  /** What did not fit into the answers. */
  readonly left: { readonly partitions: number; readonly worst: number; readonly problems: number };
}

/** One aggregate as the owner of its partition sees it. */
export interface LiveAggregateView extends Asked {
  /** The aggregate that was asked about. */
  readonly aggregateId: string;
  /** Undefined if no owner answered: then it is unknown where the aggregate stands. */
  readonly owner:
    | {
        readonly replica: string;
        readonly partition: number;
        readonly epoch: number;
        /** Undefined if it has no event there: all that were read are settled. */
        readonly lane: AggregateAnswer | undefined;
        readonly parked: OneAggregateAnswer['parked'];
      }
    | undefined;
}

/** How one process is asked. */
export interface AskOptions {
  /** The longest wait for answers, in milliseconds, from 50 to 5 000. @default 1 000 */
  readonly withinMs?: number;
}

/** How all processes of a group are asked. */
export interface AskGroupOptions extends AskOptions {
  /** So many of the worst aggregates, from 0 to 200. @default 20 */
  readonly worst?: number;
}
