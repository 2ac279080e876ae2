import { type Clock, delay } from '../clock.js';
import { AggregateTransportError } from '../errors.js';
import { KeyedExecutor } from '../executor/keyed-executor.js';
import type { Log } from '../log.js';
import type { Codec } from '../message/codec.js';
import type { Delivery } from '../message/delivery.js';
import type { ConsumerListener, ConsumerPort, ConsumerState } from '../message/ports.js';
import { OrderedAcks } from '../settlement/ordered-acks.js';
import type { FailurePolicy } from '../settlement/outcome.js';
import { type AttemptCounts, Attempts } from './attempt.js';
import type { EventHandlers, OnUnhandledType } from './event-handlers.js';
import { Ledger } from './ledger.js';
import type { Ownership } from './ownership.js';
import { PullLoop } from './pull-loop.js';
import { TakeoverRunner } from './takeover-runner.js';

export interface PartitionConsumerOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly connect: (listener: ConsumerListener) => ConsumerPort;
  readonly ownership: Ownership;
  readonly handlers: EventHandlers;
  readonly codec: Codec;
  readonly onUnhandledType: OnUnhandledType;
  readonly failurePolicy: FailurePolicy;
  readonly concurrency: number;
  readonly batch: number;
  readonly maxAckPending: number;
  readonly maxBufferedBytes: number;
  readonly pullExpiresMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

export type PartitionMode = 'idle' | 'taking over' | 'running' | 'halted' | 'closed';

/** A lane with this many handled events whose acks are not confirmed starts no further one. */
const MAX_UNCONFIRMED_PER_AGGREGATE = 256;

/**
 * Handles the events of one partition in order. Its modes:
 *
 * - `idle`: nothing is pulled. Left by {@link start}.
 * - `taking over`: brings the server to a known state; lanes go on with what they hold, acks wait.
 *   Entered at the start and whenever deliveries may have been lost: a reconnect, a gap, a silent feed.
 *   Left when a takeover succeeds.
 * - `running`: the pull loop reads, behind its fence first; acks leave once the fence is open.
 * - `halted`: a handler's policy stopped the partition. Nothing is pulled or started any more.
 * - `closed`: the end.
 *
 * A drain crosses these modes: from then on nothing new is taken in and nothing starts, while takeovers
 * and acks go on, because acks may leave only behind a takeover.
 */
export class PartitionConsumer implements ConsumerListener {
  readonly #ledger = new Ledger();
  readonly #executor: KeyedExecutor<Delivery>;
  readonly #attempts: Attempts;
  readonly #acks: OrderedAcks;
  readonly #loop: PullLoop;
  readonly #port: ConsumerPort;
  readonly #takeovers: TakeoverRunner;
  #mode: PartitionMode = 'idle';
  #fenceOpened = true;
  #haltReason: string | undefined;

