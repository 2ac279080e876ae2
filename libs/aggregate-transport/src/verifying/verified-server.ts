import type { RunHistory, StoredNumber } from '../judging/run-history.js';

/** A parked aggregate, and the number of the event that it waits for; undefined if that cannot be read. */
export interface ParkedNumber {
  readonly aggregateId: string;
  readonly number: number | undefined;
}

/** What a run asks of the server, besides what its processes do. All reject while the server is away. */
export interface VerifiedServer {
  /** Everything that the topic's stream holds, in its order. */
  readonly stored: () => Promise<StoredNumber[]>;
  readonly rest: () => Promise<RunHistory['rest']>;
  readonly parked: () => Promise<ParkedNumber[]>;
  /** Runs the letters of an aggregate again. Resolves when none is left, with true, or when one has failed. */
  readonly retry: (aggregateId: string) => Promise<boolean>;
  /** Resolves when the server has answered. */
  readonly ping: () => Promise<void>;
}
