import { isSabotaged } from '#sabotage';
import type { Clock } from '../../clock.js';
import { CLOSE, KeyedExecutor, NEXT, type Step } from '../../executor/keyed-executor.js';
import { Delivery } from '../../message/delivery.js';
import type { Parking } from '../../parking/parking.js';
import type { LaneListener } from '../handling/lane-listener.js';
import type { LetterRefusal } from './letter-refusal.js';

export interface FilingOptions {
  readonly parking: Pick<Parking, 'find' | 'file' | 'letters'>;
  readonly listener: LaneListener;
  readonly refusal: LetterRefusal;
  readonly clock: Clock;
}

/** Aggregates whose letters are written at once. */
const FILING_AT_ONCE = 64;
/** Events of one aggregate that one write takes, and their bytes. */
const MAX_LETTERS_A_WRITE = 256;
const MAX_LETTER_BYTES_A_WRITE = 1_048_576;
/** The server did not store a letter: it is tried again after this time. */
export const TRY_AGAIN_MS = 500;
/** The same while letters are being removed, which makes room in a stream that is full. */
const TRY_SOON_MS = 20;

/** Stores later events of parked aggregates as letters: a lane for each, and as many events a write as wait. */
export class Filing {
  /** Events that became letters. */
  filed = 0;
  readonly lanes: KeyedExecutor<Delivery>;

  constructor(private readonly options: FilingOptions) {
    const { clock, refusal } = options;
    this.lanes = new KeyedExecutor<Delivery>({
      concurrency: FILING_AT_ONCE,
      clock,
      run: (event) => this.#file(event),
      broke: (_event, error) => {
        refusal.note(error);
        return TRY_AGAIN_MS;
      },
    });
  }

  /** True while events of the aggregate, up to this sequence, are on their way to become letters. */
  isFiling(token: string, through = Number.POSITIVE_INFINITY): boolean {
    const first = this.lanes.laneOf(token)?.head;
    return first !== undefined && first.sequence <= through;
  }

  #file(event: Delivery): Step | Promise<Step> {
    const { parking, listener } = this.options;
    if (!listener.mayStart()) return CLOSE;
    if (event.sequence > (parking.find(event.token)?.lastSequence ?? 0)) return this.#store(event);
    listener.settled(event);
    return NEXT;
  }

  async #store(event: Delivery): Promise<Step> {
    const { parking, listener, refusal } = this.options;
    if (isSabotaged('settle-before-letter')) listener.settled(event);
    let stored: number;
    try {
      stored = await parking.file(event.token, waitingFrom(event));
    } catch (error) {
      refusal.note(error);
      if (!listener.isCurrent(event)) return NEXT;
      return parking.letters.areWorking ? TRY_SOON_MS : TRY_AGAIN_MS;
    }
    refusal.clear();
    if (!listener.isCurrent(event)) return NEXT;
    this.filed += stored;
    // What was stored with it is settled when it becomes the head.
    listener.settled(event);
    return NEXT;
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
