import type { Clock } from '../../clock.js';
import { KeyedExecutor, NEXT, type Step } from '../../executor/keyed-executor.js';
import type { LogAt } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import type { ParkNote } from '../../message/park-reason.js';
import type { Parking } from '../../parking/parking.js';
import { BreakerProbe } from '../breaker/breaker-probe.js';
import type { Breaker } from '../breaker/breaker.js';
import { attemptFields } from '../handling/handler-calls.js';
import type { HeadDetour } from '../handling/head-detour.js';
import { type LaneEntry, ReplayItem } from '../handling/lane-entry.js';
import type { LaneListener, LaneObserver } from '../handling/lane-listener.js';
import { type DetourListener, Diversions } from './diversions.js';
import { Filing, TRY_AGAIN_MS } from './filing.js';
import { LetterRefusal } from './letter-refusal.js';
import { type LaneBytes, StuckLanes } from './stuck-lanes.js';

export interface LetterLanesOptions {
  readonly name: string;
  readonly parking: Parking;
  /** The lanes whose heads reach handlers. */
  readonly lanes: KeyedExecutor<LaneEntry>;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
  readonly listener: LaneListener;
  readonly detours: DetourListener;
  readonly observer: Pick<LaneObserver, 'parked'>;
  readonly bytes: LaneBytes;
}

const WAIT_FOR_PROBE_MS = 1_000;

/**
 * The detour of parked aggregates: their events go into lanes of their own, where each becomes a letter, while all
 * other aggregates continue. An aggregate is on the detour from the moment of the decision, before its marker is
 * written. The lane of letters stays closed until marker and first letter are confirmed.
 */
export class LetterLanes implements HeadDetour {
  /** Where events become letters. */
  readonly filing: Filing;
  readonly #refusal: LetterRefusal;
  readonly #diversions: Diversions;
  /** What is still to be done for a head that is to be parked or skipped, because the server did not answer. */
  readonly #unfinished = new Map<Delivery, () => Promise<void>>();
  readonly #stuckLanes: StuckLanes;
  readonly #replaying = new Set<string>();
  readonly #probe: BreakerProbe<LaneEntry>;

