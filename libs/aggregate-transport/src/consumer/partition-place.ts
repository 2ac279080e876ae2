import type { ConfirmedPlace } from './handling/lane-listener.js';
import type { Ledger } from './position/ledger.js';
import type { PositionWriter, Ticket } from './position/position-writer.js';
import type { Position } from './position/position.js';
import type { ReadingPlace } from './reading/reader.js';
import type { KnownEvent } from './reading/stream-check.js';

/** What the ledger, the position and its writer say together: where to read on, and what is confirmed. */
export class PartitionPlace implements ConfirmedPlace, ReadingPlace {
  constructor(
    private readonly ledger: Ledger,
    private readonly position: Position,
    private readonly writer: PositionWriter,
  ) {}

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

  ticket(): Ticket {
    return this.writer.ticket();
  }

  isConfirmed(ticket: Ticket): boolean {
    return this.writer.isConfirmed(ticket);
  }
}
