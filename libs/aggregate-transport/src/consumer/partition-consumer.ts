import { reached } from '#sabotage';
import { AggregateTransportError } from '../errors.js';
import type { Delivery } from '../message/delivery.js';
import type { StreamState } from '../message/reader-port.js';
import type { PositionRecord } from '../records/position-record.js';
import type { Drain } from './drain.js';
import type { LaneReport } from './lanes/lane-report.js';
import type { Tenancy } from './ownership/ownership.js';
import type { ClaimCause, PartitionConsumerOptions } from './partition-options.js';
import { PartitionInside } from './partition-inside.js';
import { type PartitionHall, PartitionParts } from './partition-parts.js';
import type { HaltCause, PartitionCounts, PartitionLoad, PartitionMode } from './partition-status.js';
import { type Claimed, hasNoPredecessor, reportBegin } from './position/claim.js';
import type { StreamLoss } from './reading/dropped-events.js';
import type { ReaderCause } from './reading/reader.js';
import type { StreamVerdict } from './reading/stream-check.js';
import { Tenure, type TenureListener, WENT_BACK } from './tenure.js';

const MAY_COME_FROM: Readonly<Record<PartitionMode, readonly PartitionMode[]>> = {
  idle: ['idle', 'claiming', 'drained', 'running'],
  claiming: ['idle', 'claiming', 'drained', 'running'],
  drained: ['claiming', 'drained'],
  running: ['claiming', 'drained'],
  halted: ['idle', 'claiming', 'drained', 'running'],
  closed: ['idle', 'claiming', 'drained', 'running', 'halted'],
};

/** Unsettled events are fetched one by one if reading through takes more than this, and 20 for each of them. */
const FAR_BEHIND = 20_000;
const FAR_BEHIND_PER_EVENT = 20;

/** Counted since the start of the process, over all leases. */
export type ConsumerCounts = Omit<PartitionCounts, 'leases' | 'leasesLost'>;

/**
 * Handles the events of one partition in order. Its modes:
 *
 * - `idle`: another process owns the partition, or it is free. Nothing is read or started. A handler that still runs
 *   keeps its lane, and how it ends counts for nothing. Left by {@link own}.
 * - `claiming`: the lease is held and the position is being claimed; see {@link Tenure}. Nothing is read or started.
 * - `drained`: the claimed position says that the partition was drained for a change of layout. Left when that change
 *   is cancelled, or with the layout.
 * - `running`: events are read, handled and committed.
 * - `halted`: a handler's policy, or a stream that lost events, stopped the partition.
 * - `closed`: the end.
 */
export class PartitionConsumer implements PartitionHall, TenureListener {
  readonly #parts: PartitionParts;
  readonly #tenure: Tenure;
  /** Brings the partition to rest. */
  readonly drain: Drain;
  readonly inside: PartitionInside;
  #mode: PartitionMode = 'idle';
  #haltReason: string | undefined;
  #haltCause: HaltCause | undefined;
  #claims = 0;
  #startedThrough = 0;
  #drainedFor = 0;

