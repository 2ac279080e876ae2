import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../../clock.js';
import type { Delivery } from '../../message/delivery.js';
import type { ParkNote } from '../../message/park-reason.js';
import type { Parking } from '../../parking/parking.js';
import type { LaneListener } from '../handling/lane-listener.js';
import { TRY_AGAIN_MS } from './filing.js';
import type { LetterRefusal } from './letter-refusal.js';

/** Replays letters, and must know of a letter that is settled elsewhere. */
export interface DetourListener {
  /** An aggregate's head was handled in its lane although it is its first letter, and with it all up to `through`. */
  noteHeadHandled(token: string, through: number): void;
}

export interface DiversionsOptions {
  readonly parking: Parking;
  readonly listener: Pick<LaneListener, 'isCurrent'>;
  readonly detours: DetourListener;
  /** Opens the lane in which an aggregate's events become letters. */
  readonly open: (token: string) => void;
  readonly refusal: LetterRefusal;
  readonly clock: Clock;
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

/**
 * Diverted lanes whose head has not settled: the head runs on in its lane, and is the first letter, too. If it is
 * parked in the end it stands where it belongs. If it is handled its letter goes.
 *
 * A head of an earlier tenure becomes no letter: what stands behind it may begin below it.
 * 1. An owner handles 1 and 2 of an aggregate and hangs in 3. No commit says so, and its lease ends.
 * 2. It owns the partition again. The reader brings 1, 2, 3, 4, which wait in the lane behind the hanging 3.
 * 3. With 3 as the first letter, 1 and 2 would count as letters already, and be settled without a handler.
 */
export class Diversions {
  /** By aggregate. */
  readonly #underWay = new Map<string, Diversion>();

  constructor(private readonly options: DiversionsOptions) {}

  /** Begins to write the marker, and the head as the first letter. */
  begin(head: Delivery): void {
    const settled = !this.options.listener.isCurrent(head) && !isSabotaged('head-of-any-tenure');
    const diversion: Diversion = { head, settled, done: false, attempt: Promise.resolve() };
    this.#underWay.set(head.token, diversion);
    void this.#writeUntilDone(head.token, diversion);
  }

  /** True if this head is its aggregate's first letter, too. */
  isHead(event: Delivery): boolean {
    return this.#underWay.size > 0 && this.#underWay.get(event.token)?.head === event;
  }

  /** The head is handled: if it is not a letter yet, it becomes none. */
  noteSettled(token: string): void {
    const diversion = this.#underWay.get(token);
    if (diversion !== undefined) diversion.settled = true;
  }

  /** Resolves when no write of the aggregate's diversion is under way. */
  async whenNoneIsWritten(token: string): Promise<void> {
    await this.#underWay.get(token)?.attempt;
  }

  /** The head is parked: it is a letter like any other. */
  end(token: string): void {
    this.#underWay.delete(token);
  }

  /** The head of a diverted lane is settled: it is no letter any more, and never will be. */
  async removeHead({ token, sequence }: Delivery, through = sequence): Promise<void> {
    const { parking, detours } = this.options;
    const diversion = this.#underWay.get(token);
    this.noteSettled(token);
    detours.noteHeadHandled(token, through);
    await diversion?.attempt;
    const parked = parking.find(token);
    if (parked === undefined || parked.revision === 0) return;
    const letter = await parking.letters.head(parked);
    if (letter?.note.sequence === sequence) parking.letters.done(parked, letter);
    await parking.letters.removed(parked);
    if (diversion?.done === true && this.#underWay.get(token) === diversion) this.#underWay.delete(token);
  }

  forget(): void {
    this.#underWay.clear();
  }

  async #writeUntilDone(token: string, diversion: Diversion): Promise<void> {
    const { parking, refusal, clock, open } = this.options;
    const note: ParkNote = {
      reason: 'DIVERTED',
      error: 'its head does not settle',
      attempts: diversion.head.attempt,
    };
    while (this.#underWay.get(token) === diversion) {
      diversion.attempt = parking
        .divert(diversion.head, note, () => !diversion.settled)
        .then(() => void (diversion.done = true))
        .catch((error: unknown) => refusal.note(error));
      await diversion.attempt;
      if (this.#underWay.get(token) !== diversion) return;
      if (diversion.done) {
        if (diversion.settled) this.#underWay.delete(token);
        open(token);
        return;
      }
      await delay(clock, TRY_AGAIN_MS);
    }
  }
}
