import type { ErrorAnswer } from '../asking/answers.js';
import type { ParkReason } from '../message/park-reason.js';
import type { AggregatePlace } from '../operating/aggregates/aggregate-places.js';
import type { LiveAggregateView } from './live.js';

/** What every entry of a timeline says. */
interface Entry {
  /** In milliseconds since 1970; by the server's clock, or by that of the process that noted it. */
  readonly at: number;
  /** Of the event, in the topic's stream. */
  readonly sequence: number;
}

interface GroupEntry extends Entry {
  readonly group: string;
}

/** What becomes of a stored event in one group. `unknown`: the server did not tell. */
export type EventStand = 'handled' | 'waiting' | 'letter' | 'skipped' | 'unknown';

/** An event that the stream holds. */
export interface StoredEntry extends Entry {
  /** Tells it from the other entries. */
  readonly kind: 'stored';
  /** The event's type; undefined if its body is no envelope. */
  readonly type: string | undefined;
  /** The event's id; undefined if its body is no envelope. */
  readonly eventId: string | undefined;
  /** Of its header `traceparent`, or of its envelope. */
  readonly traceId: string | undefined;
  /** As its publisher gave it. */
  readonly correlationId: string | undefined;
  /** Only if payloads were asked for: a service may send secrets in them. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Size of the body. */
  readonly bytes: number;
  /** Only if payloads were asked for; the text of the body if it is no envelope. */
  readonly payload?: unknown;
  /** Its place in every group that was asked about. */
  readonly groups: readonly { readonly group: string; readonly stand: EventStand }[];
}

/** An attempt that runs, as its owner says. */
export interface RunningEntry extends GroupEntry {
  /** Tells it from the other entries. */
  readonly kind: 'running';
  /** The process whose handler runs. */
  readonly replica: string;
  /** Which attempt runs, from 1. */
  readonly attempt: number;
  /** It runs for more than twice its `timeoutMs`. */
  readonly isStuck: boolean;
}

/** The last failed attempt at an event that is tried again, as its owner says. */
export interface FailedEntry extends GroupEntry {
  /** Tells it from the other entries. */
  readonly kind: 'failed';
  /** The process that tries it. */
  readonly replica: string;
  /** Attempts so far in that process. */
  readonly attempts: number;
  /** The error of the last attempt. */
  readonly error: ErrorAnswer;
  /** When it is tried again; undefined if that is not known. */
  readonly nextAt: number | undefined;
}

/** The aggregate was parked at this event. */
export interface ParkedEntry extends GroupEntry {
  /** Tells it from the other entries. */
  readonly kind: 'parked';
  /** Why it was parked. */
  readonly reason: ParkReason;
  /** The text of the last attempt's error. */
  readonly error: string;
  /** Attempts at the event before it was parked. */
  readonly attempts: number;
}

/** An event that waits in the parked stream. `at` is when the topic stored it. */
export interface LetterEntry extends GroupEntry {
  /** Tells it from the other entries. */
  readonly kind: 'letter';
  /** Its place among the letters. */
  readonly position: number;
  /** Of the first letter: why it is here; undefined for the others. */
  readonly reason: ParkReason | undefined;
  /** Of the first letter: the error's text. */
  readonly error: string | undefined;
  /** Of the first letter: attempts before it was parked. */
  readonly attempts: number | undefined;
  /** Of an original: the edit that is handled in its place. */
  readonly replacedBy: string | undefined;
}

/** An event that the aggregate continued without. */
export interface SkippedEntry extends Omit<LetterEntry, 'kind' | 'replacedBy'> {
  /** Tells it from the other entries. */
  readonly kind: 'skipped';
}

/** An operator wrote another payload for a letter. */
export interface EditedEntry extends GroupEntry {
  /** Tells it from the other entries. */
  readonly kind: 'edited';
  /** Names the edit; `ctx.edit` has it, too. */
  readonly editId: string;
  /** Why, in the operator's words; undefined if none were given. */
  readonly comment: string | undefined;
}

/** One thing that happened to an aggregate. */
export type TimelineEntry =
  StoredEntry | RunningEntry | FailedEntry | ParkedEntry | LetterEntry | SkippedEntry | EditedEntry;

/** All that is known of one aggregate. */
export interface AggregateView {
  /** The topic that was asked about. */
  readonly topic: string;
  /** The aggregate that was asked about. */
  readonly aggregateId: string;
  /** Ascending by time, then by sequence. */
  readonly timeline: readonly TimelineEntry[];
  /** Events of it that the stream holds and that the timeline leaves out: the oldest ones. */
  readonly left: number;
  /** Where it stands in every group that was asked about, from the server. */
  readonly places: readonly AggregatePlace[];
  /** What the owners say, one for each group; empty if they were not asked. */
  readonly live: readonly LiveAggregateView[];
}

/** How much of an aggregate is told. */
export interface AggregateOptions {
  /** Only this group. @default all groups of the topic */
  readonly group?: string;
  /** With the payload of each event and letter. @default false */
  readonly payloads?: boolean;
  /** So many of its newest events, from 1 to 10 000. @default 500 */
  readonly limit?: number;
  /** Asks the running owners too. @default true */
  readonly live?: boolean;
}
