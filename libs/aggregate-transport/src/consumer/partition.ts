import { isSabotaged } from '#sabotage';
import { every, type Timer } from '../clock.js';
import { AggregateTransportError, describeError } from '../errors.js';
import type { KeyPort } from '../records/key-port.js';
import { storePosition } from '../records/position-record.js';
import { UNMADE } from './layout-marks.js';
import { Lease } from './ownership/lease.js';
import type { LeaseRecord } from '../records/lease-record.js';
import { PartitionConsumer } from './partition-consumer.js';
import type { PartitionCounts } from './partition-status.js';
import type { PartitionConsumerOptions } from './partition-options.js';

export interface PartitionOptions extends Omit<
  PartitionConsumerOptions,
  'ownership' | 'takeoverFailed' | 'startOver'
> {
  readonly partition: number;
  /** Names this process; no other may use the same name. */
  readonly owner: string;
  readonly leasePort: KeyPort<LeaseRecord>;
  readonly leaseTtlMs: number;
  /** The layout it belongs to; see {@link LeaseRecord.layout}. */
  readonly layout: number;
  /** True if the change of that number, which drained a partition of this layout, was cancelled. */
  readonly isCancelled: (change: number) => boolean;
  /** How long handlers and acks may take when the partition is handed over, in milliseconds. */
  readonly drainMs: number;
}

/** After a hand-over that did not come to its end, and twice as long after each further one. */
const HAND_OVER_AGAIN_MS = 1_000;
const MAX_HAND_OVER_AGAIN_MS = 600_000;
const LOOK_FOR_REST_EVERY_MS = 50;

/**
 * One partition of a group as this process sees it: the lease that says whether it may run handlers, and
 * the consumer that runs them while it may. Its modes:
 *
 * - _idle_: takes no part. Left by {@link start}.
 * - _meant for another replica_, at first and by {@link assign}: the lease stands by.
 * - _meant for this one_, by {@link assign}: the lease is sought, and then held.
 * - _handing over_: held, and meant for another. Starts nothing; when no handler runs and all acks are confirmed the
 *   lease is let go, and not before. A handler that does not end within `drainMs` is told to give up; then the partition goes
 *   on here, so that one aggregate that hangs stops no other, and the hand-over is tried again later. While it lasts
 *   the lease is not sought, whatever is assigned.
 * - _draining for a change of layout_, by {@link drainFor}, wherever the lease is: nothing starts any more; whoever
 *   holds the lease gives it up when no handler runs, with a mark that keeps everybody from taking it. Comes before an
 *   assignment: what is held is not handed over any more. A hand-over under way ends first, and if the lease is still here
 *   then, it is drained like any other. What nobody holds is sought as ever, because somebody must drain it. Left by
 *   {@link resume} and {@link leave}.
 * - _closed_: by {@link close} or {@link leave}.
 */
export class Partition {
  readonly partition: number;
  /** Names this process in the partition's lease. */
  readonly owner: string;
  #leases = 0;
  #leasesLost = 0;
  readonly #lease: Lease;
  readonly #consumer: PartitionConsumer;
  #isStarted = false;
  #isOurs = false;
  #draining: { readonly change: number; readonly timer: Timer } | undefined;
  #givingUp = false;
  #handingOver: Promise<void> | undefined;
  #failedHandOvers = 0;
  #againTimer: Timer | undefined;
  #closed = false;
  #holderChanged = (): void => undefined;