  constructor(private readonly options: PartitionConsumerOptions) {
    const { clock, name, log, ownership } = options;
    this.#port = options.connect(this);
    this.#executor = new KeyedExecutor<Delivery>({
      concurrency: options.concurrency,
      clock,
      run: (event) => this.#attempts.run(event),
    });
    this.#attempts = new Attempts({
      ...options,
      mayStart: () => ownership.isValid(),
      handled: (event) => this.#handled(event),
      halt: (reason) => this.#halt(reason),
    });
    this.#acks = new OrderedAcks({
      clock,
      send: (event) => this.#port.ack(event),
      maxUnconfirmedPerAggregate: MAX_UNCONFIRMED_PER_AGGREGATE,
      pauseLane: (token) => this.#executor.close(token),
      resumeLane: (token) => this.#executor.open(token),
    });
    this.#takeovers = new TakeoverRunner({
      name,
      port: this.#port,
      memory: {
        toRepeat: () => this.#acks.toRepeat(),
        repeated: (sequences) => this.#acks.repeated(sequences),
        unhandled: (first, last, callback) => this.#ledger.unhandled(first, last, callback),
      },
      clock,
      log,
      done: (state) => this.#takenOver(state),
    });
    this.#loop = new PullLoop({
      port: this.#port,
      clock,
      batch: options.batch,
      maxHeld: options.maxAckPending,
      maxHeldBytes: options.maxBufferedBytes,
      pullExpiresMs: options.pullExpiresMs,
      remainingMs: () => ownership.remainingMs(),
      held: () => ({ events: this.#ledger.inFlight, bytes: this.#ledger.heldBytes }),
      released: (events) => this.#released(events),
      delivered: (event) => this.#deliver(event),
      broken: (reason) => this.#takeOver(reason),
    });
  }

  get mode(): PartitionMode {
    return this.#mode;
  }

  /** Why the partition halted, if it did. */
  get haltReason(): string | undefined {
    return this.#haltReason;
  }

  get counts(): Readonly<AttemptCounts> {
    return this.#attempts.counts;
  }

  get takeoverCount(): number {
    return this.#takeovers.count;
  }

  /** Events in lanes. */
  get inFlight(): number {
    return this.#ledger.inFlight;
  }

  /** Aggregates with events in lanes. */
  get laneCount(): number {
    return this.#executor.laneCount;
  }

  /** Begins to take the partition over. Returns at once; events flow when the server has answered. */
  start(): void {
    this.#takeOver('start');
  }

  /**
   * Takes in nothing new, starts nothing, lets running handlers end and confirms their acks.
   * Resolves with true when that is done, with false after `withinMs`: what is unsettled then is
   * delivered again to whoever takes over. Safe to call twice.
   */
  async drain(withinMs: number): Promise<boolean> {
    if (this.#mode === 'idle' || this.#mode === 'closed') return true;
    this.#executor.stop();
    this.#loop.drain();
    const settled = this.#executor
      .whenNoneRuns()
      .then(() => this.#acks.whenEmpty())
      .then(() => true);
    const late = delay(this.options.clock, withinMs).then(() => false);
    return Promise.race([settled, late]);
  }

  /** Ends everything at once. Running handlers are told through their signal; how they end counts for nothing. */
  close(): void {
    if (this.#mode === 'closed') return;
    this.#mode = 'closed';
    this.#takeovers.cancel();
    this.#executor.stop();
    this.#acks.pause();
    this.#loop.dispose();
    this.#attempts.abortAll(
      new AggregateTransportError('CONNECTION_CLOSED', 'expected the consumer to stay open, found it closed'),
    );
    this.#attempts.close();
    this.#port.close();
  }

  confirmed(sequence: number): void {
    if (!this.#takeovers.confirmed(sequence)) this.#acks.confirmed(sequence);
  }

  disconnected(): void {
    if (this.#mode !== 'taking over' && this.#mode !== 'running') return;
    this.#mode = 'taking over';
    this.#takeovers.cancel();
    this.#acks.pause();
    this.#loop.close();
  }

  reconnected(): void {
    if (this.#mode === 'taking over' || this.#mode === 'running') this.#takeOver('reconnect');
  }

  #takeOver(reason: string): void {
    if (this.#mode === 'closed' || this.#mode === 'halted') return;
    this.#mode = 'taking over';
    this.#acks.pause();
    this.#loop.close();
    this.#takeovers.begin(reason, !this.#fenceOpened);
  }

  #takenOver(state: ConsumerState): void {
    this.#mode = 'running';
    this.#fenceOpened = false;
    this.#ledger.settledThrough(state.ackFloor);
    this.#loop.begin(state);
  }

  #released(events: readonly Delivery[]): void {
    this.#fenceOpened = true;
    for (const event of events) this.#takeIn(event);
    this.#acks.resume();
  }

  #deliver(event: Delivery): void {
    const unknownOldEvent =
      event.sequence <= this.#ledger.highest && this.#ledger.know(event.sequence) === 'new';
    if (unknownOldEvent) {
      this.#loop.close();
      this.#takeOver(`event ${event.sequence} came again unasked, behind ${this.#ledger.highest}`);
    } else {
      this.#takeIn(event);
    }
  }

  #takeIn(event: Delivery): void {
    switch (this.#ledger.know(event.sequence)) {
      case 'in flight':
        return;
      case 'done':
        // If its ack is still to leave, the chain sends it in its turn; else the server has lost it.
        if (!this.#acks.isUnconfirmed(event)) this.#port.ack(event);
        return;
      case 'new':
        this.#ledger.takeIn(event);
        this.#executor.push(event.token, event);
    }
  }

  #handled(event: Delivery): void {
    if (this.#mode === 'closed') return;
    this.#ledger.handled(event);
    this.#acks.add(event);
    this.#loop.replenish();
  }

  #halt(reason: string): void {
    if (this.#mode === 'closed' || this.#mode === 'halted') return;
    this.#mode = 'halted';
    this.#haltReason = reason;
    this.#takeovers.cancel();
    this.#executor.stop();
    this.#loop.close();
  }
}
