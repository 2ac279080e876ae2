import { isSabotaged } from '#sabotage';
import { every, type Timer } from '../clock.js';
import { AggregateTransportError, describeError, errorFields } from '../errors.js';
import type { KeyPort } from '../records/key-port.js';
import type { LeaseRecord } from '../records/lease-record.js';
import type { PartitionAddress } from '../records/partition-address.js';
import type { LeaseFacts, LeaseListener } from './ownership/lease-options.js';
import { Lease } from './ownership/lease.js';
import { ownerlessAfterMs } from './ownership/observed-lease.js';
import type { OtherSessions, OwnSession } from './ownership/sessions.js';
import { PartitionConsumer } from './partition-consumer.js';
import { nameOf, type PartitionConsumerOptions } from './partition-options.js';
import type { PartitionCounts } from './partition-status.js';

/** Hears what concerns the whole group. */
export interface PartitionListener {
  /** The partition has another holder, as far as this process sees. */
  holderChanged(): void;
  /** This process has lost the lease of that epoch and lives. */
  survived(partition: number, epoch: number): void;
}

export interface PartitionOptions {
  /** This process as a replica of the group. */
  readonly session: OwnSession;
  readonly others: OtherSessions;
  readonly leasePort: KeyPort<LeaseRecord>;
  /** How long handlers and the last commit may take when the partition is handed over, in milliseconds. */
  readonly drainMs: number;
  readonly consumer: PartitionConsumerOptions;
}

type ConsumerWork = Pick<PartitionConsumer, 'mode' | 'load' | 'report' | 'noteLoss' | 'drainedFor'>;
type ConsumerPlace = Pick<
  PartitionConsumer,
  'created' | 'runOf' | 'replayRun' | 'replayUntil' | 'startedThrough' | 'inside'
>;

/** After a hand-over that did not come to its end, and twice as long after each further one. */
const HAND_OVER_AGAIN_MS = 1_000;
const MAX_HAND_OVER_AGAIN_MS = 600_000;
const MARK_AGAIN_MS = 50;

/**
 * What this process does about a partition. `idle` takes no part, `standing by` leaves it to another replica. `wanting`
 * seeks its lease and holds it, `handing over` holds it and gives it to another. `closed` is the end.
 */
type Mode = 'idle' | 'standing by' | 'wanting' | 'handing over' | 'closed';

const MAY_COME_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  idle: [],
  'standing by': ['idle', 'standing by', 'wanting', 'handing over'],
  wanting: ['idle', 'standing by', 'wanting', 'handing over'],
  'handing over': ['standing by', 'wanting'],
  closed: ['idle', 'standing by', 'wanting', 'handing over', 'closed'],
};

/**
 * One partition of a group as this process sees it. The lease says whether this process may run handlers; the consumer
 * runs them while it may. Its modes:
 *
 * - `idle`: takes no part. Left by {@link start}.
 * - `standing by`: another replica is meant to own it.
 * - `wanting`: this replica is meant to own it. The lease is sought, and then held.
 * - `handing over`: held, and meant for another. Nothing starts. The lease is released when no handler runs and the
 *   last commit is confirmed, and not before. A handler that does not end within `drainMs` is told to give up. Then the
 *   partition continues here, so that one aggregate that hangs stops no other. The hand-over is tried again later.
 * - `closed`: by {@link close}, {@link leave} or {@link retire}.
 *
 * A change of layout crosses these modes. From {@link drainFor} on nothing starts, and the owner writes a mark into the
 * position when no handler runs. It keeps the lease and waits. A held partition is not handed over any more, and a free
 * one is sought, because an owner must drain it. Left by {@link resume} and {@link leave}.
 */
export class Partition implements LeaseListener {
  readonly partition: number;
  readonly address: PartitionAddress;
  #leases = 0;
  #leasesLost = 0;
  readonly #name: string;
  readonly #lease: Lease;
  readonly #consumer: PartitionConsumer;
  #mode: Mode = 'idle';
  #isAssigned = false;
  /** A record of the position exists: the lease says so, or this process has claimed it. */
  #wasClaimed = false;
  #draining: { readonly change: number; readonly timer: Timer } | undefined;
  #isMarking = false;
  #failedHandOvers = 0;
  #againTimer: Timer | undefined;
  #listener: PartitionListener | undefined;

