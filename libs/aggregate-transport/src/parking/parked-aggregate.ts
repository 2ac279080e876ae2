import type { Marker } from '../records/marker.js';

/** A parked aggregate in its owner's memory. */
export interface Parked {
  readonly token: string;
  marker: Marker;
  /** 0 while the marker is being made. */
  revision: number;
  /** Names the marker in its letters. */
  identity: number;
  /** The sequence of its last letter's event in the topic's stream; 0 without one. */
  lastSequence: number;
  /** The position of the last letter on its subject, including letters of other markers. */
  tail: number;
  /** Letters up to this position belong to no marker that counts. */
  strangersThrough: number;
  /** No letter is left and the marker falls: events go to the lane again. */
  leaving: boolean;
  /** Its owner's lease has ended, or its stream: nothing is written for it any more, not under the next lease either. */
  forgotten: boolean;
}
