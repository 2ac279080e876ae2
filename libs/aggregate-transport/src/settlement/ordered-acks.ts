import { isSabotaged } from '#sabotage';
import { type Clock, every, type Timer } from '../clock.js';
import { Ack, AckChain, type Settleable } from './ack-chain.js';
import { AckRows } from './ack-rows.js';

export interface OrderedAcksOptions {
  readonly clock: Clock;
  /** Asked once for all acks that leave in a turn. Those held back are tried again with the next ones, 100 ms later at most. */
  readonly maySend: () => boolean;
  /** Sends one ack. With a number it asks for a confirmation, which comes back with it through {@link OrderedAcks.confirmed}. */
  readonly send: (event: Settleable, number: number | undefined) => void;
  /** An aggregate may have this many handled events without a confirmed ack before its lane pauses. */
  readonly maxUnconfirmedPerAggregate: number;
  readonly pauseLane: (token: string) => void;
  readonly resumeLane: (token: string) => void;
  /** Acks were confirmed in this turn. */
  readonly settled?: () => void;
}

const SWEEP_MS = 100;

/**
 * Settles handled events: the ack of one leaves only after the ack of its aggregate's previous one is
 * confirmed. So what the server holds as settled is always a prefix of what was handled, and of each
 * aggregate one ack at most is on its way. Two ways in which more than one goes wrong:
 *
 * - The ack of n is lost, n+1 is acked, and a takeover replays n after n+1.
 * - 1. An owner is cut off with the acks of n to n+5 on their way. 2. Its successor replays n and n+1, and
 *   is in n+2. 3. The late acks arrive and settle what it has still before it. 4. It dies, and the next owner begins
 *   with n+6. One late ack settles nothing but the event at which the replay begins.
 *
 * Modes: `open`, acks leave at the end of each turn of the event loop, so that a turn's acks share few
 * socket writes; `paused`, events queue up. Paused from the start of a takeover to the end of its fence,
 * because the fence counts what the server holds as unsettled, and an ack would change the count.
 */
export class OrderedAcks {
  readonly #chains = new Map<string, AckChain>();
  readonly #rows: AckRows;
  #size = 0;
  #leaving: Ack[] = [];
  /** Numbers confirmed in this turn. */
  #heard: number[] = [];
  #isTurnDue = false;
  #paused = true;
  #reach = 0;
  #sweep: Timer | undefined;
  #emptyWaiters: (() => void)[] = [];

  constructor(private readonly options: OrderedAcksOptions) {
    this.#rows = new AckRows(options.send);
  }

  /** Handled events whose ack is not confirmed. */
  get size(): number {
    return this.#size;
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
    return this.#chains.get(token)?.hasUpTo(through) ?? false;
  }

  /** Takes a handled event. Events of one aggregate must come in the order they were handled. */
  add(event: Settleable): void {
    if (isSabotaged('acks-unordered')) {
      this.#rows.send([new Ack(event)], this.options.clock.now());
      return;
    }
    const chain = this.#chains.get(event.token);
    if (chain === undefined) {
      this.#begin(event);
      return;
    }
    chain.append(new Ack(event));
    this.#grown(event.token, chain);
  }