  constructor(private readonly options: LetterLanesOptions) {
    const { name, log, clock, breaker, parking, listener, detours } = options;
    const refusal = (this.#refusal = new LetterRefusal(name, log));
    this.filing = new Filing({ parking, listener, refusal, clock });
    const open = (token: string): void => this.filing.lanes.open(token);
    this.#diversions = new Diversions({ parking, listener, detours, open, refusal, clock });
    this.#stuckLanes = new StuckLanes({ lanes: options.lanes, bytes: options.bytes, clock, listener: this });
    this.#probe = new BreakerProbe({ lanes: options.lanes, breaker, clock, listener });
  }

  /** Why an event could not become a letter, until one can again. */
  get refusal(): string | undefined {
    return this.#refusal.why;
  }

  isParked(token: string): boolean {
    return this.options.parking.isParked(token);
  }

  /** The event of a parked aggregate becomes a letter. */
  pushToLetters(event: Delivery): void {
    this.filing.lanes.push(event.token, event);
  }

  unfinished(event: Delivery): Promise<Step> | undefined {
    const rest = this.#unfinished.size === 0 ? undefined : this.#unfinished.get(event);
    return rest === undefined ? undefined : this.#finish(event, rest);
  }

  /** While most aggregates fail the breaker forbids it, and the head waits in its place. */
  park(event: Delivery, note: ParkNote): Step | Promise<Step> {
    const { breaker, clock, parking, log, name } = this.options;
    const wasOpen = breaker.isOpen;
    if (!breaker.requestPark(event.token, event.firstStartedAt, clock.now())) {
      if (breaker.prober !== event.token) return WAIT_FOR_PROBE_MS;
      if (!wasOpen) {
        log.write(
          'breaker-opened',
          {
            aggregates: breaker.limit,
            limitMs: breaker.options.withinMs,
            againInMs: breaker.options.probeEveryMs,
            why: note.error,
          },
          `${name}: most attempts fail and ${breaker.limit} aggregates were parked within ${breaker.options.withinMs} ms; ` +
            `the partition pauses and tries one aggregate every ${breaker.options.probeEveryMs} ms (${note.error})`,
        );
      }
      return breaker.options.probeEveryMs;
    }
    const wasDiverted = parking.isParked(event.token);
    if (!wasDiverted) this.detour(event.token);
    return this.#finish(event, async () => {
      await this.#diversions.whenNoneIsWritten(event.token);
      await parking.park(event, note);
      this.#diversions.end(event.token);
      this.filing.lanes.open(event.token);
      this.options.observer.parked(event, note);
    });
  }

  skip(event: Delivery, note: ParkNote): Promise<Step> {
    return this.#finish(event, async () => {
      await this.options.parking.skip(event, note);
      if (this.isHeadOfDetour(event)) await this.#diversions.removeHead(event);
    });
  }

  isHeadOfDetour(event: Delivery): boolean {
    return this.#diversions.isHead(event);
  }

  settleHead(event: Delivery, through?: number): Promise<Step> {
    this.#diversions.noteSettled(event.token);
    return this.#finish(event, () => this.#diversions.removeHead(event, through));
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

  /** From now on events of the aggregate go into the lane of letters, which stays closed until {@link openLetters}. */
  detour(token: string): void {
    this.options.parking.begin(token);
    this.closeLetters(token);
    for (const entry of this.options.lanes.takeTail(token)) {
      if (entry instanceof ReplayItem) this.options.lanes.push(token, entry);
      else this.filing.lanes.push(token, entry);
    }
  }

  closeLetters(token: string): void {
    this.filing.lanes.close(token);
  }

  openLetters(token: string): void {
    this.filing.lanes.open(token);
  }

  firstWaiting(token: string): number | undefined {
    return this.filing.lanes.laneOf(token)?.head?.sequence;
  }

  isFiling(token: string, through?: number): boolean {
    return this.filing.isFiling(token, through);
  }

  /** The head of this lane does not move, and too much stands behind it. True if a detour was begun. */
  divert(token: string, head: LaneEntry, mode: string): boolean {
    if (head instanceof ReplayItem || (mode !== 'running' && mode !== 'waiting')) return false;
    const { log, name, clock } = this.options;
    log.write(
      'aggregate-stuck',
      stuckFields(head, clock),
      `${name}: aggregate "${head.aggregateId}" holds a large part of the intake and its head (sequence ${head.sequence}) ` +
        'does not settle; later events become letters, which are replayed once it has settled',
    );
    this.detour(token);
    this.replay(token);
    this.#diversions.begin(head);
    return true;
  }

  /** The lease is lost: everything that is not a letter yet will come again, here or elsewhere. */
  forget(): void {
    this.#probe.leave();
    this.filing.lanes.discardQueued(() => undefined);
    this.#unfinished.clear();
    this.#refusal.clear();
    this.#diversions.forget();
    this.#stuckLanes.forget();
    this.#replaying.clear();
    this.options.parking.forget();
  }

  close(): void {
    this.#stuckLanes.close();
    this.#probe.close();
    this.filing.lanes.stop();
    this.options.parking.close();
  }

  async #finish(event: Delivery, rest: () => Promise<void>): Promise<Step> {
    const { listener } = this.options;
    this.#unfinished.set(event, rest);
    try {
      await rest();
    } catch (error) {
      this.#refusal.note(error);
      return listener.isCurrent(event) ? TRY_AGAIN_MS : NEXT;
    }
    this.#unfinished.delete(event);
    this.#refusal.clear();
    if (listener.isCurrent(event)) listener.settled(event);
    return NEXT;
  }
}

/** The head that holds its lane up: who, since when, and what its last attempt failed in, if one did. */
function stuckFields(head: Delivery, clock: Clock) {
  const { lastFailure } = head;
  return {
    ...attemptFields(head, clock),
    ...(lastFailure === undefined ? {} : { stage: lastFailure.stage, why: lastFailure.error }),
  };
}
