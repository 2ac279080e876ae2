import { isSabotaged } from '#sabotage';
import { type Clock, every, type Timer } from '../../clock.js';
import type { Delivery } from '../../message/delivery.js';
import type { Feed, FeedListener } from '../../message/reader-port.js';
import { Gate } from './gate.js';
import { type PullLimits, pullSize } from './pull-size.js';

/** Takes events as they come, in stream order. */
export interface DeliverySink {
  deliver(event: Delivery): void;
  /** The reader has gone past this sequence, and has delivered everything of the partition up to it. */
  readThrough(sequence: number): void;
}

/** Says how much more may be taken in. */
export interface IntakeRoom {
  /** Events taken in and not settled in the confirmed position, and how many there may be. */
  readonly unconfirmed: number;
  readonly bound: number;
  /** Bytes of bodies in lanes, and how many there may be. */
  readonly heldBytes: number;
  readonly maxHeldBytes: number;
  /** Events in lanes. */
  readonly held: number;
  /** Handlers wait for the processor or for a place, so that more events would only wait, too. */
  readonly isBehind: boolean;
  /** Nothing may be pulled at the moment. */
  readonly isPaused: boolean;
}

/** Hears that only another reader can restore the order. */
export interface PullLoopListener {
  /** It answered last at `heardAt`, on the clock. */
  broken(reason: string, heardAt: number): void;
  /** The reader answers: an event, or a heartbeat that agrees. */
  heard(): void;
}

export interface PullLoopOptions {
  readonly clock: Clock;
  readonly batch: number;
  /** How long a pull stays open at the server when there is nothing to deliver, in milliseconds. */
  readonly pullExpiresMs: number;
  readonly room: IntakeRoom;
  readonly sink: DeliverySink;
  readonly listener: PullLoopListener;
}

const WATCH_EVERY_MS = 100;
/** A reader that sends neither event nor heartbeat for this many heartbeats is dead. */
const MISSED_HEARTBEATS = 4;
const FIRST_GUESS_OF_BYTES = 512;
/** The making of a reader takes a moment to be known everywhere: so long a pull that is not heard is sent again. */
const KNOWN_EVERYWHERE_MS = 1_000;
const UNHEARD_AGAIN_MS = 20;
const MAX_UNHEARD = 5;

/**
 * Asks one reader for events and checks what it delivers. Between {@link begin} and {@link close} it is open.
 *
 * It never waits for a handler, and nothing it does throws into the client's callback: a throw there silently ends that
 * subscription.
 */
export class PullLoop implements FeedListener {
  readonly #gate = new Gate();
  readonly #watch: Timer;
  #feed: Feed | undefined;
  #outstanding = 0;
  #averageBytes = FIRST_GUESS_OF_BYTES;
  #beganAt = 0;
  #heardAt = 0;
  /** An event has come since the last check. Noted here, because reading the clock for each of them costs more. */
  #heard = false;
  #unheard = 0;
  #pausedSince: number | undefined;
  #draining = false;
  #replenishing = false;

  constructor(private readonly options: PullLoopOptions) {
    // After the event loop was blocked a timer fires before the socket is read; only then is silence silence.
    this.#watch = every(options.clock, WATCH_EVERY_MS, () => options.clock.nextTurn(() => this.#check()));
  }

  get isOpen(): boolean {
    return this.#feed !== undefined;
  }

  /** Events asked for and neither delivered nor given back. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Since when the room has allowed no pull, on the clock; undefined while it allows one. */
  get pausedSince(): number | undefined {
    return this.#pausedSince;
  }

  /** Reads from a feed that has delivered nothing yet. */
  begin(feed: Feed): void {
    this.close();
    this.#gate.expectAfter(0);
    this.#outstanding = this.#unheard = 0;
    this.#beganAt = this.#heardAt = this.options.clock.now();
    this.#feed = feed;
    this.replenish();
  }

  /** Pulls nothing more until {@link restart}. */
  drain(): void {
    this.#draining = true;
  }

  restart(): void {
    this.#draining = false;
    this.replenish();
  }

  close(): void {
    this.#feed?.close();
    this.#feed = this.#pausedSince = undefined;
  }

  /** Ends the loop for good. */
  dispose(): void {
    this.close();
    this.#watch.cancel();
  }

