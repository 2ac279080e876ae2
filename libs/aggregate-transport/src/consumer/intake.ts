import { isSabotaged } from '#sabotage';
import type { Delivery } from '../message/delivery.js';
import { partitionBits, partitionOf } from '../message/partitioning.js';
import type { PartitionAddress } from '../records/partition-address.js';
import type { LaneBytes } from './letters/stuck-lanes.js';
import type { Ledger } from './position/ledger.js';
import type { Position } from './position/position.js';
import type { DroppedEvents } from './reading/dropped-events.js';
import type { DeliverySink } from './reading/pull-loop.js';
import type { ReadingProof } from './reading/reading-proof.js';
import type { FetchSink, SingleFetch } from './reading/single-fetch.js';
import type { Suspects } from './suspects/suspects.js';

/** Where events that are to be handled go. */
export interface EventSink {
  push(event: Delivery): void;
}

/** What the intake needs the rest of the partition to know. */
export interface IntakeListener {
  /** Something became settled without a handler. */
  changed(): void;
  /** What the reader delivers may come of an edit of an operator. */
  readerSuspected(): void;
}

export interface IntakeOptions {
  readonly address: Pick<PartitionAddress, 'topic' | 'partition' | 'partitions'>;
  readonly ledger: Ledger;
  readonly position: Position;
  readonly suspects: Suspects;
  readonly dropped: DroppedEvents;
  readonly proof: ReadingProof;
  readonly singles: SingleFetch;
  readonly lanes: EventSink;
  readonly listener: IntakeListener;
  readonly bytes: LaneBytes;
}

/**
 * A quiet partition's position moves on after so many events of other partitions. Otherwise the stream could drop them,
 * and a new owner could not tell them from its own.
 */
const WORTH_A_COMMIT = 10_000;
/** The server writes the size of a body that it leaves out into this header. */
const BODY_SIZE = 'Nats-Msg-Size';

type Mode = 'flowing' | 'asking';

const MAY_COME_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  flowing: ['flowing', 'asking'],
  asking: ['flowing'],
};

/**
 * Where events come in. Each goes to its lane, or is passed over because it is settled or was taken in before. Its
 * modes:
 *
 * - `flowing`: events go to their lanes as they come.
 * - `asking`: a reader has gone past an unsettled event of the claimed record, or such events are fetched one by one.
 *   What the reader delivers meanwhile is held, in order. An aggregate's later event must not start before an earlier
 *   one is here, and the record does not know aggregates.
 */
export class Intake implements DeliverySink, FetchSink {
  #mode: Mode = 'flowing';
  #held: Delivery[] = [];
  #heldThrough = 0;
  /** Ends what is asked for in an earlier tenure. */
  #asking = 0;
  #passedOver = 0;
  /** What the subjects of the partition begin with. */
  readonly #prefix: string;

  constructor(private readonly options: IntakeOptions) {
    const { topic, partition, partitions } = options.address;
    const bits = partitionBits(partition, partitions);
    this.#prefix = bits === '' ? `${topic}.` : `${topic}.${bits}.`;
  }

  /** True while nothing more should be pulled. */
  get isAsking(): boolean {
    return this.#mode === 'asking';
  }

  get held(): number {
    return this.#held.length;
  }

  /** Deliveries of events that were delivered before, or lie below the place where their reader was to begin. */
  get passedOver(): number {
    return this.#passedOver;
  }

