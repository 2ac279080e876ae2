import type { Step } from '../../executor/keyed-executor.js';
import type { Delivery } from '../../message/delivery.js';
import type { ParkNote } from '../../message/park-reason.js';

/** The ways of a lane's head to a letter, as its attempts see them. */
export interface HeadDetour {
  /** What is left to do for this head before it is settled, if anything. */
  unfinished(event: Delivery): Promise<Step> | undefined;
  /** Parks the head, and with it what follows. A number: the breaker keeps it in its lane for so long. */
  park(event: Delivery, note: ParkNote): Step | Promise<Step>;
  /** The event becomes a letter of its own, and its aggregate continues without it. */
  skip(event: Delivery, note: ParkNote): Promise<Step>;
  /** True if this head is its aggregate's first letter, too. */
  isHeadOfDetour(event: Delivery): boolean;
  /**
   * The head of a diverted lane is handled: its letter goes, then it is settled. `through` is the last event that was
   * handled with it: the letters up to there are removed when they are replayed, and not handled again.
   */
  settleHead(event: Delivery, through?: number): Promise<Step>;
}
