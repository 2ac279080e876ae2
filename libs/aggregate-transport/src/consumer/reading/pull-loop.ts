import { isSabotaged } from '#sabotage';
import { type Clock, every, type Timer } from '../../clock.js';
import type { Delivery } from '../../message/delivery.js';
import type { ConsumerPort, ConsumerState, Feed, FeedListener } from '../../message/reader-port.js';
import { Fence } from '../fence.js';
import { Gate } from './gate.js';
import { type PullLimits, pullSize } from './pull-size.js';

export interface PullLoopOptions extends PullLimits {
  readonly port: ConsumerPort;
  readonly clock: Clock;
  /** How long a pull stays open at the server when there is nothing to deliver. */
  readonly pullExpiresMs: number;
  /** Milliseconds until the right to pull ends. */
  readonly remainingMs: () => number;
  /** Events taken in and not settled, and their bytes. */
  readonly held: () => { events: number; bytes: number };
  /** True while handlers wait for the processor or for a place, so that more events would only wait, too. */
  readonly isBehind: () => boolean;
  /** Handled events whose acks are not confirmed. */
  readonly unconfirmed: () => number;
  /** The fence is open: these events were unsettled, or came behind them; in stream order. */
  readonly released: (events: Delivery[]) => void;
  /** The next event in stream order. */
  readonly delivered: (event: Delivery) => void;
  /** Deliveries were lost, or may have been: only a takeover brings order back. */
  readonly broken: (reason: string) => void;
}

/** A fence that takes in nothing for this long will not open: the server lost the redeliveries. */
const FENCE_PATIENCE_MS = 500;
const WATCH_EVERY_MS = 100;
/** A feed that hears neither event nor heartbeat for this many heartbeats is dead. */
const MISSED_HEARTBEATS = 4;
const MIN_EXPIRES_MS = 30;
/** No more is fetched while so many batches are handled and not settled. */
const MAX_BATCHES_UNCONFIRMED = 2;
const FIRST_GUESS_OF_BYTES = 512;

/**
 * The one reader of a partition between two takeovers. Its modes:
 *
 * - `closed`: no feed. Entered at first and whenever the order may be broken; left by {@link begin}.
 * - `fenced`: holds whatever arrives until every unsettled event has arrived again.
 * - `flowing`: hands each event on as it comes.
 *
 * It never waits for a handler, and nothing it does throws into the client's callback: a throw there
 * silently ends that subscription.
 */
export class PullLoop implements FeedListener {
  readonly #gate = new Gate();
  readonly #watch: Timer;
  #feed: Feed | undefined;
  #fence: Fence | undefined;
  #outstanding = 0;
  #averageBytes = FIRST_GUESS_OF_BYTES;
  #heardAt = 0;
  /** An event has come since the last look. Noted here, because reading the clock for each of them costs more. */
  #heard = false;
  #progressAt = 0;
  #draining = false;
  #replenishing = false;

  constructor(private readonly options: PullLoopOptions) {
    // After the loop was blocked a timer fires before the socket is read; only then is silence silence.
    this.#watch = every(options.clock, WATCH_EVERY_MS, () => options.clock.nextTurn(() => this.#look()));
  }

