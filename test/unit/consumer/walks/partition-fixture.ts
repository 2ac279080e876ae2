import { RecentAttempts } from '#library/consumer/recent-attempts.js';
import { SeenEvents } from '#library/consumer/seen-events.js';
import { ByteBudget } from '#library/consumer/byte-budget.js';
import { AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import { Breaker } from '#library/consumer/breaker/breaker.js';
import { FailureLog } from '#library/consumer/handling/failure-log.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import type { Tenancy } from '#library/consumer/ownership/ownership.js';
import { PartitionConsumer } from '#library/consumer/partition-consumer.js';
import type { GroupView, PartitionConsumerOptions } from '#library/consumer/partition-options.js';
import { WriteBudget } from '#library/consumer/position/commit-pace.js';
import { jsonCodec } from '#library/message/codec.js';
import type { Delivery } from '#library/message/delivery.js';
import { encodeHeaders, messageIdOf } from '#library/message/headers.js';
import type { ParkedPort } from '#library/parking/parked-port.js';
import { partitionBits } from '#library/message/partitioning.js';
import { subjectOf, tokenOf } from '#library/message/subject.js';
import { firstGroupRecord, type GroupRecord } from '#library/records/group-record.js';
import type { KeyPort } from '#library/records/key-port.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryKey } from '#library/testing/memory/memory-key.js';
import { MemoryParked } from '#library/testing/memory/memory-parked.js';
import { MemoryReaders } from '#library/testing/memory/memory-readers.js';
import { MemoryStream } from '#library/testing/memory/memory-stream.js';
import { recordedLog, TOPIC } from '../position/position-fixture.js';

export const GROUP = 'g';
export const TTL_MS = 3_000;

export const blocks: FailurePolicy = {
  retry: { attempts: 1_000, firstDelayMs: 100, factor: 1, maxDelayMs: 100, jitter: 0 },
  onExhausted: 'block',
};

export interface WorldOptions {
  readonly partition?: number;
  readonly partitions?: number;
  readonly commitEveryMs?: number;
  readonly batch?: number;
  readonly maxAckPending?: number;
  readonly maxBufferedBytes?: number;
  readonly concurrency?: number;
}

/** How a handler ends: at once, or when {@link Run.end} is called. */
export type Handle = (
  event: Delivery,
  process: string,
) => PromiseLike<Failure | undefined> | Failure | undefined;

/** A handler that runs. */
export interface Run {
  readonly process: string;
  readonly epoch: number;
  readonly event: Delivery;
  end(failure?: Failure): void;
}

/** The lease of one process, as a test decides it. */
export class FakeTenancy implements Tenancy {
  epoch = 0;
  isHeld = false;
  readonly ttlMs = TTL_MS;
  readonly calls: string[] = [];
  /** What the consumer asks for. */
  onStartOver: (above: number) => void = () => undefined;
  onGiveUp: () => void = () => undefined;

  constructor(readonly owner: string) {}

  isValid(): boolean {
    return this.isHeld;
  }
  remainingMs(): number {
    return this.isHeld ? TTL_MS : 0;
  }
  startOver(reason: string, above = 0): void {
    if (!this.isHeld) return;
    this.calls.push(`start over above ${above}: ${reason}`);
    this.onStartOver(above);
  }
  overtaken(epoch: number): void {
    this.startOver(`its position was claimed in epoch ${epoch}`, epoch);
  }
  giveUp(reason: string): void {
    if (!this.isHeld) return;
    this.calls.push(`give up: ${reason}`);
    this.onGiveUp();
  }
  noteFacts(): void {
    this.calls.push('claimed');
  }
}

/** One process with the partition's consumer. */
export interface Process {
  readonly name: string;
  readonly tenancy: FakeTenancy;
  readonly consumer: PartitionConsumer;
  readonly log: ReturnType<typeof recordedLog>;
  readonly bytes: ByteBudget;
}

/**
 * One partition of a topic in memory, and the processes that may own it: the real consumer over memory ports, by a
 * manual clock. Leases are what the test says.
 */
export class PartitionWorld {
  readonly clock = new ManualClock(1_000);
  readonly stream = new MemoryStream(this.clock, 120_000);
  readonly parked = new MemoryParked({ maxLetters: 10_000, clock: this.clock, moved: () => undefined });
  readonly position = new MemoryKey<PositionRecord>({ clock: this.clock, moved: () => undefined });
  readonly lease = new MemoryKey<LeaseRecord>({ clock: this.clock, moved: () => undefined });
  readonly readers: MemoryReaders;
  readonly group: { record: GroupRecord; readonly cancelled: Set<number> };
  /** Starts of handlers: `process: token sequence`. */
  readonly started: string[] = [];
  /** Sequences whose handler has ended well, in order. */
  readonly handled: number[] = [];
  readonly running: Run[] = [];
  /** Events that became letters behind a head that hangs: they are settled, and handled later. */
  readonly letters = new Set<number>();
  readonly processes: Process[] = [];
  /** True for events whose handlers end only when the test says so. */
  holds: (event: Delivery, process: string) => boolean = () => false;
  /** A lease that was given up is not taken again. */
  staysGivenUp = false;
  epoch = 0;
  #serial = 0;
  #onStart: (process: string, event: Delivery) => void = () => undefined;

  constructor(readonly options: WorldOptions = {}) {
    const { partition = 0, partitions = 1 } = options;
    const bits = partitionBits(partition, partitions);
    const prefix = bits === '' ? `${TOPIC}.` : `${TOPIC}.${bits}.`;
    this.readers = new MemoryReaders({
      stream: this.stream,
      prefix,
      clock: this.clock,
      moved: () => undefined,
    });
    const start = { sequence: 0, created: this.stream.created };
    this.group = { record: firstGroupRecord(partitions, start), cancelled: new Set() };
  }

  /** Stores an event of each of these aggregates. */
  store(...aggregates: string[]): void {
    for (const aggregate of aggregates) this.storeBytes(aggregate, 0);
  }

  storeBytes(aggregate: string, bytes: number): void {
    const id = `e${++this.#serial}`;
    const token = tokenOf(aggregate);
    const messageId = messageIdOf(token, id);
    const body = jsonCodec.encode({
      event_id: id,
      aggregate_id: aggregate,
      event_type: 'Counted',
      event_version: 1,
      timestamp: '2026-01-01T00:00:00.000Z',
      payload: { filler: 'x'.repeat(bytes) },
    });
    this.stream.append({
      ...{ token, subject: subjectOf(TOPIC, token), messageId },
      ...{ headers: encodeHeaders(messageId, undefined, undefined), body, expectedSequence: undefined },
    });
  }

  /** Makes a process that owns nothing yet. `options` are its own. */
  open(name: string, options: WorldOptions = this.options): Process {
    const log = recordedLog();
    const tenancy = new FakeTenancy(name);
    const made = this.consumerOptions(name, log, options);
    const consumer = new PartitionConsumer(made, tenancy);
    const process = { name, tenancy, consumer, log, bytes: made.shared.bytes };
    tenancy.onStartOver = (above) => {
      this.lose(process);
      this.clock.nextTurn(() => this.#ownAgain(process, above));
    };
    tenancy.onGiveUp = () => {
      this.lose(process);
      if (!this.staysGivenUp) this.clock.after(TTL_MS, () => this.#ownAgain(process));
    };
    this.processes.push(process);
    return process;
  }

  /** What a {@link PartitionConsumer} of this partition is made of. */
  consumerOptions(
    name: string,
    log: ReturnType<typeof recordedLog>,
    options: WorldOptions = this.options,
  ): PartitionConsumerOptions {
    const { clock } = this;
    const { partition = 0, partitions = 1, maxAckPending = 1_000, concurrency = 256 } = options;
    const handlers = new EventHandlers();
    handlers.add(undefined, {
      failurePolicy: blocks,
      timeoutMs: 600_000,
      handle: (event) => this.#handle(name, event),
    });
    const { group } = this;
    const view: GroupView = {
      get record() {
        return group.record;
      },
      seen: new SeenEvents(),
      isCancelled: (change) => group.cancelled.has(change),
      hasSurvived: () => false,
      handlesElsewhere: () => false,
    };
    const breaker = { parked: 20, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 30_000 };
    return {
      address: { topic: TOPIC, group: GROUP, layout: 0, partitions, partition },
      ports: {
        connect: (listener) => this.readers.connect(listener),
        positionPort: this.positionPort(),
        parkedPort: this.parkedPort(partition, partitions),
      },
      handling: { failurePolicy: blocks, onUnhandledType: 'ignore', concurrency, maxAckPending },
      calls: { codec: jsonCodec, handlers },
      reading: {
        batch: options.batch ?? 100,
        pullExpiresMs: 1_000,
        commitEveryMs: options.commitEveryMs ?? 0,
      },
      shared: {
        breaker: new Breaker(breaker, partitions),
        attempts: new RecentAttempts(clock),
        turns: new AloneTurns(clock),
        bytes: new ByteBudget(options.maxBufferedBytes ?? 1e9),
        writes: new WriteBudget(clock),
        failures: new FailureLog('orders/billing', clock, log),
      },
      group: view,
      surroundings: {
        clock,
        random: () => 0,
        log,
        observer: { parked: () => undefined, unparked: () => undefined, stuck: () => undefined },
      },
    };
  }

  /** How a process reaches the position; a test may put faults in between. */
  positionPort(): KeyPort<PositionRecord> {
    return this.position.connect();
  }

  parkedPort(partition: number, partitions: number): ParkedPort {
    const port = this.parked.connect(GROUP, partitionBits(partition, partitions));
    return {
      ...port,
      append: (events, note, after) => {
        for (const { sequence } of events) this.letters.add(sequence);
        return port.append(events, note, after);
      },
    };
  }

  /** The process takes the lease under the next epoch. */
  own(process: Process, above = 0): void {
    const { tenancy, consumer } = process;
    if (tenancy.isHeld || consumer.isOver) return;
    this.epoch = Math.max(this.epoch, above) + 1;
    tenancy.epoch = this.epoch;
    tenancy.isHeld = true;
    consumer.own(this.position.stored.value !== undefined);
  }

  /** A lease has one holder: a process that gave it up waits for the one that has it since. */
  #ownAgain(process: Process, above = 0): void {
    if (!this.processes.some(({ tenancy }) => tenancy.isHeld)) this.own(process, above);
    else if (!process.consumer.isOver) this.clock.after(TTL_MS, () => this.#ownAgain(process, above));
  }

  /** The process loses the lease and knows it. */
  lose({ tenancy, consumer }: Process): void {
    tenancy.isHeld = false;
    consumer.disown('the test says so');
  }

  /** Lets everything happen that needs no time. */
  async settle(turns = 40): Promise<void> {
    await this.clock.settle(turns);
  }

  /** Lets time pass, and every answer arrive when it is due. */
  async pass(ms: number, stepMs = 50): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      await this.clock.advance(Math.min(stepMs, left));
      await this.settle(12);
    }
  }

  /** Calls back before each start of a handler. */
  watchStarts(onStart: (process: string, event: Delivery) => void): void {
    this.#onStart = onStart;
  }

  /** Bytes that lanes hold, over all processes. */
  bytesHeld(): number {
    return this.processes.reduce((sum, { bytes }) => sum + bytes.held, 0);
  }

  get record(): PositionRecord {
    const { value } = this.position.stored;
    if (value === undefined) throw new Error('expected a position, found none');
    return value;
  }

  close(): void {
    for (const { tenancy, consumer } of this.processes) {
      tenancy.isHeld = false;
      consumer.close();
    }
  }

  #handle(process: string, event: Delivery): PromiseLike<Failure | undefined> | undefined {
    this.started.push(`${process}: ${event.token} ${event.sequence}`);
    this.#onStart(process, event);
    if (!this.holds(event, process)) {
      this.handled.push(event.sequence);
      return undefined;
    }
    return new Promise((resolve) => {
      const run: Run = {
        process,
        epoch: this.epoch,
        event,
        end: (failure) => {
          const index = this.running.indexOf(run);
          if (index < 0) return;
          this.running.splice(index, 1);
          if (failure === undefined) this.handled.push(event.sequence);
          resolve(failure);
        },
      };
      this.running.push(run);
    });
  }
}
