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
  /** No letter is left and the marker falls: events go to the lane again. */
  leaving: boolean;
  /** Its owner's lease has ended, or its stream: nothing is written for it any more, not under the next lease either. */
  forgotten: boolean;
}

/** The owner replays its letters by itself, or was told to do something with them. */
export function isToReplay({ state, command }: Marker): boolean {
  return state === 'retrying' || state === 'replaying' || state === 'diverted' || command !== undefined;
}

/** An aggregate that is about to be parked: its marker is not written yet. */
export function unmarked(token: string, epoch: number, since: number): Parked {
  return {
    token,
    marker: {
      ...{ epoch, since, state: 'parking', reason: 'EXHAUSTED', error: '' },
      ...{ made: 0, attempts: 0, sequence: 0, crashes: 0 },
    },
    revision: 0,
    identity: 0,
    lastSequence: 0,
    tail: 0,
    leaving: false,
    forgotten: false,
  };
}
