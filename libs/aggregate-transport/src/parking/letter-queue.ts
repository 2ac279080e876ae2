import { reached } from '#sabotage';
import type { Clock, Timer } from '../clock.js';
import type { LogAt } from '../log.js';
import { aggregateIdOf } from '../message/subject.js';
import type { Letter } from '../records/letter.js';
import type { LetterRoom } from './letter-room.js';
import type { NoteTaker, NoteTurns } from './note-turns.js';
import type { Parked } from './parked-aggregate.js';
import type { ParkedPort } from './parked-port.js';

/** Letters that one request brings at most. */
export const PAGE_LETTERS = 256;
/** The next page is asked for when this part of what the last one brought, or less, is left in memory. */
const READ_AHEAD_AT = 0.5;
/** Letters of one aggregate that are worked through and not noted in its marker. A crash repeats no more than these. */
export const MAX_UNNOTED = 256;
/** The least pause before a note, in milliseconds: it tells of all letters that were worked through meanwhile. */
const NOTE_EVERY_MS = 5;

export interface LetterQueueOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly port: Pick<ParkedPort, 'next' | 'page' | 'removeLetter' | 'removeThrough'>;
  readonly log: LogAt<'partition'>;
  readonly clock: Clock;
  readonly room: LetterRoom;
  readonly turns: NoteTurns;
  /** Throws LEASE_LOST once the partition may belong to another process. */
  readonly check: () => void;
  /** Writes into the marker that letters up to this position are worked through. */
  readonly note: (position: number) => Promise<void>;
}

/**
 * The letters of one parked aggregate, for one tenure. They are read ahead in pages, and noted and removed in batches.
 * So a letter costs no round trip of its own.
 *
 * Reading:
 * 1. The leader of the parked stream tells the first letter: no letter that it has removed is seen again.
 * 2. Pages bring what follows, from any replica. Letters are only added at the end and only removed at the front, by
 *    this owner. So a page after a letter that stands has no hole. From a replica that lags it is short.
 * 3. When a page brings nothing the leader is asked again. Only the leader says that no letter is left.
 *
 * Working through:
 * 1. A letter that is handled or dropped is taken off here at once, and is never returned again.
 * 2. The marker notes the last one, at most every {@link NOTE_EVERY_MS}, and when its turn among the aggregates of the
 *    partition comes ({@link NoteTurns}). One note is on its way.
 * 3. Letters that are noted are removed: the front of the subject, as one write. Letters of other markers must stay;
 *    where one was seen, letters are removed one by one.
 * 4. Without an answer to 2 or 3 no further letter is handed out, and both are sent again.
 *
 * Why a note comes before a removal, which no server compares with anything:
 * 1. An owner handles letters 1 to 5, and their removal is late. Its lease ends.
 * 2. Its successor finds all five, and begins with 1 again.
 * 3. The removal arrives. The successor dies after 2, and the next owner begins with 6: 3 to 5 never follow.
 * The marker is compared. A note of 5 that is late is refused, because the successor has written the marker. Every
 * successor knows a confirmed note, and handles no letter up to it.
 *
 * A process that dies leaves letters that were handled and not noted: those after the last confirmed note, at most
 * {@link MAX_UNNOTED}. The next owner handles them again, from the first one on.
 */
export class LetterQueue implements NoteTaker {
  /** In memory, first letter first; those before {@link #from} are taken off. */
  #letters: Letter[] = [];
  #from = 0;
  /** The position of the last letter read. */
  #readThrough = 0;
  /** Letters up to this position were told of, if they belong to no marker that counts. */
  #toldThrough = 0;
  #hasStrangers = false;
  #reading: Promise<void> | undefined;
  /** Letters that the last page brought. */
  #lastPage = 0;
  /** Counts the times that all letters in memory were dropped: pages of before count for nothing. */
  #generation = 0;
  /** Positions that are worked through and not noted. */
  #owed: number[] = [];
  /** Positions that are noted and not removed. */
  #noted: number[] = [];
  #doneThrough = 0;
  #timer: Timer | undefined;
  #working: Promise<void> | undefined;
  /** The last note or removal was not answered. */
  #hasFailed = false;
  #isClosed = false;

  constructor(
    private readonly parked: Pick<Parked, 'token' | 'identity' | 'tail' | 'marker'>,
    private readonly options: LetterQueueOptions,
  ) {}

  /** Letters are being noted or removed, or are about to be. */
  get isWorking(): boolean {
    return this.#working !== undefined || this.#timer !== undefined || this.options.turns.isWaiting(this);
  }

