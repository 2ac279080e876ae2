/** Names a group. */
export interface GroupRef {
  readonly topic: string;
  readonly group: string;
}

/** Names an aggregate of a group. */
export interface AggregateRef extends GroupRef {
  readonly aggregateId: string;
}

/**
 * Why an aggregate is on the list. `stuck`: its handler does not settle. `blocked`: it tries for ever. `parked`: its
 * events wait as letters. `retrying`: an attempt has failed, and others follow. `slow`: its handler still runs.
 */
export type TroubleKind = 'stuck' | 'blocked' | 'parked' | 'retrying' | 'slow';

/** An aggregate that an operator may have to look at. No payload. */
export interface Trouble extends AggregateRef {
  readonly kind: TroubleKind;
  /** What else is known of it, in one phrase: the reason it is parked for, or the stage that failed. */
  readonly reason: string | undefined;
  readonly error: string | undefined;
  /** Milliseconds since it stands so. */
  readonly forMs: number;
  readonly partition: number | undefined;
  /** The process that holds it; undefined if no process answered. */
  readonly owner: string | undefined;
  /** Of the event that does not settle, in the topic's stream; 0 if it is not known. */
  readonly sequence: number;
  readonly type: string | undefined;
  readonly attempts: number;
  /** Its events that wait: in the lane of its owner, or as letters. */
  readonly waiting: number;
  /** When it is tried again, in milliseconds since 1970. */
  readonly nextAt: number | undefined;
  /** Of a parked aggregate, such as `replaying`. */
  readonly state: string | undefined;
}

/** What health finds wrong, and what an operator does. */
export interface Finding {
  readonly topic: string | undefined;
  readonly group: string | undefined;
  readonly partition: number | undefined;
  readonly code: string;
  readonly why: string;
  readonly do: string;
  /** Milliseconds since it is known. */
  readonly forMs: number;
}

/** A change of a group that is under way. */
export interface ChangeNow {
  readonly kind: 'repartition' | 'reset' | 'deletion';
  /** How many partitions the group will have. */
  readonly to: number;
  /** Partitions that have come to rest, of so many. */
  readonly drained: number;
  readonly of: number;
  /** Handlers that keep partitions from rest, each in words. */
  readonly holders: readonly string[];
}

