import type { CommandResult } from '../operating/commands/operator-commands.js';
import type { LetterSummary, ParkedSummary } from '../operating/commands/parked-summary.js';
import type { RetryAllProgress, RetryAllResult } from '../operating/commands/retry-each.js';
import type { FollowOptions, FollowSample } from '../operating/groups/follow.js';
import type { GroupDetails, GroupSummary } from '../operating/groups/group-state.js';
import type {
  DeletionResult,
  GroupChangeOptions,
  RepartitionResult,
  ResetOptions,
  ResetResult,
} from '../operating/groups/groups.js';
import type { StatusRow } from '../operating/groups/status-rows.js';
import type { LetterFilter } from '../operating/letters/letter-filter.js';
import type { StreamStand } from '../operating/server/server-ports.js';
import type { AskGroupOptions, AskOptions, LiveAggregateView, LiveGroup } from './live.js';
import type { AggregateOptions, AggregateView } from './timeline.js';

/** Names a group of a topic. */
export interface GroupAddress {
  /** The name of a topic. */
  readonly topic: string;
  /** The name of a group of it. */
  readonly group: string;
}

/** Names one aggregate in one group. */
export interface AggregateInGroup extends GroupAddress {
  /** The aggregate's id, as its publisher gives it. */
  readonly aggregateId: string;
}

/** A topic that has a stream of ours on the server. */
export interface TopicOnServer extends StreamStand {
  /** Its name. */
  readonly topic: string;
  /** Sorted; deleted ones included. */
  readonly groups: readonly string[];
  /** False if groups have started on it and its stream is missing. */
  readonly hasStream: boolean;
}

/** How the partitions of a group stand, as the server knows it. */
export interface GroupStand extends GroupAddress {
  /** One for each partition, by number. */
  readonly partitions: readonly StatusRow[];
  /** What the server lacks of this group, and what to do; empty if nothing is missing. */
  readonly missing: readonly string[];
}

/** Which groups are meant. */
export interface GroupFilter {
  /** Only groups of this topic; all topics without it. */
  readonly topic?: string;
  /** Only groups of this name. */
  readonly group?: string;
}

/** Which part of a list of parked aggregates is given. */
export interface ParkedPage {
  /** At most so many, from 1 to 1 000. @default 100 */
  readonly limit?: number;
  /** Only aggregates after this one, in the order of ids: the `next` of the page before. */
  readonly after?: string;
}