  /**
   * The first letter that is not worked through; undefined if the leader knows none.
   * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async first(): Promise<Letter | undefined> {
    if (this.#hasFailed || this.#owed.length >= MAX_UNNOTED) await this.removed();
    for (;;) {
      // After the end of the tenure nothing is taken any more, so nothing would end this.
      this.options.check();
      const letter = this.#letters[this.#from];
      if (letter !== undefined) {
        this.#readAhead();
        return letter;
      }
      if (this.#reading !== undefined) {
        await this.#reading;
        continue;
      }
      const found = await this.options.port.next(this.parked.token, this.#readThrough);
      if (found === undefined) return undefined;
      this.#take(found);
    }
  }

  /** The first letter is handled, or dropped: it is taken off, and is noted and removed soon. */
  done({ position }: Pick<Letter, 'position'>): void {
    reached('retry: letter handled');
    const first = this.#letters[this.#from];
    if (first?.position === position) this.#drop(first);
    if (this.#isClosed) return;
    this.#doneThrough = Math.max(this.#doneThrough, position);
    this.#owed.push(position);
    this.#workSoon();
  }

  /**
   * Resolves when every letter that is worked through is noted and removed.
   * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async removed(): Promise<void> {
    while (this.#working !== undefined || this.#owed.length + this.#noted.length > 0) await this.#work();
  }

  /** Nothing is replayed for now: gives the memory back. */
  rest(): void {
    for (const letter of this.#letters.slice(this.#from)) this.options.room.give(sizeOf(letter));
    this.#letters = [];
    this.#from = 0;
    this.#readThrough = this.#doneThrough;
    this.#generation++;
  }

  /** The tenure is over: nothing is read or removed any more. */
  close(): void {
    this.#isClosed = true;
    this.#stopWaiting();
    this.#owed = [];
    this.#noted = [];
    this.rest();
  }

  #readAhead(): void {
    const { token, tail } = this.parked;
    const left = this.#letters.length - this.#from;
    // One letter left always asks: the replica that brought nothing may have caught up.
    const isEnough = left > Math.max(1, READ_AHEAD_AT * this.#lastPage) || this.#readThrough >= tail;
    if (isEnough || this.#reading !== undefined) return;
    const maxBytes = this.options.room.take();
    if (maxBytes === 0) return;
    const generation = this.#generation;
    this.#reading = this.options.port
      .page(token, this.#readThrough, { count: PAGE_LETTERS, maxBytes })
      // The leader is asked when these letters are needed.
      .catch(() => [])
      .then((letters) => {
        this.options.room.give(maxBytes);
        this.#reading = undefined;
        this.#lastPage = letters.length;
        if (this.#generation === generation) for (const letter of letters) this.#take(letter);
      });
  }

  #take(letter: Letter): void {
    const { position, note } = letter;
    if (position <= this.#readThrough || this.#isClosed) return;
    this.#readThrough = position;
    if (note.marker === this.parked.identity) {
      // An owner has worked through it, and died before it was removed.
      if (position <= (this.parked.marker.replayed ?? 0)) this.#noted.push(position);
      else this.#keep(letter);
      return;
    }
    this.#hasStrangers = true;
    if (position <= this.#toldThrough) return;
    this.#toldThrough = position;
    const { name, log } = this.options;
    const aggregate = aggregateIdOf(this.parked.token);
    log.write(
      'letter-without-marker',
      { aggregate, letter: position },
      `${name}: letter ${position} of aggregate "${aggregate}" belongs to no marker ` +
        'that counts (an owner wrote it after its lease had ended, or another program did); it is not replayed',
    );
  }

  #keep(letter: Letter): void {
    this.options.room.force(sizeOf(letter));
    this.#letters.push(letter);
  }

  #drop(letter: Letter): void {
    this.options.room.give(sizeOf(letter));
    this.#from++;
    if (this.#from < PAGE_LETTERS && this.#from < this.#letters.length) return;
    this.#letters = this.#letters.slice(this.#from);
    this.#from = 0;
  }

  /** What failed is sent again by the one that asks for the next letter. */
  #workSoon(): void {
    if (this.#hasFailed || this.#isClosed || this.isWorking) return;
    this.#timer = this.options.clock.after(NOTE_EVERY_MS, () => {
      this.#timer = undefined;
      this.options.turns.ask(this);
    });
  }

  noteInTurn(): Promise<void> {
    return this.#work().catch(() => undefined);
  }

  #stopWaiting(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.options.turns.leave(this);
  }

  #work(): Promise<void> {
    this.#stopWaiting();
    this.#working ??= this.#noteAndRemove().finally(() => {
      this.#working = undefined;
      if (this.#owed.length > 0) this.#workSoon();
    });
    return this.#working;
  }

  async #noteAndRemove(): Promise<void> {
    try {
      await this.#note([...this.#owed]);
      await this.#remove([...this.#noted]);
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  async #note(positions: readonly number[]): Promise<void> {
    const last = positions.at(-1);
    if (last === undefined) return;
    await this.options.note(last);
    reached('retry: letter noted');
    this.#noted.push(...positions);
    this.#owed = this.#owed.slice(positions.length);
  }

  async #remove(positions: readonly number[]): Promise<void> {
    const { port, check } = this.options;
    check();
    if (positions.length > 1 && !this.#hasStrangers) {
      await port.removeThrough(this.parked.token, positions.at(-1) ?? 0);
    } else {
      for (const position of positions) await port.removeLetter(position);
    }
    reached('retry: letter removed');
    this.#noted = this.#noted.slice(positions.length);
  }
}

/** What an object with its headers takes besides its body, in bytes. */
const OVERHEAD_BYTES = 1_024;

function sizeOf({ body }: Letter): number {
  return body.length + OVERHEAD_BYTES;
}
