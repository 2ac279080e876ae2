import { isSabotaged } from '#sabotage';
import { type Clock, every, type Timer } from '../clock.js';
import { RecentAcks } from './recent-acks.js';

/** A handled event that is to be acked. */
export interface Settleable {
  readonly token: string;
  readonly sequence: number;
  /** Where its ack goes. */
  readonly ackSubject: string;
}

/**
 * What is kept of a handled event until its ack is confirmed. Not the event itself: its body and what was decoded from it
 * would live for a round trip, long enough for the collector to copy all of it.
 */
class Ack implements Settleable {
  readonly token: string;
  readonly sequence: number;
  readonly ackSubject: string;
  /** When it was last sent, on the clock. */
  sentAt = 0;
  /** The ack of the event of the same aggregate that was handled after this one. */
  next: Ack | undefined = undefined;

  constructor({ token, sequence, ackSubject }: Settleable) {
    this.token = token;
    this.sequence = sequence;
    this.ackSubject = ackSubject;
  }
}

interface Chain {
  head: Ack;
  tail: Ack;
  length: number;
}

export interface OrderedAcksOptions {
  readonly clock: Clock;
  /** Asked once for all acks that leave in a turn. An ack held back is tried again like one that got no answer. */
  readonly maySend: () => boolean;
  /** Sends one ack that asks for a confirmation; the answer comes back through {@link OrderedAcks.confirmed}. */
  readonly send: (event: Settleable) => void;
  /** An aggregate may have this many handled events without a confirmed ack before its lane pauses. */
  readonly maxUnconfirmedPerAggregate: number;
  readonly pauseLane: (token: string) => void;
  readonly resumeLane: (token: string) => void;
}

/** An ack without a confirmation is sent again after this time. */
const RESEND_AFTER_MS = 400;
const SWEEP_MS = 100;
/** Acks confirmed this recently may be forgotten by a server that is killed: it writes them at most ten times a second. */
const VOLATILE_MS = 5_000;

/**
 * Settles handled events: the ack of one leaves only after the ack of its aggregate's previous one is
 * confirmed, so what the server holds as settled is always a prefix of what was handled. An ack sent
 * and forgotten breaks that: the ack of n is lost, n+1 is acked, and a takeover replays n after n+1.
 *
 * Modes: `open`, acks leave at the end of each turn of the event loop, so that a turn's acks share few
 * socket writes; `paused`, events queue up. Paused from the start of a takeover to the end of its fence,
 * because the fence counts what the server holds as unsettled, and an ack would change the count.
 */
export class OrderedAcks {
  readonly #chains = new Map<string, Chain>();
  readonly #unconfirmed = new Map<number, Ack>();
  #leaving: Ack[] = [];
  #flushing = false;
  #paused = true;
  #reach = 0;
  #sweep: Timer | undefined;
  readonly #recent = new RecentAcks();
  #emptyWaiters: (() => void)[] = [];

  constructor(private readonly options: OrderedAcksOptions) {}

