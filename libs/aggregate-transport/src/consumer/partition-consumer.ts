import { isSabotaged } from '#sabotage';
import { AggregateTransportError } from '../errors.js';
import type { Delivery } from '../message/delivery.js';
import type { ConsumerPort, ConsumerState } from '../message/reader-port.js';
import { OrderedAcks } from '../settlement/ordered-acks.js';
import { Drain } from './drain.js';
import { Intake } from './intake.js';
import { Lanes } from './handling/lanes.js';
import { Ledger } from './position/ledger.js';
import type { OriginMark } from './layout-marks.js';
import type { LeaseFacts } from '../records/lease-record.js';
import { Origin } from './origin.js';
import type { LanesLook, PartitionLoad, PartitionMode } from './partition-status.js';
import type { PartitionConsumerOptions, TakeoverCause } from './partition-options.js';
import { PullLoop } from './reading/pull-loop.js';
import { type Inheritance, StreamMemory } from './stream-memory.js';
import { TakeoverRunner } from './takeover-runner.js';

/** A lane with this many handled events whose acks are not confirmed starts no further one. */
const MAX_UNCONFIRMED_PER_AGGREGATE = 256;

/**
 * Handles the events of one partition in order. Its modes:
 *
 * - `idle`: somebody else owns the partition, or nobody. Nothing is pulled or started; a handler that
 *   still runs keeps its lane, and how it ends counts for nothing. Left by {@link own}.
 * - `taking over`: brings the server to a known state; lanes go on with what they hold, acks wait.
 *   Entered with the lease and whenever deliveries may have been lost: a reconnect, a gap, a silent feed.
 *   Left when a takeover succeeds, or by {@link disown}.
 * - `running`: the pull loop reads, behind its fence first; acks leave once the fence is open.
 * - `halted`: a handler's policy stopped the partition. Nothing is pulled or started any more.
 * - `closed`: the end.
 *
 * A drain crosses these modes: from then on nothing new is taken in and nothing starts, while takeovers
 * and acks go on, because acks may leave only behind a takeover.
 */
export class PartitionConsumer {
  readonly #ledger = new Ledger();
  readonly #lanes: Lanes;
  readonly #acks: OrderedAcks;
  readonly #loop: PullLoop;
  readonly #port: ConsumerPort;
  readonly #takeovers: TakeoverRunner;
  readonly #memory: StreamMemory;
  readonly #intake: Intake;
  readonly #origin: Origin;
  /** Brings the partition to rest. */
  readonly drain: Drain;
  #mode: PartitionMode = 'idle';
  #fenceOpened = true;
  #cause: TakeoverCause = 'lease';
  #takenOverAt = 0;
  #haltReason: string | undefined;

