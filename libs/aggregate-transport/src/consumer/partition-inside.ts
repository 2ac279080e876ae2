import type { Parked } from '../parking/parked-aggregate.js';
import type { Clock } from '../clock.js';
import type { HandlerTimesView } from './lanes/handler-times.js';
import type { LaneNow } from './lanes/lane-report.js';
import type { LaneWalk } from './lanes/lane-walk.js';
import type { PartitionParts } from './partition-parts.js';

/** How far a partition is settled, as its owner knows before the next commit. */
export interface SettledNow {
  /** Every event of the partition up to here is settled. */
  readonly through: number;
  /** Later events that are known and not settled. */
  readonly unsettled: number;
  /** How often the group has begun again. */
  readonly run: number;
}

/** What the owner of a partition tells when it is asked. From memory alone; each call but `walk` looks at one thing. */
export class PartitionInside {
  constructor(
    private readonly parts: PartitionParts,
    private readonly clock: Clock,
  ) {}

  /** Nothing new starts: it is handed over, changes its layout, or shuts down. */
  get isDraining(): boolean {
    return this.parts.drain.isOn;
  }

  /** Undefined until the position is claimed. */
  get settled(): SettledNow | undefined {
    const { ledger, position, writer } = this.parts;
    if (!writer.hasBegun) return undefined;
    const through = ledger.settledThrough;
    return { through, unsettled: ledger.held + ledger.placeholders, run: position.runOf(through) };
  }

  get times(): HandlerTimesView {
    return this.parts.lanes.times.view(this.clock.now());
  }

  /** The lane of one aggregate; undefined if it has no event here. */
  laneOf(token: string): LaneNow | undefined {
    return this.parts.lanes.views.of(token);
  }

  /** The marker of a parked aggregate. */
  parked(token: string): Parked['marker'] | undefined {
    return this.parts.parking.find(token)?.marker;
  }

  /** Begins to go through all lanes, a few at a time. */
  walk(): LaneWalk {
    return this.parts.lanes.views.walk();
  }
}
