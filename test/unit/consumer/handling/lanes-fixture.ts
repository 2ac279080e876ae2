import { AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import { Breaker, type BreakerOptions } from '#library/consumer/breaker/breaker.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import { FailureLog } from '#library/consumer/handling/failure-log.js';
import type { AttemptSink, LaneListener, ReplayPlace } from '#library/consumer/handling/lane-listener.js';
import { Lanes } from '#library/consumer/lanes/lanes.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import { Suspects } from '#library/consumer/suspects/suspects.js';
import { jsonCodec } from '#library/message/codec.js';
import type { Delivery } from '#library/message/delivery.js';
import { Parking } from '#library/parking/parking.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { FakeParkedPort, NO_HISTORY, type ParkedServer } from '../../parking/fake-parked-port.js';
import { recordedLog } from './deliveries.js';

export const parks: FailurePolicy = {
  retry: { attempts: 3, firstDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0 },
  onExhausted: 'park',
};

type Handle = (event: Delivery) => PromiseLike<Failure | undefined> | Failure | undefined;

export interface LanesFixtureOptions {
  readonly handle: Handle;
  readonly server?: ParkedServer;
  readonly policy?: FailurePolicy;
  /** Of the handler, if it has one of its own. */
  readonly handlerPolicy?: FailurePolicy;
  readonly epoch?: number;
  readonly breaker?: Partial<BreakerOptions>;
  readonly maxAckPending?: number;
  readonly concurrency?: number;
  /** Shared with other partitions of the process. */
  readonly turns?: AloneTurns;
  readonly clock?: ManualClock;
}

/** What is known of the confirmed position, as a test says it. */
export class FakePlace implements ReplayPlace {
  hasReadInherited(): boolean {
    return true;
  }

  raiseRun(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  created = 'then';
  /** Everything up to here was read. */
  readThrough = Number.POSITIVE_INFINITY;
  readonly listed = new Set<number>();
  /** Tickets up to here are confirmed. */
  confirmed = Number.POSITIVE_INFINITY;
  #tickets = 0;

  hasRead(sequence: number): boolean {
    return sequence <= this.readThrough && ![...this.listed].some((listed) => listed <= sequence);
  }

  isListed(sequence: number): boolean {
    return this.listed.has(sequence);
  }

  /** Something was settled. */
  change(): void {
    this.#tickets++;
  }

  ticket(): number {
    return this.#tickets;
  }

  isConfirmed(ticket: number): boolean {
    return ticket <= this.confirmed;
  }
}

/**
 * The lanes of one process over a parked port in memory, with as little else as they need. That is a lease that is
 * valid or not, and a memory of what it holds. A process that lost its lease may have it again, as in production.
 */
export class LanesFixture implements LaneListener {
  readonly clock: ManualClock;
  readonly log = recordedLog();
  readonly port: FakeParkedPort;
  readonly breaker: Breaker;
  /** Types that other replicas handle. */
  readonly elsewhere = new Set<string>();
  /** Attempts as health counts them. */
  readonly attempted: [token: string, failed: boolean][] = [];
  readonly attempts: AttemptSink = { attempted: (...attempt) => void this.attempted.push(attempt) };
  readonly parking: Parking;
  readonly place = new FakePlace();
  readonly suspects: Suspects;
  readonly turns: AloneTurns;
  readonly lanes: Lanes;
  /** Of the bodies in lanes. */
  readonly bytes = { limit: 1e9, isSpent: false, held: 0 };
  /** Sequences of settled events, in order. */
  readonly handled: number[] = [];
  readonly parked: string[] = [];
  readonly unparked: string[] = [];
  readonly halted: string[] = [];
  readonly stuck: number[] = [];
  readonly held = new Map<number, Delivery>();
  /** Starts that were written down, each as the record said them then. */
  readonly starts: PositionRecord['starts'][] = [];
  /** Answers a write of starts; by default at once, in a later turn. */
  commit: () => Promise<boolean> = async () => {
    await this.clock.settle(1);
    return true;
  };
  readonly survivors = new Set<string>();
  isValid = true;
  epoch: number;

  constructor(options: LanesFixtureOptions) {
    this.clock = options.clock ?? new ManualClock(1_000);
    this.epoch = options.epoch ?? 1;
    this.port = new FakeParkedPort(options.server);
    this.breaker = new Breaker(
      { parked: 20, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 30_000, ...options.breaker },
      1,
    );
    this.turns = options.turns ?? new AloneTurns(this.clock);
    const { clock, log } = this;
    const failurePolicy = options.policy ?? parks;
    const name = 'orders/billing/0';
    const handlers = new EventHandlers();
    const own = options.handlerPolicy ?? failurePolicy;
    handlers.add(undefined, { failurePolicy: own, timeoutMs: 60_000, handle: options.handle });
    const concurrency = options.concurrency ?? 256;
    this.suspects = new Suspects({
      writer: {
        commitNow: () => {
          this.starts.push(this.suspects.snapshot().starts);
          return this.commit();
        },
      },
      survivors: {
        hasSurvived: (owner, partition, epoch) => this.survivors.has(`${owner} ${partition} ${epoch}`),
      },
      partition: 0,
      maxOpen: concurrency,
      bound: options.maxAckPending ?? 10_000,
    });
    const ofEpoch = (): number => this.epoch;
    const ofPlace = (): string => this.place.created;
    this.parking = new Parking({
      ...{ name, port: this.port, clock, log, history: NO_HISTORY },
      owner: {
        get epoch() {
          return ofEpoch();
        },
        get created() {
          return ofPlace();
        },
        runOf: () => 0,
        mayWrite: () => this.mayStart(),
      },
    });
    this.lanes = new Lanes(
      {
        ...{ name, clock, log, listener: this, suspects: this.suspects, random: () => 0 },
        calls: { topic: 'orders', codec: jsonCodec, handlers },
        policy: {
          ...{ failurePolicy, onUnhandledType: 'ignore', concurrency },
          maxAckPending: options.maxAckPending ?? 10_000,
        },
        others: { handlesElsewhere: (type) => this.elsewhere.has(type) },
        shared: {
          ...{ breaker: this.breaker, turns: this.turns, bytes: this.bytes },
          failures: new FailureLog('orders/billing', clock, log),
          attempts: this.attempts,
        },
        observer: {
          parked: ({ aggregateId }) => this.parked.push(aggregateId),
          unparked: (aggregateId) => this.unparked.push(aggregateId),
          stuck: ({ sequence }) => this.stuck.push(sequence),
        },
      },
      this.parking,
      this.place,
    );
    this.parking.attach(this.lanes);
  }

  mayStart(): boolean {
    return this.isValid && !this.port.isDead;
  }

  isCurrent(event: Delivery): boolean {
    return this.held.get(event.sequence) === event && this.mayStart();
  }

  settled(event: Delivery): void {
    if (!this.isCurrent(event)) return;
    this.held.delete(event.sequence);
    this.bytes.held -= event.origin.body.length;
    this.handled.push(event.sequence);
    this.suspects.clear(event.sequence);
    this.place.change();
  }

  caughtUp(): void {
    // Nothing is pulled here.
  }

  halt(reason: string): void {
    this.halted.push(reason);
  }

  /** A takeover: reads what earlier owners left, again and again until it can. */
  async takeOver(hasDied = false): Promise<void> {
    let isLoaded = false as boolean;
    // A process that ends while it asks hears no answer any more.
    const ended = (async (): Promise<void> => {
      while (!this.port.isDead && !isLoaded) await this.clock.settle(1);
    })();
    const load = async (): Promise<void> => {
      while (!this.port.isDead) {
        try {
          await this.parking.load({ hasDied, start: { sequence: 0, created: this.place.created, epoch: 0 } });
          return;
        } catch {
          await this.clock.settle(1);
        }
      }
    };
    const loading = load().finally(() => (isLoaded = true));
    await Promise.race([loading, ended]);
    if (!this.port.isDead) this.lanes.replayLetters();
  }

  /** An event comes in, as the intake takes it in. */
  takeIn(event: Delivery): void {
    this.held.set(event.sequence, event);
    this.bytes.held += event.origin.body.length;
    this.suspects.noteTakenIn(event.sequence);
    this.lanes.push(event);
  }

  /** The lease is lost: everything that does not run is forgotten. */
  disown(): void {
    this.isValid = false;
    this.lanes.abortAll(new Error('lease lost'));
    this.lanes.forget();
    this.held.clear();
  }

  /** The same process gets the lease again, under a new epoch. */
  own(epoch: number): void {
    this.epoch = epoch;
    this.isValid = true;
  }

  close(): void {
    this.lanes.close();
  }
}

export function failureOf(text = 'no stock', unrecoverable = true): Failure {
  return { stage: 'handler', error: new Error(text), unrecoverable };
}