  get mode(): 'closed' | 'fenced' | 'flowing' {
    if (this.#feed === undefined) return 'closed';
    return this.#fence === undefined ? 'flowing' : 'fenced';
  }

  /** Starts to read behind a takeover that left this state. */
  begin(state: ConsumerState): void {
    this.close();
    this.#gate.expectAfter(state.deliveredConsumerSequence);
    this.#fence = new Fence(isSabotaged('no-fence') ? 0 : state.ackPending, state.delivered);
    this.#outstanding = 0;
    this.#heardAt = this.#progressAt = this.options.clock.now();
    this.#feed = this.options.port.open(this);
    if (this.#fence.isOpen) this.#openFence(this.#fence);
    // Unsettled events come outside the usual limits: they were admitted once, and the fence needs them all.
    else this.#pull(this.#fence.missing + (this.#draining ? 0 : this.options.batch));
  }

  /** Pulls nothing new any more; what a fence still needs is pulled nevertheless. */
  drain(): void {
    this.#draining = true;
  }

  /** Undoes {@link drain}. */
  restart(): void {
    this.#draining = false;
    this.replenish();
  }

  /** True if every delivery the server counts has arrived. */
  hasAll(deliveredConsumerSequence: number): boolean {
    return this.#feed !== undefined && this.#gate.agreesWith(deliveredConsumerSequence);
  }

  close(): void {
    this.#feed?.close();
    this.#feed = undefined;
    this.#fence = undefined;
  }

  /** Ends the loop for good. */
  dispose(): void {
    this.close();
    this.#watch.cancel();
  }

  /** There may be room for more events. */
  replenish(): void {
    if (this.#feed === undefined || this.#fence !== undefined || this.#draining) return;
    if (this.#outstanding > this.options.batch / 2) return;
    const held = this.options.held();
    // Whoever is behind catches up before he fetches more: thousands of waiting events cost the collector more than
    // they cost the handlers. A batch is enough to work on until the next one is here.
    if (held.events > this.options.batch && this.options.isBehind()) return;
    // Nor does it help to be ahead of the acks: a hundred aggregates are settled a hundred at a time.
    if (this.options.unconfirmed() > MAX_BATCHES_UNCONFIRMED * this.options.batch) return;
    const load = {
      outstanding: this.#outstanding,
      held: held.events,
      heldBytes: held.bytes,
      averageBytes: this.#averageBytes,
    };
    this.#pull(pullSize(load, this.options));
  }

  /**
   * Replenishes once per turn. In the middle of a read a pull is answered within the same read, and in the middle of a
   * turn that starts handlers no head seems to wait while each runs for a moment: either way events come in faster than
   * lanes work them off, to wait there by the thousand.
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
    this.#heard = true;
    if (!this.#gate.admits(event.origin.consumerSequence) && !isSabotaged('no-gate')) {
      this.#break(
        `expected delivery ${this.#gate.expected}, found ${event.origin.consumerSequence}: deliveries were lost or went elsewhere`,
      );
      return;
    }
    this.#outstanding = Math.max(0, this.#outstanding - 1);
    this.#averageBytes += (event.origin.body.length - this.#averageBytes) / 64;
    if (this.#fence === undefined) {
      // First, so that in the next turn the pull leaves before handlers run, and the server works meanwhile.
      this.replenishSoon();
      this.options.delivered(event);
      return;
    }
    this.#progressAt = this.options.clock.now();
    this.#fence.hold(event);
    if (this.#fence.isOpen) this.#openFence(this.#fence);
  }

  idle(deliveredConsumerSequence: number): void {
    this.#heardAt = this.options.clock.now();
    if (this.#gate.agreesWith(deliveredConsumerSequence) || isSabotaged('no-gate')) return;
    this.#break(
      `expected ${this.#gate.expected - 1} deliveries so far, found that the server counts ${deliveredConsumerSequence}`,
    );
  }

  pullEnded(unused: number): void {
    this.#heardAt = this.options.clock.now();
    this.#outstanding = Math.max(0, this.#outstanding - unused);
    if (this.#fence === undefined) this.replenish();
    else this.#pull(this.#fence.missing);
  }

  lost(reason: string): void {
    this.#break(reason);
  }

  #openFence(fence: Fence): void {
    this.#fence = undefined;
    this.options.released(fence.release());
    this.replenish();
  }

  #pull(events: number): void {
    if (this.#feed === undefined || events < 1) return;
    const { pullExpiresMs, remainingMs } = this.options;
    const expiresMs = isSabotaged('pull-outlives-lease') ? 30_000 : Math.min(pullExpiresMs, remainingMs());
    if (expiresMs < MIN_EXPIRES_MS) return;
    this.#outstanding += events;
    this.#heardAt = this.options.clock.now();
    this.#feed.pull({ events, expiresMs, idleHeartbeatMs: heartbeatOf(expiresMs) });
  }

  /** Finds what no message tells: a fence that will not open, a feed that fell silent, room nobody asked to fill. */
  #look(): void {
    if (this.#feed === undefined) return;
    const now = this.options.clock.now();
    if (this.#fence !== undefined && now - this.#progressAt > FENCE_PATIENCE_MS) {
      this.#break(
        `expected ${this.#fence.missing} more unsettled events, found none for ${FENCE_PATIENCE_MS} ms`,
      );
      return;
    }
    if (this.#heard) this.#heardAt = now;
    this.#heard = false;
    const silentMs = now - this.#heardAt;
    if (this.#outstanding > 0 && silentMs > MISSED_HEARTBEATS * heartbeatOf(this.options.pullExpiresMs)) {
      this.#break(`expected an event or a heartbeat, heard nothing for ${Math.round(silentMs)} ms`);
      return;
    }
    this.replenish();
  }

  #break(reason: string): void {
    this.close();
    this.options.broken(reason);
  }
}

function heartbeatOf(expiresMs: number): number {
  return Math.max(10, Math.floor(expiresMs / 3));
}
