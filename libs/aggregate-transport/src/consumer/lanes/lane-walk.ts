import type { LaneMode } from '../../executor/lane.js';
import { ReplayItem, type LaneEntry } from '../handling/lane-entry.js';
import type { LaneNow } from './lane-report.js';

/** A lane, as the executor has it. */
export interface LaneView {
  readonly key: string;
  readonly mode: LaneMode;
  readonly size: number;
  readonly head: LaneEntry | undefined;
  readonly runsAgainAt: number;
}

/**
 * Goes through the lanes of a partition in steps, so that other work has its turn between them: a partition may have
 * 100 000 lanes. Lanes that come and go meanwhile may be missed. A lane whose event waits for its first attempt says
 * nothing against its aggregate, and costs a glance.
 */
export class LaneWalk {
  #looked = 0;

  constructor(
    private readonly lanes: Iterator<LaneView>,
    private readonly now: (lane: LaneView) => LaneNow,
  ) {}

  /** Lanes that were looked at. */
  get looked(): number {
    return this.#looked;
  }

  /** Looks at the next lanes, `count` at most, and shows those with an attempt. True once all were looked at. */
  step(count: number, show: (lane: LaneNow) => void): boolean {
    for (let left = count; left > 0; left--) {
      const next = this.lanes.next();
      if (next.done === true) return true;
      this.#looked++;
      if (wasTried(next.value)) show(this.now(next.value));
    }
    return false;
  }
}

function wasTried({ head }: LaneView): boolean {
  if (head === undefined) return false;
  return head instanceof ReplayItem || head.attempt > 0;
}