  deliver(event: Delivery): void {
    if (this.#mode === 'asking') {
      this.#held.push(event);
      return;
    }
    const { ledger, proof, listener } = this.options;
    // Another partition's owner handles it. Only a reader whose filter was edited delivers it.
    if (!event.origin.subject.startsWith(this.#prefix)) {
      listener.readerSuspected();
      return;
    }
    const { sequence } = event;
    // A reader that follows another reads again what is not proven. A replica that lags begins further back still.
    if (sequence <= ledger.lastTaken && !proof.hasMissed(sequence) && !isSabotaged('no-pass-over')) {
      this.#noteDelivered(sequence);
      this.#passedOver++;
      return;
    }
    // Most events come when no placeholder is left.
    if (ledger.hasPlaceholderThrough(sequence - 1) && !this.#mayContinue(event)) return;
    this.#noteDelivered(sequence);
    if (proof.asksForLook) listener.readerSuspected();
    this.#take(event);
  }

  readThrough(sequence: number): void {
    if (this.#mode === 'asking') {
      this.#heldThrough = Math.max(this.#heldThrough, sequence);
      return;
    }
    const { ledger, suspects, position, listener, proof } = this.options;
    const skipped = ledger.placeholdersThrough(sequence);
    if (skipped.length > 0) {
      this.#heldThrough = sequence;
      void this.ask(skipped);
      return;
    }
    this.#noteJump(sequence + 1);
    const wasRereading = proof.isRereading();
    proof.noteReadThrough(sequence);
    if (wasRereading && !proof.isRereading()) listener.changed();
    ledger.noteReadThrough(sequence);
    suspects.noteReadThrough(sequence);
    if (position.isOriginDone || ledger.idleGap > WORTH_A_COMMIT) listener.changed();
  }

  /** Fetches unsettled events one by one; resolves when they are in their lanes, or the tenure has ended. */
  async ask(sequences: readonly number[]): Promise<void> {
    this.#enter('asking');
    const asking = ++this.#asking;
    await this.options.singles.fetch(sequences, this, () => this.#asking === asking);
    if (this.#asking !== asking) return;
    this.#enter('flowing');
    const held = this.#held;
    const through = this.#heldThrough;
    this.#held = [];
    this.#heldThrough = 0;
    for (const event of held) this.deliver(event);
    if (through > 0) this.readThrough(through);
  }

  fetched(sequence: number, event: Delivery | undefined): void {
    const { ledger, suspects, dropped, listener, address } = this.options;
    if (event !== undefined && partitionOf(event.token, address.partitions) === address.partition) {
      this.#push(event);
      return;
    }
    // After a split half of the listed events are another partition's.
    if (event === undefined) dropped.noteGone(sequence);
    ledger.giveUp(sequence);
    suspects.clear(sequence);
    listener.changed();
  }

  hasRoom(): boolean {
    return this.options.ledger.held === 0 || !this.options.bytes.isSpent;
  }

  /** Forgets what is held and asked for: another owner, or a later tenure, reads it again. */
  forget(): void {
    this.#asking++;
    this.#held = [];
    this.#heldThrough = 0;
    this.#enter('flowing');
  }

  /** Once everything is read again, the position says so. */
  #noteDelivered(sequence: number): void {
    const { proof, listener } = this.options;
    const wasRereading = proof.isRereading();
    proof.noteDelivered(sequence);
    if (wasRereading && !proof.isRereading()) listener.changed();
  }

  /** The reader has gone past placeholders: they are asked for, and the event waits. */
  #mayContinue(event: Delivery): boolean {
    const { ledger, singles } = this.options;
    const skipped = ledger.placeholdersThrough(event.sequence - 1);
    if (isSabotaged('placeholder-not-waited-for')) {
      void singles.fetch(skipped, this, () => true);
      return true;
    }
    this.#held.push(event);
    void this.ask(skipped);
    return false;
  }

  #take(event: Delivery): void {
    const { ledger, position, listener } = this.options;
    this.#noteJump(event.sequence);
    if (!position.hasSettled(event)) {
      if (isBare(event)) this.#askForBody(event);
      else this.#push(event);
      return;
    }
    ledger.pass(event);
    if (position.isOriginDone) listener.changed();
  }

  /** An event whose body was left out is not undecodable: the stream has it. */
  #askForBody({ sequence }: Delivery): void {
    const { ledger, listener } = this.options;
    listener.readerSuspected();
    ledger.expect(sequence);
    void this.ask([sequence]);
  }

  /** With one partition the filter is the stream's only subject, so a jump of its sequence is a loss. */
  #noteJump(next: number): void {
    const { ledger, address, dropped, listener } = this.options;
    if (address.partitions !== 1 || next <= ledger.claimedHigh) return;
    if (next > ledger.knownThrough + 1) listener.readerSuspected();
    dropped.noteGap(ledger.knownThrough, next);
  }

  #push(event: Delivery): void {
    const { ledger, suspects, lanes } = this.options;
    ledger.takeIn(event);
    suspects.noteTakenIn(event.sequence);
    lanes.push(event);
  }

  #enter(mode: Mode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode))
      throw new Error(`an intake cannot go from ${this.#mode} to ${mode}`);
    this.#mode = mode;
  }
}

/** True for an event that a reader delivered without its body: its settings say `headers_only`. */
function isBare({ origin }: Delivery): boolean {
  if (origin.body.length > 0) return false;
  return Number(origin.readHeaders()[BODY_SIZE] ?? 0) > 0;
}
