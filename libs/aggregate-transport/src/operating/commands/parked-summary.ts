import type { ParkReason } from '../../message/park-reason.js';
import { traceIdIn } from '../../traceparent.js';
import { aggregateIdOf } from '../../message/subject.js';
import { type Letter, traceIdsOf } from '../../records/letter.js';
import type { ParkedState, StoredMarker } from '../../records/marker.js';

/** What an operator is shown of a parked aggregate. */
export interface ParkedSummary {
  /** Its id. */
  readonly aggregateId: string;
  /** `parked`, or what its owner does with it now. */
  readonly state: ParkedState;
  /** Why it was parked. */
  readonly reason: ParkReason;
  /** The text of the last attempt's error. */
  readonly error: string;
  /** Attempts at the event that failed. */
  readonly attempts: number;
  /** The trace of the last attempt, if attempts are traced. */
  readonly traceId?: string;
  /** Of the event that failed, in the topic's stream. */
  readonly sequence: number;
  /** When it was parked, by its owner's clock. */
  readonly since: Date;
  /** Events that wait in the parked stream. */
  readonly letters: number;
}

/** What an operator is shown of a letter, besides its body. */
export interface LetterSummary {
  /** The aggregate that it belongs to. */
  readonly aggregateId: string;
  /** In the topic's stream. */
  readonly sequence: number;
  /** When the topic stored its event. */
  readonly storedAt: Date;
  /** Of the first letter, or of a skipped event: why it is here. */
  readonly reason?: ParkReason;
  /** Of the same: the text of the last attempt's error. */
  readonly error?: string;
  /** Of the same: attempts at it. */
  readonly attempts?: number;
  /** The trace that the event was sent in, if its headers tell one. */
  readonly traceId?: string;
  /** The trace of the attempt that parked it, if attempts are traced. */
  readonly attemptTraceId?: string;
  /** Headers of the event, as it was published. */
  readonly headers: Readonly<Record<string, string>>;
  /** Set if an operator has written its body. */
  readonly edit?: { readonly id: string; readonly at: Date; readonly comment?: string };
  /** Of an original that is never handled: the edit in its place. */
  readonly replacedBy?: string;
}

export function summaryOf({ token, marker, letters }: StoredMarker & { letters: number }): ParkedSummary {
  const { state, reason, error, attempts, sequence, trace } = marker;
  const since = new Date(marker.since);
  const traceId = traceIdIn(trace);
  return {
    ...{ aggregateId: aggregateIdOf(token), state, reason, error, attempts, sequence, since, letters },
    ...(traceId === undefined ? {} : { traceId }),
  };
}

export function letterSummaryOf(letter: Letter): LetterSummary {
  const { token, note, headers } = letter;
  const { sequence, storedAt, reason, error, attempts, edit, replacedBy } = note;
  return {
    ...(edit === undefined ? {} : { edit: { ...edit, at: new Date(edit.at) } }),
    ...(replacedBy === undefined ? {} : { replacedBy }),
    aggregateId: aggregateIdOf(token),
    sequence,
    storedAt: new Date(storedAt),
    ...(reason === undefined ? {} : { reason }),
    ...(error === undefined ? {} : { error }),
    ...(attempts === undefined ? {} : { attempts }),
    ...traceIdsOf(letter),
    headers,
  };
}
