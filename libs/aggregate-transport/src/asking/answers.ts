import type { ParkReason } from '../message/park-reason.js';

/** The version of questions and answers. A process ignores questions of another one. */
export const ASK_VERSION = 1;

/** What the running processes of a group are asked. Sent as JSON to `aggregate-transport.<topic>.<group>.ask`. */
export type Question =
  /** How the group stands in this process; with `worst`, its worst aggregates too, at most so many (0 to 200). */
  | { readonly v: 1; readonly ask: 'group'; readonly worst?: number }
  /** Where one aggregate stands. Only the owner of its partition has more to say than that it is not there. */
  | { readonly v: 1; readonly ask: 'aggregate'; readonly aggregateId: string };

/** What begins every answer: which process it comes from, and when. */
export interface AnswerHead {
  /** The version of questions and answers. */
  readonly v: 1;
  /** The topic that was asked about. */
  readonly topic: string;
  /** The group that was asked about. */
  readonly group: string;
  /** The name of the process in leases and sessions. */
  readonly replica: string;
  /** When it was made, by the clock of that host, in milliseconds since 1970. All other times are by it, too. */
  readonly at: number;
}

/** How long handlers took in the last minute, in milliseconds. Taken from a sample of at most 200 attempts a second. */
export interface HandlerTimes {
  /** Half of the attempts took at most this long. */
  readonly p50: number;
  /** 99 of 100 attempts took at most this long. */
  readonly p99: number;
  /** The longest attempt of the sample. */
  readonly longest: number;
  /** Attempts in the sample. */
  readonly sampled: number;
}

/** Why a partition takes nothing in, or commits nothing. */
export interface PauseAnswer {
  /**
   * `halted`: a policy or the server stopped it, for good. `draining`: for a change of partitions, a hand-over or a
   * shutdown. `claiming`: its position is being claimed. `breaker`: nearly all attempts fail. `not reading`, `not
   * committing`: the server refuses or does not answer. `letters refused`: events cannot be parked. `type waits`: only
   * other replicas handle an event's type.
   */
  readonly kind:
    | 'halted'
    | 'draining'
    | 'claiming'
    | 'breaker'
    | 'not reading'
    | 'not committing'
    | 'letters refused'
    | 'type waits';
  /** What was found. No payload. */
  readonly why: string;
  /** Since when, in milliseconds; missing if that is not known. */
  readonly forMs?: number;
}

/** A partition that the answering process owns. */
export interface PartitionAnswer {
  /** Its number, from 0. */
  readonly partition: number;
  /** The fencing token of its handlers. */
  readonly epoch: number;
  /** Since its lease, or the session that keeps it, was last confirmed, in milliseconds. */
  readonly leaseAgeMs?: number;
  /**
   * `claiming`: its position is being claimed. `drained`: at rest for a change. `halted`: stopped for good. `idle`,
   * `closed`: before and after.
   */
  readonly mode: 'idle' | 'claiming' | 'drained' | 'running' | 'halted' | 'closed';
  /** Handlers that run. */
  readonly running: number;
  /** Events in lanes that do not run. */
  readonly waiting: number;
  /** Aggregates with events here. */
  readonly aggregates: number;
  /** Parked aggregates. */
  readonly parked: number;
  /** Bytes of the bodies of its events in memory. */
  readonly bytes: number;
  /** Counted since the process started, over all leases: handled events, and attempts that failed. */
  readonly handled: number;
  /** Counted as `handled` is: attempts that failed, retried ones included. */
  readonly failed: number;
  /** Over the last 10 to 15 seconds; missing if the process has not counted that long. */
  readonly eventsPerSecond?: number;
  /** Attempts that ended, over the same time; missing as `eventsPerSecond` is. */
  readonly attemptsPerSecond?: number;
  /** Missing if no attempt ended in the last minute. */
  readonly handlerMs?: HandlerTimes;
  /** Every event up to `through` is settled; `unsettled` later ones are known and not. Missing until it is claimed. */
  readonly position?: { readonly through: number; readonly unsettled: number; readonly run: number };
  /** Missing if nothing holds it up. The most serious one. */
  readonly pause?: PauseAnswer;
}

/** An error of a handler, short: the first line of its text, without values in brackets, up to 200 characters. */
export interface ErrorAnswer {
  /** Where the attempt failed: `handler`, `guard`, `decode`, and so on. */
  readonly stage: string;
  /** The class of the error, such as `TypeError`. */
  readonly name: string;
  /** Its `code`, if it has one. */
  readonly code?: string;
  /** The first line of its message, shortened. */
  readonly text: string;
}