/** A page of parked aggregates, in the order of their ids. */
export interface ParkedList {
  /** At most as many as the page was asked to have. */
  readonly aggregates: readonly ParkedSummary[];
  /** All that match. */
  readonly total: number;
  /** Where the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

/** Which part of the letters is given. */
export interface LetterPage {
  /** At most so many, from 1 to 1 000. @default 100 */
  readonly limit?: number;
  /** Only letters behind this position: the `next` of the page before. @default 0 */
  readonly after?: number;
  /** With their payloads and headers. @default false */
  readonly payloads?: boolean;
}

/** An event that waits in the parked stream. */
export interface ShownLetter extends Omit<LetterSummary, 'traceId' | 'headers'> {
  /** Its place among the letters. */
  readonly position: number;
  /** The event's type; undefined if its body is no envelope. */
  readonly type: string | undefined;
  /** The event's id; undefined if its body is no envelope. */
  readonly eventId: string | undefined;
  /** The trace that the event was sent in; undefined if nothing tells it. */
  readonly traceId: string | undefined;
  /** As its publisher gave it. */
  readonly correlationId: string | undefined;
  /** Size of the body. */
  readonly bytes: number;
  /** Only if payloads were asked for: a service may send secrets in them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Only if payloads were asked for; the text of the body if it is no envelope. */
  readonly payload?: unknown;
}

/** Letters of one parked aggregate, and whether there are more. */
export interface LetterList {
  /** In the order in which they are handled. */
  readonly letters: readonly ShownLetter[];
  /** Where the next page begins; undefined at the end. */
  readonly next: number | undefined;
}

/** How long a command waits for its answer. */
export interface CommandOptions {
  /** How long to wait for the owner's answer, in milliseconds. The owner continues without the caller. @default 30 000 */
  readonly waitMs?: number;
}

/** Which parked aggregates are retried, and how fast. */
export interface RetryAllOptions extends CommandOptions {
  /** Begun per second, from 0.01. @default 20 */
  readonly ratePerSecond?: number;
  /** Begins no further one. Those that have begun are waited for. */
  readonly signal?: AbortSignal;
  /** Hears of each aggregate that is answered. */
  readonly onProgress?: (progress: RetryAllProgress) => void;
}

/** An aggregate that a search found. */
export interface FoundAggregate {
  /** The topic that holds it. */
  readonly topic: string;
  /** The aggregate's id. */
  readonly aggregateId: string;
  /** The last sequence of it that the stream holds; undefined if it holds none. */
  readonly lastSequence: number | undefined;
  /** Groups in which it is parked. */
  readonly parkedIn: readonly string[];
}

/** What is searched, and how much is given. */
export interface SearchOptions {
  /** Only in this topic. @default all topics */
  readonly topic?: string;
  /** At most so many, from 1 to 200. @default 20 */
  readonly limit?: number;
}

/**
 * What operators see of all topics and groups, and what they do. The command line, the board and other tools work
 * through it. Everything is read from the server, and works with replicas running or none; what begins with `ask` is
 * asked of running processes. Nothing is printed and nothing is cached. All calls may run at once. All reject with
 * JETSTREAM_REQUEST_FAILED if the server does not answer, with JETSTREAM_UNAVAILABLE without JetStream, and with
 * RECORD_INVALID for what a newer release wrote. Inside an application, topics that it does not declare reject with
 * TOPIC_UNDECLARED.
 */
export interface Operations {
  /** The topics that have streams of ours, sorted. Costs about three requests for each. */
  readonly topics: () => Promise<readonly TopicOnServer[]>;
  /** All groups of a topic, deleted ones included, or of all topics. Sorted. Costs what `group` costs for each. */
  readonly groups: (topic?: string) => Promise<readonly GroupSummary[]>;
  /**
   * One group with all its partitions. Costs about six requests for each partition.
   * @throws GROUP_UNKNOWN
   */
  readonly group: (address: GroupAddress) => Promise<GroupDetails>;
  /** What `aggregate-transport status` tells: leases, positions, lag, what is parked, and what is missing. */
  readonly status: (filter?: GroupFilter) => Promise<readonly GroupStand[]>;
  /**
   * Asks the running processes of a group how it stands. Resolves when all living replicas have answered, at the latest
   * after `withinMs`, also if none does: `isComplete` and `unknown` say what is not known. Sends one message, and reads
   * the sessions of the group.
   */
  readonly askGroup: (address: GroupAddress, options?: AskGroupOptions) => Promise<LiveGroup>;
  /** As `askGroup`, about one aggregate. Resolves when its owner has answered. @throws AGGREGATE_ID_INVALID */
  readonly askAggregate: (address: AggregateInGroup, options?: AskOptions) => Promise<LiveAggregateView>;
  /**
   * One aggregate: its events, letters and attempts as a timeline, and where it stands in every group. A topic without
   * a stream, or an aggregate without events, has an empty timeline.
   * @throws AGGREGATE_ID_INVALID
   */
  readonly aggregate: (
    address: { readonly topic: string; readonly aggregateId: string },
    options?: AggregateOptions,
  ) => Promise<AggregateView>;
  /**
   * Aggregates by id: the one of exactly this id in each topic, then parked ones whose id contains the text. Parked
   * ones first among equals.
   */
  readonly search: (text: string, options?: SearchOptions) => Promise<readonly FoundAggregate[]>;
  /** A page of a group's parked aggregates. A filter by `type` reads the first letter of each. */
  readonly parked: (address: GroupAddress, filter?: LetterFilter, page?: ParkedPage) => Promise<ParkedList>;
  /** The letters of one aggregate, in order; none if it is not parked. @throws AGGREGATE_ID_INVALID */
  readonly letters: (address: AggregateInGroup, page?: LetterPage) => Promise<LetterList>;
  /**
   * Lets the owner handle the letters again, first to last, until one fails or none is left. Safe to call again.
   * @throws NOT_PARKED, COMMAND_UNANSWERED, AGGREGATE_ID_INVALID
   */
  readonly retry: (address: AggregateInGroup, options?: CommandOptions) => Promise<CommandResult>;
  /** Drops the first letter for good: a hole in the aggregate's order. @throws as `retry` */
  readonly skip: (address: AggregateInGroup, options?: CommandOptions) => Promise<CommandResult>;
  /** Drops all letters for good; the aggregate is live again with its next event. @throws as `retry` */
  readonly discard: (address: AggregateInGroup, options?: CommandOptions) => Promise<CommandResult>;
  /** `retry` for every parked aggregate that matches. Resolves when each is answered. Safe to call again. */
  readonly retryAll: (
    address: GroupAddress,
    filter?: LetterFilter,
    options?: RetryAllOptions,
  ) => Promise<RetryAllResult>;
  /**
   * Gives a group another number of partitions, a power of two from 1 to 256. Its replicas drain first. Resolves when
   * that is in force, or with `waiting` after `waitMs`. Safe to call again. With `dryRun` nothing is changed.
   * @throws OPTIONS_INVALID, GROUP_UNKNOWN, CHANGE_UNDER_WAY, ABORTED
   */
  readonly repartition: (
    address: GroupAddress,
    partitions: number,
    options?: GroupChangeOptions,
  ) => Promise<RepartitionResult>;
  /** Lets a group begin again at another place. @throws OPTIONS_INVALID, GROUP_UNKNOWN, CHANGE_UNDER_WAY, ABORTED */
  readonly reset: (address: GroupAddress, options: ResetOptions) => Promise<ResetResult>;
  /** Deletes a group for good. @throws GROUP_UNKNOWN, CHANGE_UNDER_WAY, ABORTED */
  readonly deleteGroup: (address: GroupAddress, options?: GroupChangeOptions) => Promise<DeletionResult>;
  /** Calls off what is under way. Resolves with false if nothing is. @throws GROUP_UNKNOWN */
  readonly cancelChange: (address: GroupAddress) => Promise<boolean>;
  /** Looks at a group again and again, until it has caught up. @throws GROUP_UNKNOWN, OPTIONS_INVALID, ABORTED */
  readonly follow: (
    address: GroupAddress,
    options?: FollowOptions,
  ) => AsyncGenerator<FollowSample, void, undefined>;
}

/** Operations over a connection of their own. */
export interface ConnectedOperations extends Operations {
  /** False while the connection is away; it dials again by itself. */
  readonly isConnected: () => boolean;
  /**
   * Why the client has closed the connection for good, as after two refusals of its credentials; undefined if it has
   * not. It never comes back: close it, and connect again.
   */
  readonly endedBy: () => string | undefined;
  /** Closes the connection. Safe to call twice. */
  readonly close: () => Promise<void>;
}
