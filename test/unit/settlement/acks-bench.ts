import type { Settleable } from '#library/settlement/ack-chain.js';
import { OrderedAcks } from '#library/settlement/ordered-acks.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

export interface SentAck {
  readonly sequence: number;
  /** Undefined: it asks for no confirmation. */
  readonly number: number | undefined;
}

export interface AcksBenchOptions {
  readonly inRows: boolean;
  readonly maxUnconfirmedPerAggregate?: number;
  readonly maySend?: () => boolean;
}

/** The acks of one process, and a server that does nothing by itself. */
export class AcksBench {
  readonly clock = new ManualClock();
  /** What has left, in order. */
  readonly wire: SentAck[] = [];
  readonly lanes: string[] = [];
  readonly acks: OrderedAcks;

  constructor(private readonly options: AcksBenchOptions) {
    this.acks = new OrderedAcks({
      clock: this.clock,
      maySend: options.maySend ?? (() => true),
      send: ({ sequence }, number) => this.wire.push({ sequence, number }),
      maxUnconfirmedPerAggregate: options.maxUnconfirmedPerAggregate ?? 256,
      pauseLane: (token) => this.lanes.push(`pause ${token}`),
      resumeLane: (token) => this.lanes.push(`resume ${token}`),
    });
  }

  /** Sequences whose acks have left. */
  get sent(): number[] {
    return this.wire.map(({ sequence }) => sequence);
  }

  /** Sequences whose acks asked for a confirmation. */
  get asked(): number[] {
    return this.wire.filter(({ number }) => number !== undefined).map(({ sequence }) => sequence);
  }

  /** A takeover has ended, and its fence is open: the server has delivered all up to `reached`. */
  resume(reached = 1_000_000): void {
    this.acks.reached(reached);
    this.acks.resume(this.options.inRows);
  }

  add(token: string, ...sequences: number[]): Settleable[] {
    return sequences.map((sequence) => {
      const event = { token, sequence, ackSubject: '' };
      this.acks.add(event);
      return event;
    });
  }

  /** The server confirms the acks of these events, as they were last sent. */
  async confirm(...sequences: number[]): Promise<void> {
    for (const sequence of sequences) this.acks.confirmed(this.numberOf(sequence));
    await this.clock.settle();
  }

  numberOf(sequence: number): number {
    const number = this.wire.findLast((ack) => ack.sequence === sequence)?.number;
    if (number === undefined)
      throw new Error(`expected the ack of ${sequence} to ask, found that it did not`);
    return number;
  }
}