  constructor(private readonly options: PartitionConsumerOptions) {
    const { clock, name, log, ownership } = options;
    this.#port = options.connect({
      ackConfirmed: (number) => this.#acks.confirmed(number),
      ackRefused: () => this.#acks.refused(),
      disconnected: () => this.#disconnected(),
      reconnected: () => this.#reconnected(),
    });
    const shared = { ...options, port: this.#port };
    const disordered = (reason: string): void => this.#takeOver(reason, 'disorder');
    this.#memory = new StreamMemory(name, this.#port, log);
    this.#lanes = new Lanes({
      ...options,
      isCurrent: (event) => this.#isCurrent(event),
      handled: (event) => this.#handled(event),
      attempted: (event, goesOn) => this.#intake.attempted(event, goesOn),
      isSettling: (token, through) => this.#acks.has(token, through),
      streamCreated: () => this.#memory.streamCreated,
      caughtUp: () => this.#loop.replenishSoon(),
      halt: (reason) => this.#halt(reason),
      handBack: (event) => {
        this.#ledger.dropped(event);
        this.#port.nak(event.sequence, event.origin.consumerSequence);
      },
    });
    this.#acks = new OrderedAcks({
      clock,
      // The acks of a process that has lost its lease would only confuse the books of its successor.
      maySend: () => ownership.isValid(),
      send: (event, number) => this.#port.ack(event, number),
      maxUnconfirmedPerAggregate: MAX_UNCONFIRMED_PER_AGGREGATE,
      pauseLane: (token) => this.#lanes.executor.close(token),
      resumeLane: (token) => this.#lanes.executor.open(token),
      settled: () => this.#loop.replenishSoon(),
    });
    this.#takeovers = new TakeoverRunner({
      ...shared,
      ledger: this.#ledger,
      acks: this.#acks,
      prepare: () => this.#inspect(),
      complete: () => this.#origin.load(this.#memory.streamCreated).then(() => this.#lanes.loadParked()),
      done: (state) => this.#takenOver(state),
      failed: options.takeoverFailed,
    });
    this.#origin = new Origin({
      ...shared,
      isAckedThrough: (sequence) => this.#isFlowing() && this.#acks.lowest() > sequence,
    });
    this.#intake = new Intake({
      ...options,
      ledger: this.#ledger,
      executor: this.#lanes.executor,
      acks: this.#acks,
      suspects: this.#lanes.suspects,
      parkedLanes: this.#lanes.parked,
      opened: () => this.#lanes.fenceOpened(),
      isSettledBefore: (event) => this.#origin.has(event),
      passOver: (event) => this.#handled(event),
      disordered,
    });
    this.#loop = new PullLoop({
      ...shared,
      maxHeld: options.maxAckPending,
      maxHeldBytes: options.maxBufferedBytes,
      remainingMs: () => ownership.remainingMs(),
      held: () => ({ events: this.#ledger.inFlight + this.#intake.held, bytes: this.#ledger.heldBytes }),
      isBehind: () => this.#lanes.executor.isBehind,
      unconfirmed: () => this.#acks.size,
      released: (events) => this.#released(events),
      delivered: (event) => this.#intake.delivered(event),
      broken: (reason) => this.#takeOver(reason, 'gap'),
    });
    const parts = { ...shared, ledger: this.#ledger, acks: this.#acks, lanes: this.#lanes, loop: this.#loop };
    this.drain = new Drain({
      ...parts,
      mode: () => this.#mode,
      isFlowing: () => this.#isFlowing(),
      disordered,
      undone: () => this.#takeOver('drain ended', 'hand-over'),
    });
  }

  get mode(): PartitionMode {
    return this.#mode;
  }

  /** Why the partition halted, if it did. */
  get haltReason(): string | undefined {
    return this.#haltReason;
  }

  get counts(): Lanes['counts'] & { readonly lost: number } {
    return { ...this.#lanes.counts, lost: this.#memory.lost };
  }

  get takeoverCount(): number {
    return this.#takeovers.count;
  }

  /** How it stands, without going through anything. */
  get load(): PartitionLoad {
    const { inFlight: events, heldBytes: bytes } = this.#ledger;
    return { mode: this.#mode, haltReason: this.#haltReason, events, bytes, ...this.#lanes.load };
  }

  /** Goes through all lanes and tells of the `top` worst. */
  look(top: number): LanesLook {
    return this.#lanes.look(top);
  }

  /** Somebody has looked at the server: what was delivered last, and where the stream begins. */
  sawStream(delivered: number, firstSequence: number): void {
    if (this.#mode === 'running') this.#memory.noteDropped(delivered, firstSequence);
  }

  /** What the lease writes down: every event up to `floor` is settled, in the stream that was made then. */
  facts(): LeaseFacts {
    this.#noteSettled();
    const { floor, streamCreated } = this.#memory;
    return { floor, streamCreated, origin: this.#origin.mark, running: this.drain.running() };
  }

  /** The lease is ours: begins to take the partition over. Returns at once. */
  own(inheritance: Inheritance & { readonly origin: OriginMark | undefined }): void {
    if (this.#mode === 'closed' || this.#mode === 'halted') return;
    this.#memory.inherit(inheritance);
    this.#origin.inherit(inheritance.origin);
    this.#lanes.inherit(inheritance.crashed);
    this.#takeOver('lease', inheritance.crashed ? 'crash' : 'lease');
  }

  /**
   * The lease is lost: nothing starts any more, and everything that does not run is forgotten; the next
   * owner gets it from the server. A running handler is told through its signal and keeps its lane.
   */
  disown(reason: string): void {
    if (this.#mode === 'closed' || this.#mode === 'halted') return;
    this.#noteSettled();
    this.#mode = 'idle';
    this.#takeovers.cancel();
    this.#loop.close();
    this.#lanes.abortAll(new AggregateTransportError('LEASE_LOST', `its lease was lost: ${reason}`));
    this.#memory.saw(this.#ledger.highest);
    this.#forget();
  }

  /** Tells running handlers to give up; how they end counts. */
  abortRunning(reason: AggregateTransportError): void {
    this.#lanes.abortAll(reason);
  }

  /** Ends everything at once. Running handlers are told through their signal; how they end counts for nothing. */
  close(): void {
    if (this.#mode === 'closed') return;
    this.#mode = 'closed';
    this.#takeovers.cancel();
    this.#acks.pause();
    this.#origin.forget();
    this.#loop.dispose();
    this.#lanes.abortAll(new AggregateTransportError('CONNECTION_CLOSED', 'the consumer was closed'));
    this.#lanes.close();
    this.#port.close();
  }

  #disconnected(): void {
    if (this.#mode === 'idle' || this.#mode === 'closed') return;
    // Halted too: acks may leave only behind a takeover, and a halted partition makes none any more.
    this.#acks.pause();
    if (this.#mode === 'halted') return;
    this.#mode = 'taking over';
    this.#takeovers.cancel();
    this.#loop.close();
  }

  #reconnected(): void {
    if (this.#mode === 'taking over' || this.#mode === 'running') this.#takeOver('reconnect', 'reconnect');
  }

  #isCurrent(event: Delivery): boolean {
    if (isSabotaged('late-outcome-counts')) return true;
    // The ledger forgets with every lease, and with every stream of the same name.
    return this.#ledger.holds(event) && this.options.ownership.isValid() && this.#mode !== 'closed';
  }

  #isFlowing(): boolean {
    return this.#mode === 'running' && this.#fenceOpened && !this.#intake.isHolding;
  }

  /** Moves the floor up to the first event that is not settled, where all events below are known. */
  #noteSettled(): void {
    if (!this.#isFlowing()) return;
    const lowest = Math.min(this.#ledger.lowestInFlight(), this.#acks.lowest());
    this.#memory.settledThrough(Number.isFinite(lowest) ? lowest - 1 : this.#ledger.highest);
    this.#ledger.settledThrough(this.#memory.floor);
  }

  #forget(): void {
    this.#acks.pause();
    this.#acks.clear();
    this.#origin.forget();
    this.#intake.forget();
    this.#lanes.forget();
    this.#ledger.clear();
    this.#fenceOpened = true;
  }

  /** Before a takeover: is it still the stream, and the consumer, that are remembered? */
  async #inspect(): Promise<void> {
    const judgement = await this.#memory.inspect(this.#ledger.highest);
    if (judgement === 'remade') this.#forget();
    // Events come again from the floor on. Skipping those known here would let old ones follow newer ones
    // without the rest, so all of them come, under a new epoch and from a consumer of a new name.
    if (judgement === 'consumer gone') {
      this.options.startOver('its consumer is gone');
      return;
    }
    if (judgement !== 'regressed') return this.#lanes.suspects.load();
    this.#halt(
      'the stream ends before a sequence that was handled: it was restored to an earlier state, and what was handled ' +
        'can no longer be told from what was not',
    );
    throw new AggregateTransportError('STREAM_MISMATCH', this.#haltReason ?? '');
  }

  #takeOver(reason: string, cause: TakeoverCause): void {
    if (this.#mode === 'closed' || this.#mode === 'halted') return;
    this.#cause = cause;
    this.#mode = 'taking over';
    this.#acks.pause();
    this.#loop.close();
    this.#takeovers.begin(reason, !this.#fenceOpened);
  }

  #takenOver(state: ConsumerState): void {
    this.#mode = 'running';
    this.#fenceOpened = false;
    this.#ledger.settledThrough(state.ackFloor);
    this.#lanes.suspects.takenOver(state.delivered);
    this.#memory.settledThrough(state.ackFloor);
    this.#acks.reached(state.delivered);
    this.#takenOverAt = this.options.clock.now();
    this.options.observer.tookOver?.(this.#cause, this.#takeovers.lastMs);
    this.#loop.begin(state);
  }

  #released(events: readonly Delivery[]): void {
    this.#fenceOpened = true;
    this.options.observer.fenceOpened?.(this.options.clock.now() - this.#takenOverAt);
    this.#intake.released(events);
    this.#acks.resume(this.#port.serverId !== undefined);
  }

  /** Whoever says so has looked at the lease within this turn. */
  #handled(event: Delivery): void {
    if (!this.#ledger.holds(event) && !isSabotaged('late-outcome-counts')) return;
    this.#ledger.handled(event);
    this.#acks.add(event);
    this.#loop.replenishSoon();
  }

  #halt(reason: string): void {
    if (this.#mode === 'closed' || this.#mode === 'halted') return;
    this.#mode = 'halted';
    this.#haltReason = reason;
    this.options.log.error(`${this.options.name} halts: ${reason}`);
    this.#takeovers.cancel();
    this.#lanes.stop();
    this.#loop.close();
  }
}