  constructor(private readonly options: PartitionOptions) {
    const { session, others, leasePort: port, consumer } = options;
    const { clock, log } = consumer.surroundings;
    this.address = consumer.address;
    this.partition = consumer.address.partition;
    this.#name = nameOf(consumer.address);
    const key = `${this.address.layout}.${this.partition}`;
    this.#lease = new Lease({
      ...{ name: this.#name, key, session, others },
      ...{ port, clock, log, listener: this },
    });
    this.#consumer = new PartitionConsumer(consumer, this.#lease);
  }

  /** Names this process in the partition's lease. */
  get owner(): string {
    return this.options.session.member;
  }

  get lease(): Pick<Lease, 'mode' | 'epoch' | 'isValid' | 'holder'> {
    return this.#lease;
  }

  /** How long no process was seen to own it, in milliseconds; 0 while that is no longer than a failover takes. */
  get unownedMs(): number {
    const { ownerlessMs, ttlMs } = this.#lease;
    return ownerlessMs > ownerlessAfterMs(ttlMs) ? ownerlessMs : 0;
  }

  /** When the session that keeps its lease was renewed, on the clock; minus infinity if it never was. */
  get renewedAt(): number {
    return this.options.session.renewedAt;
  }

  get consumer(): ConsumerWork & ConsumerPlace {
    return this.#consumer;
  }

  get counts(): PartitionCounts {
    return { ...this.#consumer.counts, leases: this.#leases, leasesLost: this.#leasesLost };
  }

  /** True while it is drained for a change of layout: it is handed over to no other replica. */
  get isDraining(): boolean {
    return this.#draining !== undefined;
  }

  /** From now on tells this listener. */
  watch(listener: PartitionListener | undefined): void {
    this.#listener = listener;
  }

  /** Begins to take part. A wrong assignment delays, but leaves no partition without an owner for long. */
  start(): void {
    if (this.#mode === 'idle') this.#follow();
  }

  /** Says whether this replica is meant to own the partition. What it owns otherwise is handed over. */
  assign(isOurs: boolean): void {
    this.#isAssigned = isOurs;
    if (this.#mode !== 'idle') this.#follow();
  }

  /**
   * Drains the partition for a change of layout, if this process owns it or comes to own it. Returns at once;
   * `consumer.drainedFor` tells when it is done. Safe to call again, also with a later change.
   */
  drainFor(change: number): void {
    if (this.#mode === 'closed' || this.#draining?.change === change) return;
    this.#stopDraining();
    this.#againTimer?.cancel();
    this.#againTimer = undefined;
    this.#consumer.drain.begin();
    const { clock } = this.options.consumer.surroundings;
    this.#draining = { change, timer: every(clock, MARK_AGAIN_MS, () => void this.#mark(change)) };
  }

  /** The change was cancelled: the partition works again. */
  resume(): void {
    if (this.#mode === 'closed' || this.#draining === undefined) return;
    this.#stopDraining();
    // A hand-over under way undoes it when it has ended.
    if (this.#mode !== 'handing over') this.#consumer.drain.undo();
    this.#follow();
    this.#listener?.holderChanged();
  }

  /**
   * Takes no part any more: its layout is no longer in force. Resolves when no handler of it runs in this process: one
   * that does lost its lease before.
   */
  async leave(): Promise<void> {
    this.#end();
    this.#lease.abandon();
    this.#consumer.disown('its layout is no longer in force');
    await this.#consumer.drain.whenNoneRuns();
    this.#consumer.close();
  }

  /** Its group was deleted: it halts for good, and its lease is let go. Returns at once. */
  retire(reason: string): void {
    this.#end();
    this.#lease.abandon();
    this.#consumer.halt(reason, 'deleted');
  }

  /**
   * Takes in nothing new, lets running handlers end within `withinMs`, and confirms the last commit. Then it releases
   * the lease, so that a successor takes over at once. If that does not end in time the lease runs out: a successor
   * must not start while handlers run. Resolves with true if all ended in time.
   */
  async close(withinMs: number): Promise<boolean> {
    this.#end();
    if (isSabotaged('release-early')) await this.#lease.release();
    const isDrained = await this.#consumer.drain.completed(withinMs);
    if (isDrained) await this.#lease.release();
    else this.#lease.abandon();
    this.#consumer.close();
    return isDrained;
  }

  acquired(before: LeaseRecord | undefined): void {
    this.#leases++;
    this.#wasClaimed ||= before?.claimed === true;
    this.#consumer.own(before?.claimed === true);
  }

  lost(reason: string): void {
    this.#leasesLost++;
    const { epoch } = this.#lease;
    this.#consumer.disown(reason);
    this.#listener?.survived(this.partition, epoch);
  }

  startsOver(reason: string): void {
    this.#consumer.disown(reason);
  }

  isAtRest(): boolean {
    return this.#consumer.drain.isAtRest;
  }

  facts(): LeaseFacts {
    this.#wasClaimed ||= this.#consumer.isClaimed;
    const running = this.#consumer.drain.running();
    return {
      ...(this.#wasClaimed ? { claimed: true } : {}),
      ...(running === undefined ? {} : { running }),
    };
  }

  holderChanged(): void {
    this.#listener?.holderChanged();
  }

  #end(): void {
    this.#enter('closed');
    this.#againTimer?.cancel();
    this.#stopDraining();
  }

  #follow(): void {
    // A hand-over under way follows when it has ended.
    if (this.#mode === 'closed' || this.#mode === 'handing over') return;
    if (this.#isAssigned) {
      this.#enter('wanting');
      this.#lease.seek();
      return;
    }
    if (this.#lease.mode !== 'held') {
      this.#enter('standing by');
      this.#lease.standBy();
      return;
    }
    if (this.#mode === 'idle') this.#enter('standing by');
    const isBusy = this.#draining !== undefined || this.#againTimer !== undefined;
    if (!isBusy && this.#consumer.mode !== 'halted') void this.#handOver();
  }

  async #handOver(): Promise<void> {
    this.#enter('handing over');
    this.#lease.standBy();
    if (isSabotaged('release-early')) await this.#lease.handOver();
    const isDrained = await this.#consumer.drain.completed(this.options.drainMs);
    if (this.#isClosed()) return;
    const isWanted = this.#isAssigned || this.#draining !== undefined;
    if (isDrained && !isWanted) {
      await this.#lease.handOver();
      if (this.#isClosed()) return;
      this.#consumer.disown('it is handed over');
    }
    this.#noteHandOverEnded(isDrained);
    // What has begun meanwhile keeps it at rest.
    if (this.#draining === undefined) this.#consumer.drain.undo();
    this.#enter(this.#isAssigned ? 'wanting' : 'standing by');
    this.#follow();
    this.#listener?.holderChanged();
  }

  #noteHandOverEnded(isDrained: boolean): void {
    if (isDrained) this.#failedHandOvers = 0;
    else if (this.#draining === undefined && this.#lease.mode === 'held') this.#noteHandOverFailed();
  }

  /** The partition is not released while its handlers run, and nothing else waits for them for long. */
  #noteHandOverFailed(): void {
    const { drainMs, consumer } = this.options;
    const { clock, log } = consumer.surroundings;
    const againMs = Math.min(
      MAX_HAND_OVER_AGAIN_MS,
      Math.max(HAND_OVER_AGAIN_MS, drainMs) * 2 ** Math.min(this.#failedHandOvers++, 20),
    );
    const text = `handlers or the last commit did not end within shutdown.drainMs ${drainMs}`;
    this.#consumer.abortRunning(
      new AggregateTransportError('LEASE_LOST', `its partition is to be handed over: ${text}`),
    );
    log.write(
      'hand-over-delayed',
      { limitMs: drainMs, againInMs: againMs },
      `${this.#name} is not handed over: ${text}; their signals are aborted, and it is tried again in ${againMs} ms`,
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

  async #mark(change: number): Promise<void> {
    if (this.#isMarking || this.#mode === 'handing over' || !this.#lease.isValid()) return;
    this.#isMarking = true;
    try {
      // Its record is lost, so no owner can mark it. A reset takes the lease instead.
      this.#lease.noteFacts();
      if (this.#consumer.mode === 'halted' && !this.#consumer.isClaimed) await this.#lease.handOver();
      else await this.#consumer.markDrained(change);
    } catch (error) {
      const { log } = this.options.consumer.surroundings;
      const text = `${this.#name}: its mark of change ${change} could not be written: ${describeError(error)}`;
      log.write('change-not-marked', errorFields(error), text);
    } finally {
      this.#isMarking = false;
    }
  }

  /** It may have been closed during a request. */
  #isClosed(): boolean {
    return this.#mode === 'closed';
  }

  #enter(mode: Mode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode)) {
      throw new Error(`${this.#name}: a partition cannot go from ${this.#mode} to ${mode}`);
    }
    this.#mode = mode;
  }
}
