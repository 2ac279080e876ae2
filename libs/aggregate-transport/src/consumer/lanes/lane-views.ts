import type { KeyedExecutor } from '../../executor/keyed-executor.js';
import type { Delivery } from '../../message/delivery.js';
import { type LaneEntry, ReplayItem } from '../handling/lane-entry.js';
import type { LaneNow } from './lane-report.js';
import { type LaneView, LaneWalk } from './lane-walk.js';

export interface LaneViewsOptions {
  readonly executor: Pick<KeyedExecutor<LaneEntry>, 'lanes' | 'laneOf'>;
  /** The event of the letter that an aggregate is at. */
  readonly letters: { readonly currentOf: (token: string) => Delivery | undefined };
}

/** The lanes of a partition as observers see them. */
export class LaneViews {
  constructor(private readonly options: LaneViewsOptions) {}

  /** All lanes at once. */
  *all(): Generator<LaneNow> {
    for (const lane of this.options.executor.lanes()) yield this.#now(lane);
  }

  /** The lane of one aggregate; undefined if it has no event here. */
  of(token: string): LaneNow | undefined {
    const lane = this.options.executor.laneOf(token);
    return lane && this.#now(lane);
  }

  /** Begins to go through the lanes, a few at a time. */
  walk(): LaneWalk {
    return new LaneWalk(this.options.executor.lanes(), (lane) => this.#now(lane));
  }

  #now({ key: token, mode, size, head, runsAgainAt }: LaneView): LaneNow {
    const isLetter = head instanceof ReplayItem;
    const event = isLetter ? this.options.letters.currentOf(token) : head;
    return { token, mode, size, isLetter, event, runsAgainAt };
  }
}