  /** Handled events whose ack is not confirmed. */
  get size(): number {
    let size = 0;
    for (const chain of this.#chains.values()) size += chain.length;
    return size;
  }

  /** The lowest sequence whose ack is not confirmed; infinity if there is none. */
  lowest(): number {
    let lowest = Number.POSITIVE_INFINITY;
    // Within an aggregate sequences rise, so the heads suffice.
    for (const { head } of this.#chains.values()) if (head.sequence < lowest) lowest = head.sequence;
    return lowest;
  }

  /** True while an ack of this aggregate is not confirmed; with a sequence, while one up to it is not. */
  has(token: string, through = Number.POSITIVE_INFINITY): boolean {
    let link = this.#chains.get(token)?.head;
    while (link !== undefined && link.sequence > through) link = link.next;
    return link !== undefined;
  }

  /** Takes a handled event. Events of one aggregate must come in the order they were handled. */
  add(event: Settleable): void {
    const chain = this.#chains.get(event.token);
    if (isSabotaged('acks-unordered')) {
      this.options.send(event);
      return;
    }
    const ack = new Ack(event);
    if (chain === undefined) {
      this.#chains.set(event.token, { head: ack, tail: ack, length: 1 });
      this.#leave(ack);
      return;
    }
    chain.tail.next = ack;
    chain.tail = ack;
    chain.length++;
    if (chain.length === this.options.maxUnconfirmedPerAggregate) this.options.pauseLane(event.token);
  }

  /** The server has delivered everything up to here; acks beyond it drops without an answer. */
  reached(sequence: number): void {
    if (sequence > this.#reach) this.#reach = sequence;
  }

  /** The server delivered a handled event again: it leaves in its chain's turn, or, if it was confirmed, at once. */
  redelivered(event: Settleable): void {
    const head = this.#chains.get(event.token)?.head;
    let link = head;
    while (link !== undefined && link.sequence !== event.sequence) link = link.next;
    if (link === undefined) {
      this.#recent.add(event.sequence, this.options.clock.now());
      if (this.options.maySend()) this.options.send(event);
    } else if (link === head && !this.#unconfirmed.has(link.sequence)) this.#leave(link);
  }

  /** Calls back with the sequences of `first..last` whose acks are not confirmed. */
  unconfirmed(first: number, last: number, callback: (sequence: number) => void): void {
    for (const chain of this.#chains.values()) {
      for (let link: Ack | undefined = chain.head; link !== undefined; link = link.next) {
        if (link.sequence >= first && link.sequence <= last) callback(link.sequence);
      }
    }
  }

  /** The server has confirmed the ack of this sequence. Confirmations of anything else are ignored. */
  confirmed(sequence: number): void {
    const ack = this.#unconfirmed.get(sequence);
    if (ack === undefined) return;
    this.#unconfirmed.delete(sequence);
    this.#recent.add(sequence, this.options.clock.now());
    this.#advance(ack);
  }

  /** Sends no ack until {@link resume}. */
  pause(): void {
    if (isSabotaged('acks-not-repeated')) return;
    this.#paused = true;
    this.#reach = 0;
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  /** Sends the heads that waited. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#sweep = every(this.options.clock, SWEEP_MS, () => this.#sweepOnce());
    this.#leaving = [];
    for (const chain of this.#chains.values()) this.#leave(chain.head);
  }

  /**
   * While paused: everything a takeover has to tell the server again, ascending: what is handled and
   * unconfirmed, and, if the server may have forgotten anything, what it confirmed within the last five seconds.
   */
  toRepeat(mayHaveForgotten: boolean): number[] {
    if (isSabotaged('acks-not-repeated')) return [];
    const sequences = mayHaveForgotten ? this.#recent.since(this.#volatileSince()) : [];
    for (const chain of this.#chains.values()) {
      for (let link: Ack | undefined = chain.head; link !== undefined; link = link.next) {
        sequences.push(link.sequence);
      }
    }
    return sequences.sort((a, b) => a - b);
  }

  /** A takeover has told the server these sequences again, and the server has confirmed them. */
  repeated(sequences: readonly number[]): void {
    const settled = new Set(sequences);
    this.#recent.renew(sequences, this.options.clock.now());
    for (const chain of [...this.#chains.values()]) {
      for (let link: Ack | undefined = chain.head; link && settled.has(link.sequence);) {
        const next: Ack | undefined = link.next;
        this.#unconfirmed.delete(link.sequence);
        this.#advance(link);
        link = next;
      }
    }
  }

  /** Forgets everything: the server will deliver it again, or the stream it belonged to is gone. */
  clear(): void {
    const lanes = [...this.#chains.entries()];
    this.#chains.clear();
    this.#unconfirmed.clear();
    this.#leaving = [];
    this.#recent.clear();
    for (const [token, chain] of lanes) {
      if (chain.length >= this.options.maxUnconfirmedPerAggregate) this.options.resumeLane(token);
    }
    this.#wakeIfEmpty();
  }

  /** Resolves when no ack is unconfirmed. */
  whenEmpty(): Promise<void> {
    if (this.#chains.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#emptyWaiters.push(resolve));
  }

  #leave(ack: Ack): void {
    if (this.#paused || ack.sequence > this.#reach) return;
    this.#leaving.push(ack);
    if (this.#flushing) return;
    this.#flushing = true;
    this.options.clock.nextTurn(() => {
      this.#flushing = false;
      const leaving = this.#leaving;
      this.#leaving = [];
      if (!this.#paused) this.#send(leaving);
    });
  }

  #send(acks: readonly Ack[]): void {
    const now = this.options.clock.now();
    const maySend = this.options.maySend();
    for (const ack of acks) {
      ack.sentAt = now;
      this.#unconfirmed.set(ack.sequence, ack);
      if (maySend) this.options.send(ack);
    }
  }

  /** Takes the confirmed head off its chain and lets the next one leave. */
  #advance(ack: Ack): void {
    const chain = this.#chains.get(ack.token);
    if (chain?.head !== ack) return;
    const next = ack.next;
    ack.next = undefined;
    if (chain.length-- === this.options.maxUnconfirmedPerAggregate) this.options.resumeLane(ack.token);
    if (next === undefined) {
      this.#chains.delete(ack.token);
      this.#wakeIfEmpty();
    } else {
      chain.head = next;
      this.#leave(next);
    }
  }

  #sweepOnce(): void {
    const now = this.options.clock.now();
    // A Map iterates in the order of insertion, and a resent ack is inserted again: oldest first.
    for (const ack of this.#unconfirmed.values()) {
      if (now - ack.sentAt < RESEND_AFTER_MS) break;
      this.#unconfirmed.delete(ack.sequence);
      this.#leave(ack);
    }
    this.#recent.forgetBefore(this.#volatileSince());
  }

  /** Counted back from the server's last sign of life, not from now: a server that is away writes nothing. */
  #volatileSince(): number {
    return this.#recent.newestAt - VOLATILE_MS;
  }

  #wakeIfEmpty(): void {
    if (this.#chains.size > 0) return;
    for (const resolve of this.#emptyWaiters.splice(0)) resolve();
  }
}
