import { Breaker, type BreakerOptions } from '#library/consumer/handling/breaker.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import { Lanes } from '#library/consumer/handling/lanes.js';
import { jsonCodec } from '#library/message/codec.js';
import type { Delivery } from '#library/message/delivery.js';
import { tokenOf } from '#library/message/subject.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { FakeParkedPort, type ParkedServer } from '../../parking/fake-parked-port.js';
import { deliveryOf, recordedLog } from './fake-consumer-port.js';
import { FakeKeyPort } from '../ownership/fake-key-port.js';

export const parks: FailurePolicy = {
  retry: { attempts: 3, firstDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0 },
  onExhausted: 'park',
};

export function eventOf(aggregateId: string, sequence: number): Delivery {
  const body = jsonCodec.encode({
    event_id: `e${sequence}`,
    aggregate_id: aggregateId,
    event_type: 'Counted',
    event_version: 1,
    timestamp: '2026-01-01T00:00:00.000Z',
    payload: { n: sequence },
  });
  return deliveryOf({ sequence, token: tokenOf(aggregateId), body });
}

type Handle = (event: Delivery) => PromiseLike<Failure | undefined> | Failure | undefined;

export interface LanesBenchOptions {
  readonly server?: ParkedServer;
  readonly handle: Handle;
  readonly policy?: FailurePolicy;
  readonly epoch?: number;
  readonly breaker?: Partial<BreakerOptions>;
  /** Called when an event may be acked. */
  readonly handled?: (event: Delivery) => void;
  readonly isSettling?: (token: string, through?: number) => boolean;
}

/**
 * The lanes of one process over an in-memory parked port, with as little of the rest as they need: a lease that is
 * valid or not, and a memory of what it holds. A process that lost its lease may have it again, as in production.
 */
export class LanesBench {
  readonly clock = new ManualClock(1_000);
  readonly log = recordedLog();
  readonly port: FakeParkedPort;
  readonly breaker: Breaker;
  readonly lanes: Lanes;
  /** Sequences of events that may be acked, in order. */
  readonly handled: number[] = [];
  readonly parked: string[] = [];
  readonly unparked: string[] = [];
  readonly halted: string[] = [];
  readonly held = new Map<number, Delivery>();
  isValid = true;
  streamCreated = 'then';
  readonly #ownership = {
    epoch: 1,
    isValid: (): boolean => this.isValid && !this.port.isDead,
    remainingMs: (): number => 1_000,
  };

  constructor(options: LanesBenchOptions) {
    this.#ownership.epoch = options.epoch ?? 1;
    this.port = new FakeParkedPort(options.server);
    this.breaker = new Breaker(
      { parked: 20, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 30_000, ...options.breaker },
      1,
    );
    const failurePolicy = options.policy ?? parks;
    const handlers = new EventHandlers();
    handlers.add(undefined, { failurePolicy, timeoutMs: 60_000, handle: options.handle });
    this.lanes = new Lanes({
      name: 'orders/billing/0',
      topic: 'orders',
      connect: () => {
        throw new Error('lanes need no consumer');
      },
      ownership: this.#ownership,
      suspectPort: new FakeKeyPort(),
      parkedPort: this.port,
      breaker: this.breaker,
      observer: {
        parked: ({ aggregateId }) => this.parked.push(aggregateId),
        unparked: (aggregateId) => this.unparked.push(aggregateId),
        stuck: () => undefined,
      },
      startOver: () => undefined,
      takeoverFailed: () => undefined,
      handlers,
      codec: jsonCodec,
      onUnhandledType: 'ignore',
      failurePolicy,
      concurrency: 256,
      batch: 500,
      maxAckPending: 10_000,
      maxBufferedBytes: 1e9,
      pullExpiresMs: 1_000,
      clock: this.clock,
      random: () => 0,
      log: this.log,
      isCurrent: (event) => this.held.get(event.sequence) === event && this.isValid && !this.port.isDead,
      handled: (event) => {
        if (this.held.get(event.sequence) !== event || !this.isValid || this.port.isDead) return;
        this.held.delete(event.sequence);
        this.handled.push(event.sequence);
        options.handled?.(event);
      },
      attempted: () => undefined,
      isSettling: options.isSettling ?? (() => false),
      streamCreated: () => this.streamCreated,
      halt: (reason) => this.halted.push(reason),
      caughtUp: () => undefined,
      handBack: () => undefined,
      formerLeases: () => Promise.resolve(new Map()),
    });
  }

  get epoch(): number {
    return this.#ownership.epoch;
  }

  /** A takeover: reads what earlier owners left, again and again until it can, then opens the fence. */
  async takeOver(crashed = false): Promise<void> {
    this.lanes.inherit(crashed);
    let loaded = false as boolean;
    // A process that ends while it asks hears no answer any more.
    const ended = (async (): Promise<void> => {
      while (!this.#hasEnded() && !loaded) await this.clock.settle(1);
    })();
    const load = async (): Promise<void> => {
      while (!this.#hasEnded()) {
        try {
          await this.lanes.loadParked();
          return;
        } catch {
          await this.clock.settle(1);
        }
      }
    };
    const loading = load().finally(() => (loaded = true));
    await Promise.race([loading, ended]);
    if (!this.#hasEnded()) this.lanes.fenceOpened();
  }

  #hasEnded(): boolean {
    return this.port.isDead;
  }

  /** An event comes in, as {@link Intake} takes it in. Returns what its lane holds now, 0 on the detour. */
  takeIn(event: Delivery): number {
    this.held.set(event.sequence, event);
    return this.lanes.parked.takes(event) ? 0 : this.lanes.executor.push(event.token, event);
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
    this.#ownership.epoch = epoch;
    this.isValid = true;
  }

  close(): void {
    this.lanes.close();
  }
}

export function failureOf(text = 'no stock', unrecoverable = true): Failure {
  return { stage: 'handler', error: new Error(text), unrecoverable };
}
