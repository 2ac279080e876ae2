import type { StoredPosition } from '../message/position.js';

/** In the lease of a partition that is drained for a change of layout: nobody may take it unless that change is cancelled. */
export interface DrainedMark extends StoredPosition {
  /** The number of the change. */
  readonly change: number;
}

/** In the lease of a partition that still meets events which partitions of the layout before had settled. */
export interface OriginMark {
  /** The change that drained that layout. */
  readonly change: number;
  /** How many partitions it had. */
  readonly partitions: number;
}

/** A handler that keeps a partition from being drained. */
export interface RunningHandler {
  readonly aggregateId: string;
  readonly sequence: number;
  /** For how long it has been running, in milliseconds. */
  readonly forMs: number;
}

/** In a lease that a change of layout has made: no consumer yet; the first owner makes one of its own name. */
export const UNMADE = -1;