/**
 * How an aggregate stands, worst first:
 *
 * - `stuck`: its handler runs for more than twice its `timeoutMs`.
 * - `blocked`: its event failed, and is tried again for ever.
 * - `letters`: its events become letters, and its letters are handled again now.
 * - `retrying`: its event failed, and is tried again: it runs, or waits for its next attempt.
 * - `running`: its first attempt runs.
 * - `parked`: it waits for an operator. Told only of the one aggregate that is asked for.
 * - `waiting`: its events wait for a free handler, or for their partition.
 */
export type AggregateState = 'stuck' | 'blocked' | 'letters' | 'retrying' | 'running' | 'parked' | 'waiting';

/** An aggregate with events in the answering process. */
export interface AggregateAnswer {
  /** Its id. */
  readonly aggregateId: string;
  /** The partition that it belongs to. */
  readonly partition: number;
  /** Where it stands. */
  readonly state: AggregateState;
  /** Its handler runs now. */
  readonly isRunning: boolean;
  /** Of the event at the head of its lane, in the topic's stream; missing while a letter is looked for. */
  readonly sequence?: number;
  /** Missing until its body was decoded. */
  readonly type?: string;
  /** Attempts in this process, the running one included. */
  readonly attempt: number;
  /** When the first of them began, and the last one. */
  readonly since?: number;
  /** When the last attempt began; missing without one. */
  readonly startedAt?: number;
  /** When the next one begins; missing if none is planned. */
  readonly nextAt?: number;
  /** Of the last attempt that failed. */
  readonly error?: ErrorAnswer;
  /** Events in its lane, the running one included. */
  readonly queued: number;
}

/** Aggregates in trouble, by state, over all partitions of the answering process. */
export interface TroubleCounts {
  /** Handlers that run for more than twice their `timeoutMs`. */
  readonly stuck: number;
  /** Aggregates whose event is tried for ever. */
  readonly blocked: number;
  /** Aggregates whose event failed and is tried again. */
  readonly retrying: number;
  /** Lanes that were looked at, and lanes there are: a process with many lanes stops after 500 ms. */
  readonly looked: number;
  /** Lanes there are. */
  readonly aggregates: number;
}

/** What health of the answering process says of this group. */
export interface ProblemAnswer {
  /** A code of `HealthProblem`. */
  readonly code: string;
  /** Which partition; missing if all, or if it makes no difference. */
  readonly partition?: number;
  /** When it began, by the clock of that host. */
  readonly since: number;
  /** What was found, with the reason of the server or the handler. */
  readonly why: string;
  /** What an operator does about it. */
  readonly do: string;
}

/** What a process says of its share of a group. */
export interface GroupAnswer extends AnswerHead {
  /** Tells it from an answer about one aggregate. */
  readonly answers: 'group';
  /** The layout that it follows, and how many partitions that has. */
  readonly layout: number;
  /** Partitions of that layout. */
  readonly partitionCount: number;
  /** Those it owns. */
  readonly partitions: readonly PartitionAnswer[];
  /** Open while nearly all attempts fail; `probing` is the one aggregate that is tried meanwhile. */
  readonly breaker: { readonly isOpen: boolean; readonly probing?: string };
  /** Attempts of the group in this process over the last 5 seconds. */
  readonly attempts: { readonly withinMs: number; readonly total: number; readonly failed: number };
  /** What health names, for this group. */
  readonly problems: readonly ProblemAnswer[];
  /** Missing if the worst were not asked for. */
  readonly trouble?: TroubleCounts;
  /** Worst first; missing if they were not asked for. */
  readonly worst?: readonly AggregateAnswer[];
  /** What did not fit into the answer. */
  readonly left?: { readonly partitions?: number; readonly worst?: number; readonly problems?: number };
}

/** Why an aggregate is parked, as its owner knows it. */
export interface ParkedAnswer {
  /** `parked`, or what its owner does with it now. */
  readonly state: string;
  /** Why it was parked. */
  readonly reason: ParkReason;
  /** When, in milliseconds since 1970. */
  readonly since: number;
  /** Attempts at the event that parked it. */
  readonly attempts: number;
  /** The error of the last one. */
  readonly error: ErrorAnswer;
}

/** What a process says of one aggregate. */
export interface OneAggregateAnswer extends AnswerHead {
  /** Tells it from an answer about a group. */
  readonly answers: 'aggregate';
  /** The aggregate that was asked about. */
  readonly aggregateId: string;
  /** The partition that it belongs to. */
  readonly partition: number;
  /** The process owns the aggregate's partition. If not, nothing more is said. */
  readonly isOwner: boolean;
  /** The fencing token of the partition; missing if the process does not own it. */
  readonly epoch?: number;
  /** Missing if it has no event here: all that were read are settled. */
  readonly lane?: AggregateAnswer;
  /** Missing if it is not parked. */
  readonly parked?: ParkedAnswer;
}

/** What a process answers. */
export type Answer = GroupAnswer | OneAggregateAnswer;