  /** The server has delivered everything up to here; acks beyond it drops without an answer. */
  reached(sequence: number): void {
    if (sequence > this.#reach) this.#reach = sequence;
  }

  /**
   * The server delivered a handled event again. If its ack was confirmed, the server has forgotten that, and it is
   * acked anew, before all that was handled after it.
   */
  redelivered(event: Settleable): void {
    const chain = this.#chains.get(event.token);
    if (chain?.has(event.sequence) === true) {
      this.#leave(chain);
      return;
    }
    if (isSabotaged('acks-not-repeated')) return;
    if (chain === undefined) {
      this.#begin(event);
      return;
    }
    chain.insert(new Ack(event));
    this.#grown(event.token, chain);
    this.#leave(chain);
  }

  /** Calls back with the sequences of `first..last` whose acks are not confirmed. */
  unconfirmed(first: number, last: number, callback: (sequence: number) => void): void {
    for (const chain of this.#chains.values()) {
      for (const { sequence } of chain) if (sequence >= first && sequence <= last) callback(sequence);
    }
  }

  /**
   * The server has confirmed the ack that asked with this number. Counts at the end of the turn: what the server
   * refused before, the client tells a moment later. Numbers of what left before a pause are ignored.
   */
  confirmed(number: number): void {
    if (this.#paused) return;
    this.#heard.push(number);
    this.#turnSoon();
  }

  /** The server has refused an ack, and which one is not known: no row that is on its way counts, and none is sent until the next takeover. */
  refused(): void {
    if (!this.#rows.areTrusted) return;
    this.#startAgain(false);
  }

  /** Sends no ack until {@link resume}. */
  pause(): void {
    if (isSabotaged('acks-not-repeated')) return;
    this.#paused = true;
    this.#reach = 0;
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  /** Sends the heads that waited, and those on their way once more. `inRows`: see {@link AckRows}. */
  resume(inRows: boolean): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#sweep = every(this.options.clock, SWEEP_MS, () => this.#sweepOnce());
    this.#startAgain(inRows);
  }

  /** Forgets everything: the server will deliver it again, or the stream it belonged to is gone. */
  clear(): void {
    const lanes = [...this.#chains.entries()];
    this.#chains.clear();
    this.#size = 0;
    this.#startAgain(false);
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

  #begin(event: Settleable): void {
    const chain = new AckChain(new Ack(event));
    this.#chains.set(event.token, chain);
    this.#size++;
    this.#leave(chain);
  }

  #grown(token: string, { length }: AckChain): void {
    this.#size++;
    if (length === this.options.maxUnconfirmedPerAggregate) this.options.pauseLane(token);
  }

  /** Nothing is on its way any more that would count; all heads leave, if they may. */
  #startAgain(inRows: boolean): void {
    this.#rows.begin(inRows);
    this.#leaving = [];
    this.#heard = [];
    for (const chain of this.#chains.values()) {
      chain.head.hasLeft = false;
      this.#leave(chain);
    }
  }

  #leave({ head }: AckChain): void {
    if (this.#paused || head.hasLeft || head.sequence > this.#reach) return;
    head.hasLeft = true;
    this.#leaving.push(head);
    this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.options.clock.nextTurn(() => {
      if (!this.#paused) this.#turn();
      this.#isTurnDue = false;
    });
  }

  #turn(): void {
    const heard = this.#heard;
    this.#heard = [];
    for (const number of heard) for (const ack of this.#rows.confirmed(number)) this.#advance(ack);
    if (heard.length > 0) this.options.settled?.();
    if (this.#leaving.length === 0 || !this.options.maySend()) return;
    const leaving = this.#leaving;
    this.#leaving = [];
    this.#rows.send(leaving, this.options.clock.now());
  }

  /** Takes the confirmed head off its chain and lets the next one leave. */
  #advance(ack: Ack): void {
    const chain = this.#chains.get(ack.token);
    if (chain?.head !== ack) return;
    this.#size--;
    if (chain.length === this.options.maxUnconfirmedPerAggregate) this.options.resumeLane(ack.token);
    if (chain.shorten()) {
      // It may have left before one that was forgotten came in front of it.
      chain.head.hasLeft = false;
      this.#leave(chain);
    } else {
      this.#chains.delete(ack.token);
      this.#wakeIfEmpty();
    }
  }

  #sweepOnce(): void {
    if (this.#leaving.length > 0) this.#turnSoon();
    if (this.options.maySend())
      this.#rows.resend(this.options.clock.now(), (ack) => this.#chains.get(ack.token)?.head === ack);
  }

  #wakeIfEmpty(): void {
    if (this.#chains.size > 0) return;
    for (const resolve of this.#emptyWaiters.splice(0)) resolve();
  }
}
