import { reached } from '#sabotage';
import { AggregateTransportError } from '../errors.js';
import type { Delivery } from '../message/delivery.js';
import type { ReaderPort, StreamState } from '../message/reader-port.js';
import type { Parking } from '../parking/parking.js';
import { decodeSequences, type PositionRecord } from '../records/position-record.js';
import type { Drain } from './drain.js';
import type { Lanes } from './handling/lanes.js';
import type { LaneReport } from './handling/lane-status.js';
import type { Suspects } from './handling/suspects.js';
import type { Intake } from './intake.js';
import type { Tenancy } from './ownership/ownership.js';
import type { ClaimCause, PartitionConsumerOptions } from './partition-options.js';
import { type PartitionHall, PartitionParts } from './partition-parts.js';
import type { PartitionCounts, PartitionLoad, PartitionMode } from './partition-status.js';
import type { Claimed } from './position/claim.js';
import type { Ledger } from './position/ledger.js';
import type { Position } from './position/position.js';
import type { PositionWriter } from './position/position-writer.js';
import type { DroppedEvents } from './reading/dropped-events.js';
import type { PullLoop } from './reading/pull-loop.js';
import type { Reader, ReaderCause } from './reading/reader.js';
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

/** Unsettled events are fetched one by one if reading through to them takes this many events, and 20 for each of them. */
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
  readonly #name: string;
  readonly #port: ReaderPort;
  readonly #ledger: Ledger;
  readonly #suspects: Suspects;
  readonly #position: Position;
  readonly #writer: PositionWriter;
  readonly #parking: Parking;
  readonly #lanes: Lanes;
  readonly #intake: Intake;
  readonly #dropped: DroppedEvents;
  readonly #reader: Reader;
  readonly #loop: PullLoop;
  readonly #tenure: Tenure;
  /** Brings the partition to rest. */
  readonly drain: Drain;
  #mode: PartitionMode = 'idle';
  #haltReason: string | undefined;
  #claims = 0;
  #drainedFor = 0;

  constructor(
    private readonly options: PartitionConsumerOptions,
    private readonly tenancy: Tenancy,
  ) {
    const parts = new PartitionParts(options, this);
    this.#name = parts.name;
    this.#port = parts.port;
    this.#ledger = parts.ledger;
    this.#suspects = parts.suspects;
    this.#position = parts.position;
    this.#writer = parts.writer;
    this.#parking = parts.parking;
    this.#lanes = parts.lanes;
    this.#intake = parts.intake;
    this.#dropped = parts.dropped;
    this.#reader = parts.reader;
    this.#loop = parts.loop;
    this.drain = parts.drain;
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
    return this.#position.created;
  }

  /** How often the group began again. */
  get run(): number {
    return this.#position.run;
  }

  /** Events up to here are a replay. */
  get replayUntil(): number {
    return this.#position.replayUntil;
  }

  /** The last change of layout for which the position of this tenure was drained; 0 for none. */
  get drainedFor(): number {
    return this.#drainedFor;
  }

  get isOver(): boolean {
    return this.#mode === 'halted' || this.#mode === 'closed';
  }

  get isClaimed(): boolean {
    return this.#writer.hasBegun;
  }

  get counts(): ConsumerCounts {
    const { lost } = this.#dropped;
    return { ...this.#lanes.counts, lost, claims: this.#claims, readers: this.#reader.made };
  }

  /** How it stands, from memory alone. */
  get load(): PartitionLoad {
    const { isOpen, prober } = this.options.shared.breaker;
    const now = this.options.surroundings.clock.now();
    return {
      mode: this.#mode,
      haltReason: this.#haltReason,
      notCommittingMs: now - (this.#writer.failingSince ?? now),
      notReadingMs: now - (this.#reader.failingSince ?? now),
      inFlight: this.#lanes.executor.running,
      lanes: this.#lanes.executor.laneCount,
      events: this.#ledger.held,
      bytes: this.#ledger.heldBytes,
      parked: this.#parking.size,
      letterRefusal: this.#lanes.letterRefusal,
      breaker: { isOpen, prober },
    };
  }

  /** Goes through all lanes and tells of the `top` worst. */
  report(top: number): LaneReport {
    return this.#lanes.report(top);
  }

  /** An observer has asked the server where the stream begins. */
  noteFirstSequence(firstSequence: number): void {
    if (this.#mode === 'running') this.#dropped.noteGap(this.#ledger.readThrough, firstSequence);
  }

  /** The lease is held: begins to claim the position. Returns at once. */
  own(wasClaimed: boolean): void {
    if (this.isOver) return;
    this.#enter('claiming');
    this.#tenure.begin(wasClaimed);
  }

  /**
   * The lease is lost: nothing starts any more, and all that does not run is forgotten; the next owner reads it. A running
   * handler is told through its signal and keeps its lane. A partition that has halted stays so.
   */
  disown(reason: string): void {
    if (this.#mode === 'closed') return;
    if (this.#mode !== 'halted') this.#enter('idle');
    this.#lanes.abortAll(new AggregateTransportError('LEASE_LOST', `its lease was lost: ${reason}`));
    this.#forget();
  }

  /** Tells running handlers to give up; how they end counts. */
  abortRunning(reason: AggregateTransportError): void {
    this.#lanes.abortAll(reason);
  }

  /** Ends everything at once. Running handlers are told through their signal; how they end counts for nothing. */
  close(): void {
    if (this.#mode === 'closed') return;
    this.#enter('closed');
    this.#lanes.abortAll(new AggregateTransportError('CONNECTION_CLOSED', 'the consumer was closed'));
    this.#forget();
    this.#loop.dispose();
    this.#lanes.close();
    this.#port.close();
    this.options.ports.positionPort.close();
  }

  /** Writes down that the partition is drained for a change of layout, if it is at rest. */
  async markDrained(change: number): Promise<void> {
    if (this.#drainedFor === change) return;
    if (await this.drain.markDrained(change)) {
      this.#drainedFor = change;
      reached('repartition: partition drained');
    }
  }

  disconnected(): void {
    this.#reader.disconnected();
  }

  reconnected(): void {
    this.#reader.reconnected();
  }

  mayStart(): boolean {
    return this.#mode === 'running' && this.tenancy.isValid();
  }

  mayWrite(): boolean {
    return this.tenancy.isValid();
  }

  isCurrent(event: Delivery): boolean {
    return this.#ledger.holds(event) && this.tenancy.isValid() && this.#mode !== 'closed';
  }

  settled(event: Delivery): void {
    if (!this.#ledger.settle(event)) return;
    this.#suspects.clear(event.sequence);
    this.changed();
  }

  changed(): void {
    this.#writer.noteChange();
    this.#loop.replenishSoon();
  }

  caughtUp(): void {
    this.#loop.replenishSoon();
  }

  commitNow(): Promise<boolean> {
    return this.#writer.commitNow();
  }

  confirmed(): void {
    this.#position.noteConfirmed();
    this.#loop.replenishSoon();
  }

  superseded(epoch: number): void {
    this.tenancy.startOver(`its position was claimed in epoch ${epoch}`, epoch);
  }

  unwritable(reason: string): void {
    this.halt(reason);
    // Starts that wait to be written down hear that they must not happen.
    this.#writer.end();
  }

  opened(cause: ReaderCause, tookMs: number, firstSequence: number): void {
    this.#dropped.noteGap(this.#ledger.readThrough, firstSequence);
    this.options.surroundings.observer.readerOpened?.(cause, tookMs);
  }

  streamChanged({ kind }: Exclude<StreamVerdict, { kind: 'same' }>): void {
    if (kind === 'went back') this.halt(WENT_BACK);
    else this.tenancy.startOver('its stream was made again');
  }

  claimed({ record, revision, before, begins }: Claimed, { lastSequence, created }: StreamState): void {
    this.#claims++;
    if (begins === 'stream made again') {
      this.#dropped.forget();
      this.options.surroundings.log.error(
        `${this.#name}: the stream was deleted and made again at ${created}; it is handled from its first event`,
      );
    }
    this.#position.begin(record);
    const unsettled = decodeSequences(record.unsettled);
    this.#suspects.begin({ record, unsettled, lastSequence, before });
    this.#writer.begin(record, revision);
  }

  waitsDrained(change: number): void {
    this.#drainedFor = change;
    this.#enter('drained');
  }

  ready(claimed: Claimed, tookMs: number): void {
    const { record } = claimed;
    this.#drainedFor = 0;
    this.#writer.resume();
    this.#enter('running');
    this.options.surroundings.observer.claimed?.(causeOf(claimed), tookMs);
    this.#lanes.replayLetters();
    void this.#read(record);
  }

  halt(reason: string): void {
    if (this.isOver) return;
    this.#enter('halted');
    this.#haltReason = reason;
    this.options.surroundings.log.error(`${this.#name} halts: ${reason}`);
    this.#tenure.end();
    this.#reader.close();
    this.#lanes.stop();
  }

  /** Unsettled events far below are fetched one by one: reading through to them would take longer. */
  async #read({ high, unsettled, epoch }: PositionRecord): Promise<void> {
    const listed = decodeSequences(unsettled);
    const first = listed[0];
    if (first !== undefined && high - first > FAR_BEHIND + FAR_BEHIND_PER_EVENT * listed.length) {
      await this.#intake.ask(listed);
      if (this.#mode !== 'running' || this.tenancy.epoch !== epoch) return;
      this.#ledger.skipTo(high);
    }
    const { group, layout, partitions, partition } = this.options.address;
    this.#reader.open(`${group}-${layout}-${partitions}-${partition}-e${epoch}`);
  }

  #forget(): void {
    const { lastTaken: sequence, lastTakenTime: time } = this.#ledger;
    this.#tenure.noteSeen(this.#position.created, { sequence, time });
    this.#tenure.end();
    this.#reader.close();
    this.#writer.end();
    this.#intake.forget();
    this.#lanes.forget();
    this.#position.end();
    this.#drainedFor = 0;
  }

  #enter(mode: PartitionMode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode)) {
      throw new Error(`${this.#name}: a partition cannot go from ${this.#mode} to ${mode}`);
    }
    this.#mode = mode;
  }
}

function causeOf({ hasDied, before, record }: Claimed): ClaimCause {
  if (hasDied) return 'death';
  return before?.owner === record.owner ? 'own' : 'release';
}
