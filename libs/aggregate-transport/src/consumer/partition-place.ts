import type { ReplayPlace } from './handling/lane-listener.js';
import type { Ledger } from './position/ledger.js';
import type { PositionWriter, Ticket } from './position/position-writer.js';
import type { Position } from './position/position.js';
import type { RaisedRun, RunRaises } from './position/run-raises.js';
import type { ReadingPlace } from './reading/reader.js';
import type { KnownEvent } from './reading/stream-check.js';

/** What an earlier owner left. */
export interface InheritedEvents {
  /** An event up to here may have been started by an earlier owner. */
  readonly startedThrough: number;
}

/** What the ledger, the position and its writer say together: where to read on, and what is confirmed. */
export class PartitionPlace implements ReplayPlace, ReadingPlace {
  #raises: RunRaises | undefined;

  constructor(
    private readonly ledger: Ledger,
    private readonly position: Position,
    private readonly writer: PositionWriter,
    private readonly inherited: InheritedEvents,
  ) {}

  /** Called once, before the first event is taken in. */
  attach(raises: RunRaises): void {
    this.#raises = raises;
  }

  get created(): string {
    return this.position.created;
  }

  get fromSequence(): number {
    return this.ledger.lastTaken + 1;
  }

  get known(): readonly KnownEvent[] {
    const { claimedHigh, lastTaken, lastTakenTime } = this.ledger;
    return [
      { sequence: claimedHigh, time: '' },
      { sequence: lastTaken, time: lastTakenTime },
    ];
  }

  hasRead(sequence: number): boolean {
    return this.ledger.readThrough >= sequence && !this.ledger.hasPlaceholderThrough(sequence);
  }

  isListed(sequence: number): boolean {
    return this.ledger.placeholdersThrough(sequence).at(-1) === sequence;
  }

  hasReadInherited(): boolean {
    return this.hasRead(this.inherited.startedThrough);
  }

  raiseRun(): Promise<RaisedRun | undefined> {
    return this.#raises?.raise() ?? Promise.resolve(undefined);
  }

  ticket(): Ticket {
    return this.writer.ticket();
  }

  isConfirmed(ticket: Ticket): boolean {
    return this.writer.isConfirmed(ticket);
  }
}
