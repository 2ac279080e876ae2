/** Why an aggregate is parked. */
export type ParkReason =
  /** Every attempt failed. */
  | 'EXHAUSTED'
  /** The handler said that no retry can help. */
  | 'UNRECOVERABLE'
  /** A pipe refused the payload. */
  | 'REJECTED'
  /** The body is no envelope. */
  | 'UNDECODABLE'
  /** There is no handler for the type, and `onUnhandledType` says `park`. */
  | 'UNHANDLED_TYPE'
  /** Each start of the event ended its process. */
  | 'CRASHED'
  /** Its head did not settle and it held too much of the intake; it comes back by itself. */
  | 'DIVERTED'
  /** Its history is handled again by command; it comes back by itself. */
  | 'REPLAYED';

/** What is written down of the failure that parks an aggregate. */
export interface ParkNote {
  readonly reason: ParkReason;
  /** The original error as a text: its name, message, and what a validation pipe found. */
  readonly error: string;
  /** Attempts in the process that gave up. */
  readonly attempts: number;
  /** The last of them, as a W3C `traceparent`, if attempts are traced. */
  readonly trace?: string | undefined;
}
