import { isSabotaged } from '#sabotage';
import type { Delivery, Unsettled } from '../../message/delivery.js';

/** Where a tenure begins: every event up to `high` that is not listed is settled. */
export interface LedgerStart {
  readonly high: number;
  readonly highTime: string;
  /** Ascending. */
  readonly unsettled: readonly number[];
}

/** The ledger at one moment, as a record says it. */
export interface LedgerSnapshot extends LedgerStart {
  /** Counts the events settled or given up so far in this tenure. */
  readonly settled: number;
}

/** Where bodies of events are counted. */
export interface BodyCount {
  take(bytes: number): void;
  give(bytes: number): void;
}

/** An unsettled event of the claimed record that has not been read yet. */
class Placeholder implements Unsettled {
  previousUnsettled: Unsettled | undefined = undefined;
  nextUnsettled: Unsettled | undefined = undefined;

  constructor(readonly sequence: number) {}
}

/** For sabotage only: how many settled events come again. */
const HANDLED_AGAIN = 50;

/**
 * Knows which events of a partition are not settled, so that a commit can say it at any moment. A doubly linked list in
 * stream order: events join at its end and leave from anywhere, both in constant time. An event that an edited reader
 * had passed over joins where it belongs.
 *
 * The unsettled events of the claimed record stand in it as placeholders from the first moment. Without them the first
 * commit would call them settled before they have been read.
 */
export class Ledger {
  #tenure = 0;
  #isOpen = false;
  #first: Unsettled | undefined;
  #last: Unsettled | undefined;
  readonly #placeholders = new Map<number, Placeholder>();
  #claimedHigh = 0;
  #high = 0;
  #highTime = '';
  /** The event at {@link #high} if it was settled here: its time is read when a record needs it. */
  #highest: Delivery | undefined;
  #lastTaken = 0;
  #lastEvent: Delivery | undefined;
  #readThrough = 0;
  #takenIn = 0;
  #left = 0;
  #settled = 0;
  #bytes = 0;

  constructor(private readonly bodies: BodyCount) {}

  /** Begins a tenure with what its claimed record says. */
  begin({ high, highTime, unsettled }: LedgerStart): void {
    this.end();
    this.#isOpen = true;
    const listed = isSabotaged('list-ignored') ? [] : unsettled;
    for (const sequence of listed) {
      const placeholder = new Placeholder(sequence);
      this.#placeholders.set(sequence, placeholder);
      this.#append(placeholder);
    }
    const readFrom = (listed[0] ?? high + 1) - 1;
    this.#claimedHigh = high;
    this.#high = high;
    this.#highTime = highTime;
    this.#lastTaken = readFrom;
    if (isSabotaged('settled-again')) {
      this.#claimedHigh = this.#high = this.#lastTaken = Math.max(0, readFrom - HANDLED_AGAIN);
    }
    this.#readThrough = this.#lastTaken;
  }