  constructor(private readonly options: PartitionOptions) {
    const { name, owner, clock, log, leasePort, leaseTtlMs } = options;
    this.partition = options.partition;
    this.owner = owner;
    this.#lease = new Lease({
      name,
      owner,
      ttlMs: leaseTtlMs,
      port: leasePort,
      clock,
      log,
      layout: options.layout,
      isCancelled: options.isCancelled,
      facts: () => this.#consumer.facts(),
      acquired: (previous) => {
        this.#leases++;
        log.info(`${name}: lease held, epoch ${this.#lease.epoch}`);
        this.#consumer.own({
          floor: previous?.floor ?? 0,
          streamCreated: previous?.streamCreated ?? '',
          ...this.#lease.consumer,
          origin: previous?.origin,
          isFirst: previous?.generation === UNMADE,
          mayCreate: this.#lease.consumer.generation === this.#lease.epoch,
          // A lease that this very process lost and took again says nothing against any event: it is alive.
          crashed: previous !== undefined && previous.released !== true && previous.owner !== owner,
        });
      },
      lost: (reason) => {
        this.#leasesLost++;
        this.#consumer.disown(reason);
      },
      drained: () => this.#consumer.disown('its partition is drained'),
      holderChanged: () => this.#holderChanged(),
    });
    this.#consumer = new PartitionConsumer({
      ...options,
      ownership: this.#lease,
      startOver: (reason) => this.#lease.startOver(reason),
      takeoverFailed: (sinceMs) => {
        // Somebody with a better connection may do better.
        if (sinceMs > leaseTtlMs) this.#lease.giveUp('its takeover keeps failing');
      },
    });
  }

  get lease(): Pick<Lease, 'mode' | 'epoch' | 'isValid' | 'holder' | 'consumer' | 'drainedFor'> {
    return this.#lease;
  }

  get consumer(): Omit<PartitionConsumer, 'own' | 'disown' | 'close' | 'drain' | 'abortRunning'> {
    return this.#consumer;
  }

  get counts(): PartitionCounts {
    const { counts, takeoverCount: takeovers } = this.#consumer;
    return { ...counts, takeovers, leases: this.#leases, leasesLost: this.#leasesLost };
  }

  /** True if this replica shall hold it. */
  get isOurs(): boolean {
    return this.#isOurs;
  }

  /** True while it is drained for a change of layout: it is handed over to nobody. */
  get isDraining(): boolean {
    return this.#draining !== undefined;
  }

  /** From now on calls back when the partition has another holder, as far as this process sees. */
  watch(holderChanged: () => void): void {
    this.#holderChanged = holderChanged;
  }

  /** Begins to take part. Whatever is assigned, no partition stays without an owner for long. */
  start(): void {
    this.#isStarted = true;
    this.#follow();
  }

  /** Says whether this replica shall hold the partition. What it holds and shall not is handed over. */
  assign(isOurs: boolean): void {
    this.#isOurs = isOurs;
    this.#follow();
  }

  /**
   * Drains the partition for a change of layout, here or wherever it is owned. Returns at once; `lease.drainedFor`
   * tells when it is done. Safe to call again, also with a later change.
   */
  drainFor(change: number): void {
    if (this.#closed || this.#draining?.change === change) return;
    this.#stopDraining();
    this.#againTimer?.cancel();
    this.#againTimer = undefined;
    this.#consumer.drain.begin();
    const timer = every(this.options.clock, LOOK_FOR_REST_EVERY_MS, () => void this.#giveUpIfAtRest(change));
    this.#draining = { change, timer };
  }

  /** The change was cancelled: the partition works on. */
  resume(): void {
    if (this.#closed || this.#draining === undefined) return;
    this.#stopDraining();
    // A hand-over under way undoes it when it has ended.
    if (this.#handingOver === undefined) this.#consumer.drain.undo();
    this.#follow();
    this.#holderChanged();
  }

  /**
   * Takes no part any more: the partition is drained and its layout no longer in force. Resolves when no handler of it
   * runs in this process: one that does lost its lease before.
   */
  async leave(): Promise<void> {
    this.#end();
    this.#lease.abandon();
    this.#consumer.disown('its layout is no longer in force');
    await this.#consumer.drain.whenNoneRuns();
    this.#consumer.close();
  }

  /**
   * Takes in nothing new, lets running handlers end within `withinMs`, confirms their acks, and lets the lease
   * go, so that a successor takes over at once. If handlers or acks do not end in time the lease is left to
   * run out: a successor must not start while they run. Resolves with true if all ended in time.
   */
  async close(withinMs: number): Promise<boolean> {
    this.#end();
    if (isSabotaged('release-early')) await this.#lease.release();
    const drained = await this.#consumer.drain.completed(withinMs);
    if (drained) await this.#lease.release();
    else this.#lease.abandon();
    this.#consumer.close();
    return drained;
  }

  #end(): void {
    this.#closed = true;
    this.#againTimer?.cancel();
    this.#stopDraining();
  }

  #follow(): void {
    // A hand-over under way looks again when it has ended.
    if (!this.#isStarted || this.#closed || this.#handingOver !== undefined) return;
    if (this.#isOurs) this.#lease.seek();
    else if (this.#lease.mode !== 'held') this.#lease.standBy();
    else if (
      this.#draining === undefined &&
      this.#againTimer === undefined &&
      this.#consumer.mode !== 'halted'
    ) {
      this.#handingOver = this.#handOver().finally(() => {
        this.#handingOver = undefined;
        this.#follow();
        this.#holderChanged();
      });
    }
  }

  async #handOver(): Promise<void> {
    const { drainMs } = this.options;
    this.#lease.standBy();
    if (isSabotaged('release-early')) await this.#lease.handOver();
    const drained = await this.#drain(drainMs);
    if (this.#closed) return;
    if (drained && !this.#isOurs && this.#draining === undefined) {
      await this.#lease.handOver();
      this.#consumer.disown('it is handed over');
    }
    if (drained) this.#failedHandOvers = 0;
    else if (this.#draining === undefined) this.#handOverFailed();
    this.#consumer.drain.undo();
    // What has begun meanwhile needs the feed that the hand-over has left.
    if (this.#draining !== undefined) this.#consumer.drain.begin();
  }

  /**
   * A long chain of acks takes its time to be confirmed, one after the other. If half of it is, and nothing runs, the
   * rest gets as much time again: giving up would be in vain.
   */
  async #drain(drainMs: number): Promise<boolean> {
    const { drain } = this.#consumer;
    const before = drain.remaining;
    if (await drain.completed(drainMs)) return true;
    const { running, unconfirmed } = drain.remaining;
    const isSettling = running === 0 && 2 * unconfirmed <= before.unconfirmed + before.running;
    return isSettling && !this.#closed ? drain.completed(drainMs) : false;
  }

  /** The partition is not let go while its handlers run, and nothing else shall wait for them for long. */
  #handOverFailed(): void {
    const { name, clock, log, drainMs } = this.options;
    const againMs = Math.min(
      MAX_HAND_OVER_AGAIN_MS,
      Math.max(HAND_OVER_AGAIN_MS, drainMs) * 2 ** Math.min(this.#failedHandOvers++, 20),
    );
    const text = `handlers or acks did not end within shutdown.drainMs ${drainMs}`;
    this.#consumer.abortRunning(
      new AggregateTransportError('LEASE_LOST', `its partition is to be handed over: ${text}`),
    );
    log.warn(
      `${name} is not handed over: ${text}; their signals are aborted, and it is tried again in ${againMs} ms`,
    );
    this.#againTimer = clock.after(againMs, () => {
      this.#againTimer = undefined;
      this.#follow();
    });
  }

  #stopDraining(): void {
    this.#draining?.timer.cancel();
    this.#draining = undefined;
  }

  async #giveUpIfAtRest(change: number): Promise<void> {
    if (this.#givingUp || this.#handingOver !== undefined || !this.#lease.isValid()) return;
    this.#givingUp = true;
    try {
      const { epoch } = this.#lease;
      const position = await this.#consumer.drain.position();
      if (position === undefined || this.#draining?.change !== change) return;
      await this.#lease.giveUpDrained(epoch, { change, ...storePosition(position) });
    } catch (error) {
      this.options.log.warn(
        `${this.options.name}: it is not known whether it is drained: ${describeError(error)}`,
      );
    } finally {
      this.#givingUp = false;
    }
  }
}
