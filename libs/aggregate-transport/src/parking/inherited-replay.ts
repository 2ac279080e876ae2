import type { MarkedReplay, Marker } from '../records/marker.js';

/** True for the marker of a live aggregate that is to be replayed. Pure. */
export function isAsked({ state, command }: Pick<Marker, 'state' | 'command'>): boolean {
  return state === 'asked' && command !== undefined;
}

/** Events of the aggregate up to here are settled by its replay; 0 without one. Pure. */
export function replayedThrough(
  { marker }: { readonly marker: Pick<Marker, 'replay'> },
  created: string,
): number {
  return marker.replay?.created === created ? marker.replay.to : 0;
}

/** What of a replay counts for the next owner; undefined if nothing does. Pure. */
export function inheritedReplay(
  { replay, epoch }: Pick<Marker, 'replay' | 'epoch'>,
  created: string,
  start: { readonly sequence: number; readonly created: string; readonly epoch: number },
): MarkedReplay | undefined {
  // Sequences of another stream mean other events.
  if (replay?.created !== created) return undefined;
  const wasReset = epoch <= start.epoch && start.created === created;
  // Events above the start of a reset come again anyway.
  return wasReset && replay.to > start.sequence ? { ...replay, to: start.sequence } : replay;
}