  /** Forgets everything. Events of this tenure are held no longer. */
  end(): void {
    this.bodies.give(this.#bytes);
    // A handler that still runs would keep all other events of its tenure in memory.
    while (this.#first !== undefined) this.#unlink(this.#first);
    this.#tenure++;
    this.#isOpen = false;
    this.#highest = this.#lastEvent = undefined;
    this.#placeholders.clear();
    this.#claimedHigh = this.#high = this.#lastTaken = this.#readThrough = 0;
    this.#takenIn = this.#left = this.#settled = this.#bytes = 0;
    this.#highTime = '';
  }

  /** The highest settled sequence of the claimed record. */
  get claimedHigh(): number {
    return this.#claimedHigh;
  }

  /** The last sequence taken in or passed over: a reader continues after it. */
  get lastTaken(): number {
    return this.#lastTaken;
  }

  /**
   * When the stream stored the last event taken in, in nanoseconds since 1970; '' if no event was read in this tenure.
   */
  get lastTakenTime(): string {
    if (this.#lastEvent !== undefined) return this.#lastEvent.origin.readStoredAt();
    return this.#lastTaken === this.#high ? this.#highTime : '';
  }

  /** No event of the partition up to here is still to be read, placeholders excepted. */
  get readThrough(): number {
    return this.#readThrough;
  }

  /** The fate of every event up to here is known, but for placeholders: it was read, or the claimed record settles it. */
  get knownThrough(): number {
    return Math.max(this.#readThrough, this.#claimedHigh);
  }

  /** Every event of the partition up to here is settled. */
  get settledThrough(): number {
    const known = this.knownThrough;
    return this.#first === undefined ? known : Math.min(known, this.#first.sequence - 1);
  }

  /** Events taken in since the tenure began; those settled among them are counted by {@link takenInAndSettled}. */
  get takenIn(): number {
    return this.#takenIn;
  }

  get takenInAndSettled(): number {
    return this.#left;
  }

  /** Events in lanes. */
  get held(): number {
    return this.#takenIn - this.#left;
  }

  /** The bytes of their bodies. */
  get heldBytes(): number {
    return this.#bytes;
  }

  get settled(): number {
    return this.#settled;
  }

  /** How far the reader has gone past the highest settled event while everything is settled; else 0. */
  get idleGap(): number {
    return this.#first === undefined ? this.#readThrough - this.#high : 0;
  }

  get placeholders(): number {
    return this.#placeholders.size;
  }

  /** True if this very delivery is in a lane of this tenure. */
  holds(event: Delivery): boolean {
    return this.#isOpen && event.tenure === this.#tenure;
  }

  /** True if the sequence is settled by what the claimed record says. */
  isSettledByClaim(sequence: number): boolean {
    return sequence <= this.#claimedHigh && !this.#placeholders.has(sequence);
  }

  /** Placeholders up to a sequence, ascending. */
  placeholdersThrough(sequence: number): number[] {
    const found: number[] = [];
    for (const listed of this.#placeholders.keys()) {
      if (listed > sequence) break;
      found.push(listed);
    }
    return found;
  }

  hasPlaceholderThrough(sequence: number): boolean {
    if (this.#placeholders.size === 0) return false;
    const [first] = this.#placeholders.keys();
    return first !== undefined && first <= sequence;
  }

  /** The event was read without its body. It stands in the list until it is taken in. Later ones are not read yet. */
  expect(sequence: number): void {
    if (this.#placeholders.has(sequence)) return;
    const placeholder = new Placeholder(sequence);
    this.#placeholders.set(sequence, placeholder);
    this.#append(placeholder);
    this.noteReadThrough(sequence);
  }

  /** The event goes to a lane. It takes the place of its placeholder, or joins the end of the list. */
  takeIn(event: Delivery): void {
    event.tenure = this.#tenure;
    const bytes = event.origin.body.length;
    this.#bytes += bytes;
    this.bodies.take(bytes);
    this.#takenIn++;
    const placeholder = this.#placeholders.get(event.sequence);
    if (placeholder === undefined) this.#append(event);
    else this.#replace(placeholder, event);
    this.#advance(event);
  }

  /** The event is settled already, by the claimed record or by an earlier layout. */
  pass(event: Delivery): void {
    this.#advance(event);
  }

  /** Everything up to here is settled, or was taken in. */
  skipTo(sequence: number): void {
    if (sequence <= this.#lastTaken) return;
    this.#lastTaken = sequence;
    this.#lastEvent = undefined;
    this.noteReadThrough(sequence);
  }

  /** The reader has gone past this sequence without an event of the partition. */
  noteReadThrough(sequence: number): void {
    if (sequence > this.#readThrough) this.#readThrough = sequence;
  }

  /** The stream does not hold the event of a placeholder any more, or it is another partition's. */
  giveUp(sequence: number): void {
    const placeholder = this.#placeholders.get(sequence);
    if (placeholder === undefined) return;
    this.#placeholders.delete(sequence);
    this.#unlink(placeholder);
    this.#settled++;
  }

  /** Takes a handled event, or a letter, off the list. False if this tenure does not hold it. */
  settle(event: Delivery): boolean {
    if (!this.holds(event)) return false;
    event.tenure = 0;
    this.#unlink(event);
    const bytes = event.origin.body.length;
    this.#bytes -= bytes;
    this.bodies.give(bytes);
    this.#left++;
    this.#settled++;
    if (event.sequence > this.#high) {
      this.#high = event.sequence;
      this.#highest = event;
    }
    return true;
  }

  snapshot(): LedgerSnapshot {
    // Everything taken in is settled, so all that was passed over is, too, and what the reader has gone past.
    if (this.#first === undefined && this.#readThrough > this.#high) {
      this.#high = this.#readThrough;
      this.#highest = this.#readThrough === this.#lastTaken ? this.#lastEvent : undefined;
      this.#highTime = '';
    }
    if (isSabotaged('commit-ahead')) this.#high = Math.max(this.#high, this.#lastTaken);
    const highTime = this.#highest?.origin.readStoredAt() ?? this.#highTime;
    return {
      high: this.#high,
      highTime,
      unsettled: this.#unsettledThrough(this.#high),
      settled: this.#settled,
    };
  }

  #unsettledThrough(high: number): number[] {
    const sequences: number[] = [];
    if (isSabotaged('commit-ahead')) return sequences;
    const withoutPlaceholders = isSabotaged('no-placeholders');
    for (
      let event = this.#first;
      event !== undefined && event.sequence <= high;
      event = event.nextUnsettled
    ) {
      if (withoutPlaceholders && event instanceof Placeholder) continue;
      sequences.push(event.sequence);
    }
    return sequences;
  }

  #advance(event: Delivery): void {
    if (event.sequence <= this.#lastTaken) return;
    this.#lastTaken = event.sequence;
    this.#lastEvent = event;
    this.noteReadThrough(event.sequence);
  }

  /** Nearly always at the end. */
  #append(event: Unsettled): void {
    let before = this.#last;
    while (before !== undefined && before.sequence > event.sequence) before = before.previousUnsettled;
    const after = before === undefined ? this.#first : before.nextUnsettled;
    event.previousUnsettled = before;
    event.nextUnsettled = after;
    if (before === undefined) this.#first = event;
    else before.nextUnsettled = event;
    if (after === undefined) this.#last = event;
    else after.previousUnsettled = event;
  }

  #replace(placeholder: Placeholder, event: Delivery): void {
    this.#placeholders.delete(placeholder.sequence);
    const { previousUnsettled: before, nextUnsettled: after } = placeholder;
    event.previousUnsettled = before;
    event.nextUnsettled = after;
    if (before === undefined) this.#first = event;
    else before.nextUnsettled = event;
    if (after === undefined) this.#last = event;
    else after.previousUnsettled = event;
  }

  #unlink(event: Unsettled): void {
    const { previousUnsettled: before, nextUnsettled: after } = event;
    if (before === undefined) this.#first = after;
    else before.nextUnsettled = after;
    if (after === undefined) this.#last = before;
    else after.previousUnsettled = before;
    event.previousUnsettled = event.nextUnsettled = undefined;
  }
}
