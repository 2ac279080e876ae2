import type { Delivery, Link } from '../../message/delivery.js';

/** Stands in a parked aggregate's lane: while it is the head, the aggregate's letters are replayed. */
export class ReplayItem implements Link {
  next: Link | undefined = undefined;

  constructor(readonly token: string) {}
}

/** What lanes hold. */
export type LaneEntry = Delivery | ReplayItem;
