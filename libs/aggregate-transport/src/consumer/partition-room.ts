import type { ByteBudget } from './byte-budget.js';
import type { Lanes } from './lanes/lanes.js';
import type { Intake } from './intake.js';
import type { Ledger } from './position/ledger.js';
import type { PositionWriter } from './position/position-writer.js';
import type { Position } from './position/position.js';
import type { IntakeRoom } from './reading/pull-loop.js';
import type { Suspects } from './suspects/suspects.js';

interface RoomParts {
  readonly ledger: Ledger;
  readonly position: Position;
  readonly writer: PositionWriter;
  readonly suspects: Suspects;
  readonly intake: Intake;
  readonly lanes: Lanes;
  readonly bytes: ByteBudget;
}

/** How much more a partition may take in. */
export class PartitionRoom implements IntakeRoom {
  constructor(private readonly parts: RoomParts) {}

  get unconfirmed(): number {
    return this.parts.position.unconfirmed + this.parts.intake.held;
  }

  get bound(): number {
    return this.parts.suspects.bound;
  }

  get heldBytes(): number {
    return this.parts.bytes.held;
  }

  get maxHeldBytes(): number {
    return this.parts.bytes.limit;
  }

  get held(): number {
    return this.parts.ledger.held;
  }

  get isBehind(): boolean {
    return this.parts.lanes.areBehind;
  }

  get isPaused(): boolean {
    const { intake, writer, ledger } = this.parts;
    if (intake.isAsking) return true;
    // A position shrinks only by events that are handled, and those that it lists must be read for that.
    return writer.isFull && ledger.held > 0 && ledger.placeholders === 0;
  }
}