  constructor(
    private readonly options: PartitionConsumerOptions,
    private readonly tenancy: Tenancy,
  ) {
    const parts = (this.#parts = new PartitionParts(options, this));
    this.drain = parts.drain;
    this.inside = new PartitionInside(parts, options.surroundings.clock);
    this.#tenure = new Tenure({
      name: parts.name,
      port: parts.port,
      positionPort: options.ports.positionPort,
      parking: parts.parking,
      group: options.group,
      tenancy,
      bound: options.handling.maxAckPending,
      clock: options.surroundings.clock,
      log: options.surroundings.log,
      listener: this,
    });
  }

  get mode(): PartitionMode {
    return this.#mode;
  }

  /** Why the partition halted, if it did. */
  get haltReason(): string | undefined {
    return this.#haltReason;
  }

  get epoch(): number {
    return this.tenancy.epoch;
  }

  /** When the topic's stream was made, as the claimed position says. */
  get created(): string {
    return this.#parts.position.created;
  }

  /** How often the group had begun again, for one event of the present stream. */
  runOf(sequence: number): number {
    return this.#parts.position.runOf(sequence);
  }

  /** The run in which the last reset began. */
  get replayRun(): number {
    return this.#parts.position.replayRun;
  }

  /** Events up to here are a replay. */
  get replayUntil(): number {
    return this.#parts.position.replayUntil;
  }

  /** An event up to here may have been started by an earlier owner. */
  get startedThrough(): number {
    return this.#startedThrough;
  }

  /** The last change of layout for which the position of this tenure was drained; 0 for none. */
  get drainedFor(): number {
    return this.#drainedFor;
  }

  get isClosed(): boolean {
    return this.#mode === 'closed';
  }

  get isOver(): boolean {
    return this.#mode === 'halted' || this.#mode === 'closed';
  }

  get isClaimed(): boolean {
    return this.#parts.writer.hasBegun;
  }

  get counts(): ConsumerCounts {
    return { ...this.#parts.counts, claims: this.#claims };
  }

  /** How it stands, from memory alone. */
  get load(): PartitionLoad {
    const halt = { haltReason: this.#haltReason, haltCause: this.#haltCause };
    return { mode: this.#mode, ...halt, ...this.#parts.load(this.#tenure.failing) };
  }

  /** Goes through all lanes and tells of the `top` worst. */
  report(top: number): LaneReport {
    return this.#parts.lanes.report(top);
  }

  /** An observer has asked the server what the stream no longer holds. */
  noteLoss(loss: StreamLoss): void {
    if (this.#mode === 'running') this.#parts.dropped.noteLoss(loss, this.#parts.ledger.knownThrough);
  }

  /** The lease is held: begins to claim the position. Returns at once. */
  own(wasClaimed: boolean): void {
    if (this.isOver) return;
    this.#enter('claiming');
    this.#tenure.begin(wasClaimed);
  }

  /**
   * The lease is lost: nothing starts any more, and all that does not run is forgotten; the next owner reads it. A
   * running handler is told through its signal and keeps its lane. A partition that has halted stays so.
   */
  disown(reason: string): void {
    if (this.#mode === 'closed') return;
    if (this.#mode !== 'halted') this.#enter('idle');
    this.#parts.lanes.abortAll(new AggregateTransportError('LEASE_LOST', `its lease was lost: ${reason}`));
    this.#forget();
  }

  /** Tells running handlers to give up; how they end counts. */
  abortRunning(reason: AggregateTransportError): void {
    this.#parts.lanes.abortAll(reason);
  }

  /** Ends everything at once. Running handlers are told through their signal; how they end counts for nothing. */
  close(): void {
    if (this.#mode === 'closed') return;
    this.#enter('closed');
    this.#parts.lanes.abortAll(new AggregateTransportError('CONNECTION_CLOSED', 'the consumer was closed'));
    this.#forget();
    this.#parts.loop.dispose();
    this.#parts.lanes.close();
    this.#parts.port.close();
    this.options.ports.positionPort.close();
  }

  /** Writes down that the partition is drained for a change of layout, if it is at rest. */
  async markDrained(change: number): Promise<void> {
    const mayMark = this.#mode === 'running' || this.#mode === 'halted';
    if (!mayMark || this.#drainedFor === change) return;
    if (await this.drain.markDrained(change)) {
      this.#drainedFor = change;
      reached('repartition: partition drained');
    }
  }

  disconnected(): void {
    this.#parts.reader.disconnected();
  }

  reconnected(): void {
    this.#parts.reader.reconnected();
  }

  mayStart(): boolean {
    return this.#mode === 'running' && this.tenancy.isValid();
  }

  mayWrite(): boolean {
    return this.tenancy.isValid();
  }

  isCurrent(event: Delivery): boolean {
    return this.#parts.ledger.holds(event) && this.tenancy.isValid() && this.#mode !== 'closed';
  }

  settled(event: Delivery): void {
    if (!this.#parts.ledger.settle(event)) return;
    this.#parts.suspects.clear(event.sequence);
    this.changed();
  }

  changed(): void {
    this.#parts.writer.noteChange();
    this.#parts.loop.replenishSoon();
  }

  readerSuspected(): void {
    this.#parts.reader.suspect();
  }

  caughtUp(): void {
    this.#parts.loop.replenishSoon();
  }

  commitNow(): Promise<boolean> {
    return this.#parts.writer.commitNow();
  }

  confirmed({ created, high, highTime }: PositionRecord): void {
    this.options.group.seen.note({ created, sequence: high, time: highTime });
    this.#parts.position.noteConfirmed();
    this.#parts.loop.replenishSoon();
  }

  superseded(epoch: number): void {
    this.tenancy.overtaken(epoch);
  }

  unwritable(reason: string): void {
    this.halt(reason);
    // Starts that wait to be written down hear that they must not happen.
    this.#parts.writer.end();
  }

  opened(cause: ReaderCause, tookMs: number, firstSequence: number): void {
    this.#parts.dropped.noteGap(this.#parts.ledger.knownThrough, firstSequence);
    this.options.surroundings.observer.readerOpened?.(cause, tookMs);
  }

  streamChanged({ kind }: Exclude<StreamVerdict, { kind: 'same' }>): void {
    if (kind === 'went back') this.halt(WENT_BACK);
    else this.tenancy.startOver('its stream was made again');
  }

  claimed(claimed: Claimed, { lastSequence, created }: StreamState): void {
    const { record, unsettled, revision, before, begins } = claimed;
    this.#claims++;
    if (begins === 'stream made again') this.#parts.dropped.forget();
    reportBegin(begins, created, this.#parts.name, this.options.surroundings.log);
    this.#startedThrough = hasNoPredecessor(begins, record) ? 0 : lastSequence;
    this.#parts.position.begin(record, unsettled);
    this.#parts.dropped.begin(this.#parts.ledger.knownThrough);
    this.#parts.suspects.begin({ record, unsettled, lastSequence, before });
    this.#parts.writer.begin(record, revision);
  }

  waitsDrained(change: number): void {
    this.#drainedFor = change;
    this.#enter('drained');
  }

  ready(claimed: Claimed, tookMs: number): void {
    this.#drainedFor = 0;
    // A drain that came during the claim may have written its last commit already.
    if (!this.#parts.drain.isOn) void this.#parts.writer.resume();
    this.#enter('running');
    this.options.surroundings.observer.claimed?.(causeOf(claimed), tookMs);
    this.#parts.lanes.replayLetters();
    void this.#read(claimed);
  }

  halt(reason: string, cause: HaltCause = 'policy'): void {
    if (this.isOver) return;
    this.#enter('halted');
    this.#haltReason = reason;
    this.#haltCause = cause;
    // What concerns the whole group is said once.
    if (cause === 'deleted') this.#tenure.end();
    else this.#tenure.halt(reason);
    this.#parts.reader.close();
    this.#parts.lanes.stop();
    // There is no position any more that a last commit could be written to.
    if (cause === 'deleted') this.disown(reason);
  }

  /** Unsettled events far below are fetched one by one: reading through to them would take longer. */
  async #read({ record: { high, epoch }, unsettled }: Claimed): Promise<void> {
    const first = unsettled[0];
    if (first !== undefined && high - first > FAR_BEHIND + FAR_BEHIND_PER_EVENT * unsettled.length) {
      await this.#parts.intake.ask(unsettled);
      if (this.#mode !== 'running' || this.tenancy.epoch !== epoch) return;
      this.#parts.ledger.skipTo(high);
    }
    const { group, layout, partitions, partition } = this.options.address;
    this.#parts.reader.open(`${group}-${layout}-${partitions}-${partition}-e${epoch}`);
  }

  #forget(): void {
    const { lastTaken: sequence, lastTakenTime: time } = this.#parts.ledger;
    this.options.group.seen.note({ created: this.#parts.position.created, sequence, time });
    this.#tenure.end();
    this.#parts.reader.close();
    this.#parts.writer.end();
    this.#parts.intake.forget();
    this.#parts.lanes.forget();
    this.#parts.position.end();
    this.#drainedFor = 0;
  }

  #enter(mode: PartitionMode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode)) {
      throw new Error(`${this.#parts.name}: a partition cannot go from ${this.#mode} to ${mode}`);
    }
    this.#mode = mode;
  }
}

function causeOf({ hasDied, before, record }: Claimed): ClaimCause {
  if (hasDied) return 'death';
  return before?.owner === record.owner ? 'own' : 'release';
}
