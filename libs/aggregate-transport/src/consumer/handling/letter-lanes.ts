import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../../clock.js';
import { describeError, hasCode } from '../../errors.js';
import { CLOSE, KeyedExecutor, NEXT, type Step } from '../../executor/keyed-executor.js';
import type { Log } from '../../log.js';
import { Delivery } from '../../message/delivery.js';
import type { ParkNote } from '../../message/park-reason.js';
import type { Parking } from '../../parking/parking.js';
import { BreakerProbe } from '../breaker/breaker-probe.js';
import type { Breaker } from '../breaker/breaker.js';
import { type LaneEntry, ReplayItem } from './lane-entry.js';
import type { LaneListener, LaneObserver } from './lane-listener.js';
import { type LaneBytes, StuckLanes } from './stuck-lanes.js';

/** Replays letters, and must know of a letter that is settled elsewhere. */
export interface DetourListener {
  /** An aggregate's head was handled in its lane although it is its first letter, and with it all up to `through`. */
  noteHeadHandled(token: string, through: number): void;
}

export interface LetterLanesOptions {
  readonly name: string;
  readonly parking: Parking;
  /** The lanes whose heads reach handlers. */
  readonly lanes: KeyedExecutor<LaneEntry>;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: LaneListener;
  readonly detours: DetourListener;
  readonly observer: Pick<LaneObserver, 'parked'>;
  readonly bytes: LaneBytes;
}

/** A lane on its way to letters. */
interface Diversion {
  readonly head: Delivery;
  /** The head was handled, or parked, or is of an earlier tenure: it becomes no letter. */
  settled: boolean;
  /** Marker and first letter are confirmed. */
  done: boolean;
  /** The write under way. */
  attempt: Promise<void>;
}

/** Aggregates whose letters are written at once. */
const FILING_AT_ONCE = 64;
/** Events of one aggregate that one write takes, and their bytes. */
const MAX_LETTERS_A_WRITE = 256;
const MAX_LETTER_BYTES_A_WRITE = 1_048_576;
const TRY_AGAIN_MS = 500;
const WAIT_FOR_PROBE_MS = 1_000;

/**
 * The detour of parked aggregates: their events go into lanes of their own, where each becomes a letter, while all
 * other aggregates continue. An aggregate is on the detour from the moment of the decision, before its marker is
 * written. The lane of letters stays closed until marker and first letter are confirmed.
 */
export class LetterLanes {
  /** Events that became letters. */
  filed = 0;
  /** Why an event could not become a letter, until one can again. */
  refusal: string | undefined;
  /** Where events become letters. */
  readonly filing: KeyedExecutor<Delivery>;
  /** What is still to be done for a head that is to be parked or skipped, because the server did not answer. */
  readonly #unfinished = new Map<Delivery, () => Promise<void>>();
  /** Diversions under way, by aggregate. */
  readonly #diverting = new Map<string, Diversion>();
  readonly #stuckLanes: StuckLanes;
  readonly #replaying = new Set<string>();
  readonly #probe: BreakerProbe<LaneEntry>;

  constructor(private readonly options: LetterLanesOptions) {
    const { clock, breaker } = options;
    this.filing = new KeyedExecutor<Delivery>({
      concurrency: FILING_AT_ONCE,
      clock,
      run: (event) => this.#file(event),
      broke: (_event, error) => {
        this.#report(error);
        return TRY_AGAIN_MS;
      },
    });
    this.#stuckLanes = new StuckLanes({ lanes: options.lanes, bytes: options.bytes, clock, listener: this });
    this.#probe = new BreakerProbe({ lanes: options.lanes, breaker, clock, listener: options.listener });
  }

  isParked(token: string): boolean {
    return this.options.parking.isParked(token);
  }

  /** The event of a parked aggregate becomes a letter. */
  pushToLetters(event: Delivery): void {
    this.filing.push(event.token, event);
  }

  /** True while events of the aggregate, up to this sequence, are on their way to become letters. */
  isFiling(token: string, through = Number.POSITIVE_INFINITY): boolean {
    const first = this.filing.laneOf(token)?.head;
    return first !== undefined && first.sequence <= through;
  }

  /** What is left to do for this head before it is settled, if anything. */
  unfinished(event: Delivery): Promise<Step> | undefined {
    const rest = this.#unfinished.size === 0 ? undefined : this.#unfinished.get(event);
    return rest === undefined ? undefined : this.#finish(event, rest);
  }

