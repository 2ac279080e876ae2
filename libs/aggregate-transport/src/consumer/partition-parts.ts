import type { Clock } from '../clock.js';
import type { ReaderConnectionListener, ReaderPort } from '../message/reader-port.js';
import type { ParkingOwner } from '../parking/marker-writes.js';
import { Parking } from '../parking/parking.js';
import { Drain, type DrainListener } from './drain.js';
import type { Breaker } from './breaker/breaker.js';
import type { LaneListener } from './handling/lane-listener.js';
import { Lanes } from './lanes/lanes.js';
import { Intake, type IntakeListener } from './intake.js';
import { nameOf, type PartitionConsumerOptions } from './partition-options.js';
import { type InheritedEvents, PartitionPlace } from './partition-place.js';
import { PartitionRoom } from './partition-room.js';
import type { PartitionCounts, PartitionLoad } from './partition-status.js';
import { CommitPace } from './position/commit-pace.js';
import { Ledger } from './position/ledger.js';
import { type PositionListener, PositionWriter } from './position/position-writer.js';
import { Position } from './position/position.js';
import { RunRaises } from './position/run-raises.js';
import { DroppedEvents, type PurgedCount } from './reading/dropped-events.js';
import { PullLoop } from './reading/pull-loop.js';
import { ReadingProof } from './reading/reading-proof.js';
import { Reader, type ReaderListener } from './reading/reader.js';
import { SingleFetch } from './reading/single-fetch.js';
import type { RecentAttempts } from './recent-attempts.js';
import { type StartsWriter, Suspects } from './suspects/suspects.js';

/** What the parts of a partition need of the one that ties them together. */
export interface PartitionHall
  extends
    ReaderConnectionListener,
    LaneListener,
    ReaderListener,
    PositionListener,
    IntakeListener,
    DrainListener,
    StartsWriter,
    InheritedEvents,
    ParkingOwner {}

/** Since when something fails, on the clock, and what was found instead of an answer. */
export interface Failing {
  readonly since: number;
  readonly why: string;
}

/** Counted since the start of the process, over all leases. */
export type PartCounts = Omit<PartitionCounts, 'claims' | 'leases' | 'leasesLost'>;

/** The parts of one partition, made in the order in which they need each other. */
export class PartitionParts {
  readonly name: string;
  readonly port: ReaderPort;
  readonly ledger: Ledger;
  readonly suspects: Suspects;
  readonly position: Position;
  readonly writer: PositionWriter;
  readonly parking: Parking;
  readonly lanes: Lanes;
  readonly dropped: DroppedEvents;
  readonly singles: SingleFetch;
  readonly intake: Intake;
  readonly reader: Reader;
  readonly loop: PullLoop;
  readonly drain: Drain;
  readonly #clock: Clock;
  readonly #breaker: Breaker;
  readonly #attempts: RecentAttempts;

  constructor(options: PartitionConsumerOptions, hall: PartitionHall) {
    const { address, ports, handling, reading, shared, group, surroundings } = options;
    const { clock, log } = surroundings;
    const name = (this.name = nameOf(address));
    const common = { name, clock, log, listener: hall };
    this.port = ports.connect(hall);
    this.ledger = new Ledger(shared.bytes);
    this.suspects = new Suspects({
      writer: hall,
      survivors: group,
      partition: address.partition,
      maxOpen: handling.concurrency,
      bound: handling.maxAckPending,
    });
    this.position = new Position(this.ledger, this.suspects);
    const pace = new CommitPace(clock, reading.commitEveryMs, shared.writes);
    this.writer = new PositionWriter({ ...common, port: ports.positionPort, source: this.position, pace });
    this.parking = new Parking({ name, clock, log, port: ports.parkedPort, history: this.port, owner: hall });
    const place = new PartitionPlace(this.ledger, this.position, this.writer, hall);
    this.lanes = new Lanes(
      {
        ...{ name, shared, policy: handling, listener: hall, suspects: this.suspects, others: group },
        ...surroundings,
        calls: { ...options.calls, topic: address.topic },
      },
      this.parking,
      place,
    );
    this.parking.attach(this.lanes);
    const starts = {
      hold: () => this.lanes.hold('run'),
      release: () => this.lanes.release('run'),
    };
    const startedThrough = (): number => hall.startedThrough;
    place.attach(new RunRaises({ position: this.position, writer: this.writer, starts, startedThrough }));
    const countPurged: PurgedCount = (after, before) => this.port.countPurged(after, before);
    this.dropped = new DroppedEvents(name, log, address.partitions === 1, countPurged);
    const singles = (this.singles = new SingleFetch({ name, clock, log, port: this.port }));
    const { ledger, position, suspects, dropped, lanes, writer } = this;
    const { bytes } = shared;
    const inside = { ledger, position, suspects, lanes, bytes };
    const proof = new ReadingProof();
    this.intake = new Intake({ ...inside, address, dropped, singles, proof, listener: hall });
    const { intake } = this;
    const room = new PartitionRoom({ ...inside, writer, intake });
    this.reader = new Reader({ ...common, port: this.port, place, proof });
    this.loop = new PullLoop({ ...reading, clock, room, sink: intake, listener: this.reader });
    this.reader.attach(this.loop);
    const { loop } = this;
    this.position.attach({
      get coming() {
        return loop.outstanding + intake.held;
      },
      unread: (through) => proof.unread(through),
    });
    this.drain = new Drain({ clock, lanes, loop: this.loop, writer, listener: hall });
    this.#clock = clock;
    this.#breaker = shared.breaker;
    this.#attempts = shared.attempts;
  }

  get counts(): PartCounts {
    return { ...this.lanes.counts, lost: this.dropped.lost, readers: this.reader.made };
  }

  /** How the parts stand, from memory alone. `notClaimed`: since when the partition cannot be taken over, and why. */
  load(notClaimed: Failing | undefined): Omit<PartitionLoad, 'mode' | 'haltReason' | 'haltCause'> {
    const { isOpen, prober } = this.#breaker;
    const now = this.#clock.now();
    const { writer } = this;
    const notReading = this.#notReading();
    return {
      notCommittingMs: now - (notClaimed?.since ?? writer.failingSince ?? now),
      notCommittingWhy: notClaimed?.why ?? writer.why,
      notReadingMs: now - (notReading?.since ?? now),
      notReadingWhy: notReading?.why,
      readerEdited: this.reader.edited,
      inFlight: this.lanes.executor.running,
      lanes: this.lanes.executor.laneCount,
      events: this.ledger.held,
      bytes: this.ledger.heldBytes,
      parked: this.parking.size,
      letterRefusal: this.lanes.letterRefusal,
      typeWait: this.lanes.typeWait,
      breaker: { isOpen, prober },
      attempts: this.#attempts.share,
    };
  }

  /** Since when nothing can be taken in; undefined if there is no cause for that. */
  #notReading(): { readonly since: number; readonly why: string | undefined } | undefined {
    const { singles, reader, writer, loop } = this;
    if (singles.failing !== undefined) return singles.failing;
    // A reader that may not pull has not answered either.
    if (writer.isFull && loop.pausedSince !== undefined)
      return { since: loop.pausedSince, why: writer.fullWhy };
    return reader.failingSince === undefined ? undefined : { since: reader.failingSince, why: reader.why };
  }
}