/** A group in one line. What only its processes know is undefined if none answered. */
export interface GroupLine extends GroupRef {
  readonly condition: 'living' | 'changing' | 'deleted' | 'lost';
  readonly change: ChangeNow | undefined;
  readonly partitions: number;
  readonly owned: number;
  readonly owners: number;
  /** Of the lease that was renewed longest ago. */
  readonly leaseAgeMs: number | undefined;
  /** Events stored and not settled; undefined if the server cannot tell. */
  readonly lag: number | undefined;
  readonly oldestMs: number | undefined;
  readonly parked: number;
  readonly letters: number;
  /** Processes that answered. 0: what is undefined here is unknown. */
  readonly answered: number;
  /** Events settled each second, over all processes. */
  readonly perSecond: number | undefined;
  /** How long handlers run. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly isBreakerOpen: boolean | undefined;
}

/** The first page. */
export interface Overview {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly groups: readonly GroupLine[];
  /** Worst first, the first few. */
  readonly troubles: readonly Trouble[];
  /** How many there are at least. */
  readonly troubleCount: number;
  readonly findings: readonly Finding[];
  /** Why a part is missing, each in words. */
  readonly notes: readonly string[];
}

export interface PartitionLine {
  readonly partition: number;
  readonly owner: string | undefined;
  readonly lease: string;
  readonly leaseAgeMs: number | undefined;
  readonly epoch: number;
  readonly position: number | undefined;
  readonly lag: number | undefined;
  readonly unsettled: number | undefined;
  readonly oldestMs: number | undefined;
  readonly parked: number;
  readonly letters: number;
  /** Handlers that run, and aggregates with events in the owner's memory; undefined if it did not answer. */
  readonly inFlight: number | undefined;
  readonly lanes: number | undefined;
  /** Undefined if the owner did not answer. */
  readonly mode: string | undefined;
}

/** A process of the group. What only it knows is undefined if it did not answer. */
export interface ProcessLine {
  readonly owner: string;
  /** It is alive, as its session says, and did not answer. */
  readonly isSilent: boolean;
  readonly partitions: number | undefined;
  readonly inFlight: number | undefined;
  readonly perSecond: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly isBreakerOpen: boolean | undefined;
}

/** What of a list is shown. */
export interface TroubleQuestion {
  readonly kind: TroubleKind | undefined;
  /** A part of the id or of the error. */
  readonly text: string;
  readonly offset: number;
  readonly limit: number;
}

export interface TroublePage {
  readonly offset: number;
  readonly limit: number;
  readonly total: number;
  readonly rows: readonly Trouble[];
}

/** The page of one group. */
export interface GroupView {
  readonly at: number;
  readonly group: GroupLine;
  readonly partitions: readonly PartitionLine[];
  readonly processes: readonly ProcessLine[];
  readonly findings: readonly Finding[];
  readonly troubles: TroublePage;
  readonly notes: readonly string[];
}

/** How an event stands in one group. */
export interface EventPlace {
  readonly group: string;
  readonly state: 'handled' | 'waiting' | 'running' | 'failed' | 'letter' | 'skipped' | 'unknown';
  readonly attempts: number | undefined;
  readonly error: string | undefined;
  readonly reason: string | undefined;
  /** The process that has it, or has handled it; undefined if that is not known. */
  readonly by: string | undefined;
}

/** One event of an aggregate's history. */
export interface StoredMoment {
  readonly sequence: number;
  readonly storedAt: number;
  readonly type: string | undefined;
  readonly eventId: string | undefined;
  readonly traceId: string | undefined;
  /** As JSON or text; only where payloads are allowed. */
  readonly payload: string | undefined;
  readonly places: readonly EventPlace[];
}

/** Where an aggregate stands in one group. */
export interface PlaceLine {
  readonly group: string;
  readonly partition: number;
  readonly owner: string | undefined;
  readonly isOwnerAlive: boolean;
  readonly settledThrough: number;
  readonly waiting: number;
  readonly letters: number;
  /** Events of it in the memory of its owner; undefined if that did not answer. */
  readonly queued: number | undefined;
  /** Undefined if it moves. */
  readonly trouble: Trouble | undefined;
  /** False if the owner did not answer, so that a trouble in its memory is unknown. */
  readonly isAnswered: boolean;
}

/** An event that waits in the parked stream. */
export interface LetterLine {
  readonly group: string;
  readonly sequence: number;
  readonly storedAt: number;
  readonly type: string | undefined;
  readonly eventId: string | undefined;
  readonly traceId: string | undefined;
  readonly reason: string | undefined;
  readonly error: string | undefined;
  readonly attempts: number | undefined;
  readonly payload: string | undefined;
}

/** The page of one aggregate. */
export interface AggregateView {
  readonly at: number;
  readonly topic: string;
  readonly aggregateId: string;
  /** Events the stream holds of it. */
  readonly events: number;
  readonly places: readonly PlaceLine[];
  /** Newest first. */
  readonly history: readonly StoredMoment[];
  /** Older ones that are not listed. */
  readonly older: number;
  readonly letters: readonly LetterLine[];
  /** Letters that are not listed. */
  readonly moreLetters: number;
  readonly notes: readonly string[];
}

export interface AggregateQuestion {
  readonly topic: string;
  readonly aggregateId: string;
  /** So many of its newest events. */
  readonly limit: number;
  readonly payloads: boolean;
}

/** Where an id was found. */
export interface FoundAggregate {
  readonly topic: string;
  readonly aggregateId: string;
  /** Groups in which it is parked. */
  readonly parkedIn: readonly string[];
}

/** How a command ended for the operator. */
export interface CommandEnd {
  /** False: it was not done, and `text` says why. */
  readonly isDone: boolean;
  readonly text: string;
}

/** Hears what a long command waits for. */
export type ProgressText = (text: string) => void;

/**
 * All that the board knows and does. Every call rejects with an error that an operator can act on. Calls may be made
 * at once. `payloads: false` means that no payload leaves the source.
 */
export interface BoardSource {
  readonly overview: () => Promise<Overview>;
  readonly group: (ref: GroupRef, troubles: TroubleQuestion) => Promise<GroupView>;
  readonly aggregate: (question: AggregateQuestion) => Promise<AggregateView>;
  /** The one of this id in each topic, and parked ones whose id contains the text; the first few. */
  readonly find: (text: string) => Promise<readonly FoundAggregate[]>;
  readonly retry: (ref: AggregateRef) => Promise<CommandEnd>;
  readonly skip: (ref: AggregateRef) => Promise<CommandEnd>;
  readonly discard: (ref: AggregateRef) => Promise<CommandEnd>;
  readonly retryAll: (ref: GroupRef, progress: ProgressText) => Promise<CommandEnd>;
  readonly repartition: (ref: GroupRef, to: number, progress: ProgressText) => Promise<CommandEnd>;
  readonly rewind: (ref: GroupRef, to: RewindTo, progress: ProgressText) => Promise<CommandEnd>;
  readonly cancel: (ref: GroupRef) => Promise<CommandEnd>;
}

/** Where a group begins again. */
export type RewindTo =
  | { readonly kind: 'start' }
  | { readonly kind: 'time'; readonly time: number }
  | { readonly kind: 'sequence'; readonly sequence: number };