  /**
   * Parks the head of a lane, and with it what follows. While most aggregates fail the breaker forbids it, and the
   * head waits in its place.
   */
  park(event: Delivery, note: ParkNote): Step | Promise<Step> {
    const { breaker, clock, parking, log, name } = this.options;
    const wasOpen = breaker.isOpen;
    if (!breaker.requestPark(event.token, event.firstStartedAt, clock.now())) {
      if (breaker.prober !== event.token) return WAIT_FOR_PROBE_MS;
      if (!wasOpen) {
        log.error(
          `${name}: most attempts fail and ${breaker.limit} aggregates were parked within ${breaker.options.withinMs} ms; ` +
            `the partition pauses and tries one aggregate every ${breaker.options.probeEveryMs} ms (${note.error})`,
        );
      }
      return breaker.options.probeEveryMs;
    }
    const wasDiverted = parking.isParked(event.token);
    if (!wasDiverted) this.#detour(event.token);
    return this.#finish(event, async () => {
      await this.#diverting.get(event.token)?.attempt;
      await parking.park(event, note);
      this.#diverting.delete(event.token);
      this.filing.open(event.token);
      this.options.observer.parked(event, note);
    });
  }

  /** The event becomes a letter of its own, and its aggregate continues without it. */
  skip(event: Delivery, note: ParkNote): Promise<Step> {
    return this.#finish(event, async () => {
      await this.options.parking.skip(event, note);
      if (this.isHeadOfDetour(event)) await this.#removeHead(event);
    });
  }

  /** True if this handled head is on the detour too, as its aggregate's first letter. */
  isHeadOfDetour(event: Delivery): boolean {
    return this.#diverting.size > 0 && this.#diverting.get(event.token)?.head === event;
  }

  /**
   * The head of a diverted lane is handled: its letter goes, then it is settled. `through` is the last event that was
   * handled with it: the letters up to there are removed when they are replayed, and not handled again.
   */
  settleHead(event: Delivery, through = event.sequence): Promise<Step> {
    const diversion = this.#diverting.get(event.token);
    if (diversion !== undefined) diversion.settled = true;
    return this.#finish(event, () => this.#removeHead(event, through));
  }

  /** Watches the lane of this aggregate: it holds its share of the intake. */
  watchShare(token: string): void {
    this.#stuckLanes.add(token);
  }

  /** Replays the letters of an aggregate in its lane, after what runs there. */
  replay(token: string): void {
    if (this.#replaying.has(token)) return;
    this.#replaying.add(token);
    this.options.lanes.push(token, new ReplayItem(token));
  }

  /** The aggregate's lane is done with its letters, for now or for good. */
  noteReplayEnded(token: string): void {
    this.#replaying.delete(token);
  }

  /** The lease is lost: everything that is not a letter yet will come again, here or elsewhere. */
  forget(): void {
    this.#probe.leave();
    this.filing.discardQueued(() => undefined);
    this.#unfinished.clear();
    this.refusal = undefined;
    this.#diverting.clear();
    this.#stuckLanes.forget();
    this.#replaying.clear();
    this.options.parking.forget();
  }

  close(): void {
    this.#stuckLanes.close();
    this.#probe.close();
    this.filing.stop();
    this.options.parking.close();
  }

  /** From now on events of the aggregate go into the lane of letters, which stays closed until its marker stands. */
  #detour(token: string): void {
    this.options.parking.begin(token);
    this.filing.close(token);
    for (const entry of this.options.lanes.takeTail(token)) {
      if (entry instanceof ReplayItem) this.options.lanes.push(token, entry);
      else this.filing.push(token, entry);
    }
  }

  /** The head of a diverted lane is settled: it is no letter any more, and never will be. */
  async #removeHead({ token, sequence }: Delivery, through = sequence): Promise<void> {
    const { parking, detours } = this.options;
    const diversion = this.#diverting.get(token);
    if (diversion !== undefined) diversion.settled = true;
    detours.noteHeadHandled(token, through);
    await diversion?.attempt;
    const parked = parking.find(token);
    if (parked === undefined || parked.revision === 0) return;
    const letter = await parking.head(parked);
    if (letter?.note.sequence === sequence) await parking.remove(parked, letter);
    if (diversion?.done === true && this.#diverting.get(token) === diversion) this.#diverting.delete(token);
  }

  async #finish(event: Delivery, rest: () => Promise<void>): Promise<Step> {
    const { listener } = this.options;
    this.#unfinished.set(event, rest);
    try {
      await rest();
    } catch (error) {
      this.#report(error);
      return listener.isCurrent(event) ? TRY_AGAIN_MS : NEXT;
    }
    this.#unfinished.delete(event);
    this.refusal = undefined;
    if (listener.isCurrent(event)) listener.settled(event);
    return NEXT;
  }

  #file(event: Delivery): Step | Promise<Step> {
    const { parking, listener } = this.options;
    if (!listener.mayStart()) return CLOSE;
    if (event.sequence > (parking.find(event.token)?.lastSequence ?? 0)) return this.#store(event);
    listener.settled(event);
    return NEXT;
  }

  async #store(event: Delivery): Promise<Step> {
    const { parking, listener } = this.options;
    if (isSabotaged('settle-before-letter')) listener.settled(event);
    let stored: number;
    try {
      stored = await parking.file(event.token, waitingFrom(event));
    } catch (error) {
      this.#report(error);
      return listener.isCurrent(event) ? TRY_AGAIN_MS : NEXT;
    }
    this.refusal = undefined;
    if (!listener.isCurrent(event)) return NEXT;
    this.filed += stored;
    // What was stored with it is settled when it becomes the head.
    listener.settled(event);
    return NEXT;
  }

  #report(error: unknown): void {
    if (hasCode(error, 'LEASE_LOST') || this.refusal !== undefined) return;
    this.refusal = describeError(error);
    const { log, name } = this.options;
    log.error(`${name}: a parked event could not be stored, its aggregate waits: ${this.refusal}`);
  }

  /**
   * The head of this lane does not move, and too much stands behind it. True if a detour was begun.
   *
   * A head of an earlier tenure becomes no letter: what stands behind it may begin below it.
   * 1. An owner handles 1 and 2 of an aggregate and hangs in 3. No commit says so, and its lease ends.
   * 2. It owns the partition again. The reader brings 1, 2, 3, 4, which wait in the lane behind the hanging 3.
   * 3. With 3 as the first letter, 1 and 2 would count as letters already, and be settled without a handler.
   */
  divert(token: string, head: LaneEntry, mode: string): boolean {
    if (head instanceof ReplayItem || (mode !== 'running' && mode !== 'waiting')) return false;
    const { log, name, listener } = this.options;
    log.error(
      `${name}: aggregate "${head.aggregateId}" holds a large part of the intake and its head (sequence ${head.sequence}) ` +
        'does not settle; later events become letters, which are replayed once it has settled',
    );
    this.#detour(token);
    this.replay(token);
    const settled = !listener.isCurrent(head) && !isSabotaged('head-of-any-tenure');
    const diversion: Diversion = { head, settled, done: false, attempt: Promise.resolve() };
    this.#diverting.set(token, diversion);
    void this.#divertUntilDone(token, diversion);
    return true;
  }

  async #divertUntilDone(token: string, diversion: Diversion): Promise<void> {
    const { parking, clock } = this.options;
    const note: ParkNote = {
      reason: 'DIVERTED',
      error: 'its head does not settle',
      attempts: diversion.head.attempt,
    };
    while (this.#diverting.get(token) === diversion) {
      diversion.attempt = parking
        .divert(diversion.head, note, () => !diversion.settled)
        .then(() => void (diversion.done = true))
        .catch((error: unknown) => this.#report(error));
      await diversion.attempt;
      if (this.#diverting.get(token) !== diversion) return;
      if (diversion.done) {
        if (diversion.settled) this.#diverting.delete(token);
        this.filing.open(token);
        return;
      }
      await delay(clock, TRY_AGAIN_MS);
    }
  }
}

/** The events of a lane from its head on, as many as one write takes. */
function waitingFrom(head: Delivery): Delivery[] {
  const waiting = [head];
  let bytes = head.origin.body.length;
  for (let next = head.next; next instanceof Delivery; next = next.next) {
    bytes += next.origin.body.length;
    if (waiting.length === MAX_LETTERS_A_WRITE || bytes > MAX_LETTER_BYTES_A_WRITE) break;
    waiting.push(next);
  }
  return waiting;
}
