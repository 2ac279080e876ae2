import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../clock.js';
import type { KeyedExecutor } from '../executor/keyed-executor.js';
import type { Delivery } from '../message/delivery.js';
import type { OrderedAcks } from '../settlement/ordered-acks.js';
import type { Ledger } from './position/ledger.js';
import type { LaneEntry, ParkedLanes } from './handling/letter-lanes.js';
import type { Suspects } from './handling/suspects.js';

export interface IntakeOptions {
  readonly ledger: Ledger;
  readonly executor: KeyedExecutor<LaneEntry>;
  readonly parkedLanes: Pick<ParkedLanes, 'isParked' | 'takes' | 'overShare'>;
  readonly acks: OrderedAcks;
  readonly suspects: Suspects;
  /** Events delivered and not settled, over all aggregates. */
  readonly maxAckPending: number;
  readonly clock: Clock;
  /** All that the fence let through has gone on; from now on letters may be worked off. */
  readonly opened: () => void;
  /** True if a partition of the layout before had settled the event. */
  readonly isSettledBefore: (event: Delivery) => boolean;
  /** Such an event is acked and not handled. */
  readonly passOver: (event: Delivery) => void;
  /** An old event came that nobody asked for and that is not known here. */
  readonly disordered: (reason: string) => void;
}

/** The part of all unsettled events that one aggregate may hold while its head does not move. */
const MAX_SHARE = 0.25;
/** What has not killed its process after running alone for so long goes on beside others: it may just hang. */
export const ALONE_MS = 2_000;

/**
 * Where events come in: decides for each whether it goes to its lane, is ignored because it is there already,
 * or is acked again because it is done. Its modes:
 *
 * - `open`: events go on as they come.
 * - `alone`: events that were started by owners that died run one after the other, with nothing beside them;
 *   everything else is held, and no letter is worked off: an event that is a letter already may be among those held, and
 *   must be known as one before its aggregate is live again. Entered when the fence lets such events through, left when each has had an attempt, or
 *   the time for one.
 */
export class Intake {
  #held: Delivery[] | undefined;
  /** The event that runs alone, and what to do when it has had its attempt, or cannot have one. */
  #alone: { readonly event: Delivery; readonly ended: () => void } | undefined;
  /** Those that hung alone, and shall hold up nothing a second time. */
  readonly #hung = new Set<number>();

  readonly #share: number;

  constructor(private readonly options: IntakeOptions) {
    this.#share = Math.max(1, Math.floor(options.maxAckPending * MAX_SHARE));
  }

  /** True while events are held that the ledger does not know yet. */
  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /** Events held, and not in the ledger: they count against the same limits. */
  get held(): number {
    return this.#held?.length ?? 0;
  }

  /** Everything the fence held, in stream order. */
  released(events: readonly Delivery[]): void {
    this.forget();
    for (const { sequence } of events) this.options.acks.reached(sequence);
    const { suspects, parkedLanes } = this.options;
    const alone = events.filter(
      (event) =>
        suspects.startsOf(event.sequence) > 0 &&
        suspects.isSuspect(event.sequence) &&
        !this.options.isSettledBefore(event) &&
        !parkedLanes.isParked(event.token) &&
        !suspects.isExhausted(event.sequence) &&
        !this.#hung.has(event.sequence) &&
        !this.#runsSinceBefore(event),
    );
    if (alone.length > 0) {
      void this.#runAlone(alone, [...events]);
      return;
    }
    for (const event of events) this.#takeIn(event);
    this.options.opened();
  }

  /** The next event behind the fence. */
  delivered(event: Delivery): void {
    // Here and not when it is taken in: what is held may be taken in when the server that delivered it is gone.
    this.options.acks.reached(event.sequence);
    if (this.#held !== undefined) {
      this.#held.push(event);
      return;
    }
    const { ledger } = this.options;
    const isOld = event.sequence <= ledger.highest && !isSabotaged('retry-by-nak');
    if (isOld && ledger.know(event.sequence) === 'new') {
      this.options.disordered(`event ${event.sequence} came again unasked, behind ${ledger.highest}`);
      return;
    }
    this.#takeIn(event);
  }

  /**
   * An attempt at this event has ended. `goesOn` says that its lane goes on with the next event; if it does
   * not, nothing behind it will run soon, and nothing else may wait for that.
   */
  attempted({ token, sequence }: Delivery, goesOn: boolean): void {
    if (this.#alone?.event.token !== token) return;
    if (this.#alone.event.sequence === sequence || !goesOn) this.#alone.ended();
  }

  /** Drops what is held: it will be delivered again, here or elsewhere. */
  forget(): void {
    this.#held = undefined;
    this.#alone = undefined;
  }

  /**
   * A handler of an earlier epoch still runs in its lane: nothing can start there until it ends, and this process
   * has survived it so far.
   */
  #runsSinceBefore({ token, sequence }: Delivery): boolean {
    const { executor, ledger } = this.options;
    return executor.sizeOf(token) > 0 && ledger.know(sequence) === 'new';
  }

  async #runAlone(alone: readonly Delivery[], held: Delivery[]): Promise<void> {
    this.#held = held;
    for (const suspect of alone) {
      // It may have run beside one before it, as an earlier event of the same aggregate.
      if (!this.options.suspects.isSuspect(suspect.sequence)) continue;
      // One before it may have parked their aggregate.
      if (this.options.parkedLanes.isParked(suspect.token)) continue;
      const ended = new Promise<void>((resolve) => {
        this.#alone = { event: suspect, ended: resolve };
      });
      // Its aggregate's earlier events first: they are handled, or as suspect as itself.
      for (const event of held) {
        if (event.token === suspect.token && event.sequence <= suspect.sequence) this.#takeIn(event);
      }
      const late = delay(this.options.clock, ALONE_MS).then(() => true);
      const hangs = await Promise.race([ended, late]);
      if (this.#held !== held) return;
      if (hangs === true) this.#hung.add(suspect.sequence);
    }
    this.#held = undefined;
    this.#alone = undefined;
    for (const event of held) this.#takeIn(event);
    this.options.opened();
  }

  #takeIn(event: Delivery): void {
    const { ledger, acks, executor, parkedLanes } = this.options;
    switch (ledger.know(event.sequence)) {
      case 'in flight':
        return;
      case 'done':
        acks.redelivered(event);
        return;
      case 'new':
        ledger.takeIn(event);
        if (this.options.isSettledBefore(event)) {
          this.options.passOver(event);
          return;
        }
        if (parkedLanes.takes(event)) return;
        // The server delivers in stream order, so an aggregate's share of the intake cannot be refused.
        if (executor.push(event.token, event) === this.#share) parkedLanes.overShare(event.token);
    }
  }
}
