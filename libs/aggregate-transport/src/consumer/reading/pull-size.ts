/** What decides how many events to ask for. */
export interface PullLoad {
  /** Asked for and neither delivered nor given back. */
  readonly outstanding: number;
  /** Taken in and not settled in the confirmed position. */
  readonly held: number;
  readonly heldBytes: number;
  /** Mean size of an event's body seen lately. */
  readonly averageBytes: number;
}

export interface PullLimits {
  readonly batch: number;
  readonly maxHeld: number;
  readonly maxHeldBytes: number;
}

/** A pull beside an open one asks for at least this part of a batch. */
const MIN_TOP_UP_PARTS = 8;

/**
 * How many events the next pull asks for; 0 is none now. Pure.
 * Asks again once half of a batch is used, so the next request is under way before the last event arrives. Never asks
 * for more than the lanes may hold.
 */
export function pullSize(load: PullLoad, limits: PullLimits): number {
  if (load.outstanding > limits.batch / 2) return 0;
  const roomForBytes = Math.floor((limits.maxHeldBytes - load.heldBytes) / Math.max(1, load.averageBytes));
  const room = Math.min(limits.maxHeld - load.held, roomForBytes) - load.outstanding;
  const size = Math.min(limits.batch - load.outstanding, room);
  // With an empty house one event is always asked for: a single one may be larger than the limit.
  // With a full house each handled event makes room for one more; a pull for each would crowd the server.
  if (size < limits.batch / MIN_TOP_UP_PARTS && load.outstanding > 0) return 0;
  if (size < 1) return load.held === 0 && load.outstanding === 0 ? 1 : 0;
  return size;
}
