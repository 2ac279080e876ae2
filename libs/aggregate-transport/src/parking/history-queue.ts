import { reached } from '#sabotage';
import type { Clock, Timer } from '../clock.js';
import type { Delivery } from '../message/delivery.js';
import type { StreamState } from '../message/reader-port.js';
import type { Letter } from '../records/letter.js';
import type { MarkedReplay } from '../records/marker.js';
import { MAX_UNNOTED } from './letter-queue.js';
import type { NoteTaker, NoteTurns } from './note-turns.js';
import type { Parked } from './parked-aggregate.js';

/** The history of one aggregate, as the leader of the topic's stream knows it. */
export interface HistoryPort {
  /** @throws JETSTREAM_REQUEST_FAILED */
  next(token: string, fromSequence: number): Promise<Delivery | undefined>;
  /** @throws JETSTREAM_REQUEST_FAILED */
  stream(): Promise<StreamState>;
}

export interface HistoryQueueOptions {
  readonly port: HistoryPort;
  readonly clock: Clock;
  readonly turns: NoteTurns;
  /** Throws LEASE_LOST once the partition may belong to another process. */
  readonly check: () => void;
  /** Writes into the marker what is left of the replay. */
  readonly note: (replay: MarkedReplay) => Promise<void>;
}

/** The least pause before a note, in milliseconds: it tells of all events that were handled meanwhile. */
const NOTE_EVERY_MS = 5;
const NANOS_PER_MS = 1_000_000n;

/**
 * The events of a replay that are not handled again yet, for one tenure. The next one is on its way while one is
 * handled.
 *
 * The marker notes up to where they are handled, one note at a time, as `LetterQueue` does. A process that dies leaves
 * events that were handled and not noted: those since the last confirmed note, at most {@link MAX_UNNOTED}. The next
 * owner handles them again, from the first one on.
 *
 * The end is believed only of a leader whose stream reaches so far.
 */
export class HistoryQueue implements NoteTaker {
  /** The first sequence that is not handled again. */
  #from: number;
  #noted: number;
  #unnoted = 0;
  #next: { readonly from: number; readonly event: Promise<Letter | undefined> } | undefined;
  #timer: Timer | undefined;
  #working: Promise<void> | undefined;
  /** The last note was not answered. */
  #hasFailed = false;
  #isClosed = false;

  constructor(
    private readonly parked: Pick<Parked, 'token' | 'identity'>,
    private readonly replay: MarkedReplay,
    private readonly options: HistoryQueueOptions,
  ) {
    this.#from = this.#noted = replay.from;
  }

  /** Of the command that asked for the replay. */
  get id(): string {
    return this.replay.id;
  }

  /** What is handled is being noted, or is about to be. */
  get isWorking(): boolean {
    return this.#working !== undefined || this.#timer !== undefined || this.options.turns.isWaiting(this);
  }

  /**
   * The first event that is not handled again; undefined if none is left.
   * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async first(): Promise<Letter | undefined> {
    if (this.#hasFailed || this.#unnoted >= MAX_UNNOTED) await this.removed();
    this.options.check();
    if (this.#from > this.replay.to) return undefined;
    if (this.#next?.from !== this.#from) this.#ask();
    const asked = this.#next;
    try {
      const event = await asked?.event;
      if (event === undefined) this.done({ sequence: this.replay.to });
      return event;
    } catch (error) {
      if (this.#next === asked) this.#next = undefined;
      throw error;
    }
  }

  /** Everything up to this event is handled, or dropped. */
  done({ sequence }: { readonly sequence: number }): void {
    reached('replay: event handled');
    if (sequence < this.#from || this.#isClosed) return;
    this.#from = sequence + 1;
    this.#unnoted++;
    if (this.#from <= this.replay.to) this.#ask();
    this.#workSoon();
  }

  /** Drops all that is left. */
  drop(): void {
    this.done({ sequence: this.replay.to });
  }

  /**
   * Resolves when everything that is handled is noted.
   * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async removed(): Promise<void> {
    while (this.#working !== undefined || this.#noted < this.#from) await this.#work();
  }

  noteInTurn(): Promise<void> {
    return this.#work().catch(() => undefined);
  }

  /** The tenure is over, or another replay begins: nothing is noted any more. */
  close(): void {
    this.#isClosed = true;
    this.#stopWaiting();
    this.#noted = this.#from;
    this.#next = undefined;
  }

  #ask(): void {
    const from = this.#from;
    const event = this.#find(from);
    // It may fail before it is awaited.
    event.catch(() => undefined);
    this.#next = { from, event };
  }

  async #find(from: number): Promise<Letter | undefined> {
    const { port } = this.options;
    const { token } = this.parked;
    const { to } = this.replay;
    for (;;) {
      const found = await port.next(token, from);
      if (found !== undefined) return found.sequence > to ? undefined : this.#letterOf(found);
      // A leader that was deposed may know less.
      if ((await port.stream()).lastSequence >= to) return undefined;
      this.options.check();
    }
  }

  #letterOf({ token, sequence, origin }: Delivery): Letter {
    const { identity } = this.parked;
    const { created, run, handledThrough } = this.replay;
    const storedAt = Number(BigInt(origin.readStoredAt()) / NANOS_PER_MS);
    return {
      token,
      // Letters have positions above 0.
      position: -sequence,
      note: { marker: identity, sequence, stream: created, run, storedAt },
      headers: origin.readHeaders(),
      body: origin.body,
      isReplay: sequence <= handledThrough,
    };
  }

  #workSoon(): void {
    // What failed is sent again before the next event is given out.
    if (this.#isClosed || this.#hasFailed || this.isWorking) return;
    this.#timer = this.options.clock.after(NOTE_EVERY_MS, () => {
      this.#timer = undefined;
      this.options.turns.ask(this);
    });
  }

  #stopWaiting(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.options.turns.leave(this);
  }

  #work(): Promise<void> {
    this.#stopWaiting();
    this.#working ??= this.#note()
      .then(
        () => {
          this.#hasFailed = false;
        },
        (error: unknown) => {
          this.#hasFailed = true;
          throw error;
        },
      )
      .finally(() => {
        this.#working = undefined;
        if (this.#noted < this.#from) this.#workSoon();
      });
    return this.#working;
  }

  async #note(): Promise<void> {
    if (this.#isClosed || this.#noted >= this.#from) return;
    const from = this.#from;
    const unnoted = this.#unnoted;
    await this.options.note({ ...this.replay, from });
    reached('replay: event noted');
    this.#noted = Math.max(this.#noted, from);
    this.#unnoted -= unnoted;
  }
}