  /** There may be room for more events. */
  replenish(): void {
    const { room, batch } = this.options;
    if (this.#feed === undefined || this.#draining || room.isPaused) return;
    if (this.#outstanding > batch / 2) return;
    // An owner that is behind catches up before it fetches more: thousands of waiting events cost the collector more
    // than they cost the handlers. A batch is enough to work on until the next one is here.
    if (room.held > batch && room.isBehind) return;
    const limits: PullLimits = { batch, maxHeld: room.bound, maxHeldBytes: room.maxHeldBytes };
    const size = pullSize(
      {
        outstanding: this.#outstanding,
        held: room.unconfirmed,
        heldBytes: room.heldBytes,
        averageBytes: this.#averageBytes,
      },
      limits,
    );
    if (size > 0) this.#pull(size);
  }

  /**
   * Coalesces to one pull per turn of the event loop. In mid-read or mid-dispatch the lanes look idle for an instant:
   * pulling then over-fetches, and thousands of events wait in memory.
   */
  replenishSoon(): void {
    if (this.#replenishing) return;
    this.#replenishing = true;
    this.options.clock.nextTurn(() => {
      this.#replenishing = false;
      this.replenish();
    });
  }

  delivered(event: Delivery): void {
    const { consumerSequence, body } = event.origin;
    if (!this.#gate.admits(consumerSequence) && !isSabotaged('no-gate')) {
      this.#break(
        `expected delivery ${this.#gate.expected}, found ${consumerSequence}: deliveries were lost`,
      );
      return;
    }
    if (!this.#heard) {
      this.#heard = true;
      this.options.listener.heard();
    }
    this.#gate.advance();
    this.#outstanding = Math.max(0, this.#outstanding - 1);
    this.#averageBytes += (body.length - this.#averageBytes) / 64;
    // First, so that in the next turn the pull leaves before handlers run, and the server works meanwhile.
    this.replenishSoon();
    this.options.sink.deliver(event);
  }

  idle(delivered: number, through: number): void {
    this.#heardAt = this.options.clock.now();
    if (!this.#gate.agreesWith(delivered) && !isSabotaged('no-gate')) {
      this.#break(
        `expected ${this.#gate.expected - 1} deliveries so far, found that the server counts ${delivered}`,
      );
      return;
    }
    this.options.listener.heard();
    this.options.sink.readThrough(through);
  }

  pullEnded(unused: number): void {
    this.#heardAt = this.options.clock.now();
    this.#outstanding = Math.max(0, this.#outstanding - unused);
    this.replenish();
  }

  unheard(): void {
    const { clock } = this.options;
    const isNew = clock.now() - this.#beganAt < KNOWN_EVERYWHERE_MS && this.#unheard < MAX_UNHEARD;
    if (!isNew) {
      this.#break('expected the reader to hear a pull, found no responder: it is gone');
      return;
    }
    this.#unheard++;
    const feed = this.#feed;
    clock.after(UNHEARD_AGAIN_MS, () => {
      if (this.#feed !== feed) return;
      this.#outstanding = 0;
      this.replenish();
    });
  }

  lost(reason: string): void {
    this.#break(reason);
  }

  #pull(events: number): void {
    const { pullExpiresMs, clock } = this.options;
    this.#outstanding += events;
    this.#heardAt = clock.now();
    this.#feed?.pull({ events, expiresMs: pullExpiresMs, idleHeartbeatMs: heartbeatOf(pullExpiresMs) });
  }

  /** Finds what no message tells: a reader that fell silent, and room that no event asked to fill. */
  #check(): void {
    if (this.#feed === undefined) return;
    const now = this.options.clock.now();
    if (this.#heard) this.#heardAt = now;
    this.#heard = false;
    const silentMs = now - this.#heardAt;
    const patienceMs = MISSED_HEARTBEATS * heartbeatOf(this.options.pullExpiresMs);
    if (this.#outstanding > 0 && silentMs > patienceMs && !isSabotaged('no-gate')) {
      this.#break(`expected an event or a heartbeat, heard nothing for ${Math.round(silentMs)} ms`);
      return;
    }
    if (silentMs > patienceMs) this.#outstanding = 0;
    this.#pausedSince = this.options.room.isPaused ? (this.#pausedSince ?? now) : undefined;
    this.replenish();
  }

  #break(reason: string): void {
    const heardAt = this.#heardAt;
    this.close();
    this.options.listener.broken(reason, heardAt);
  }
}

function heartbeatOf(expiresMs: number): number {
  return Math.max(10, Math.floor(expiresMs / 3));
}
