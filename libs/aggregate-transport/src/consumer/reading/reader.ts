import { type Clock, delay, every, type Timer } from '../../clock.js';
import { describeError, errorFields } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { Feed, ReaderPort, StreamState } from '../../message/reader-port.js';
import type { PullLoop, PullLoopListener } from './pull-loop.js';
import type { ReadingProof } from './reading-proof.js';
import { checkStream, type KnownEvent, type StreamVerdict } from './stream-check.js';

/** Why a reader was made. */
export type ReaderCause = 'start' | 'reconnect' | 'gap';

/** Knows where a tenure begins to read, and what is known to exist at any moment. */
export interface ReadingPlace {
  readonly created: string;
  /** The last event taken in, and the highest settled one. */
  readonly known: readonly KnownEvent[];
  readonly fromSequence: number;
}

/** Hears how reading goes. */
export interface ReaderListener {
  opened(cause: ReaderCause, tookMs: number, firstSequence: number): void;
  /** An edit is known: what the reader may have missed is unsettled. */
  changed(): void;
  /** The stream is another one by now, or has lost events that were taken in. Reading has ended. */
  streamChanged(verdict: ChangedStream): void;
}

type ChangedStream = Exclude<StreamVerdict, { kind: 'same' }>;

/** What came of making a reader. */
type Made =
  | { readonly kind: 'reader'; readonly feed: Feed; readonly stream: StreamState }
  | { readonly kind: 'changed'; readonly verdict: ChangedStream };

export interface ReaderOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly port: ReaderPort;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
  readonly place: ReadingPlace;
  readonly proof: ReadingProof;
  readonly listener: ReaderListener;
}

type Mode = 'closed' | 'opening' | 'reading' | 'away';

const MAY_COME_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  closed: ['closed', 'opening', 'reading', 'away'],
  opening: ['closed', 'reading', 'away'],
  reading: ['opening'],
  away: ['opening', 'reading'],
};

const TRY_AGAIN_MS = 20;
const MAX_TRY_AGAIN_MS = 500;
/** An edit is noticed at the latest after this time and one answer, also if one look fails: within 10 s. */
const LOOK_EVERY_MS = 4_000;
/** Least time between looks that something odd asks for. */
const LOOK_AGAIN_MS = 250;
/** Found so often in a row, edits are not an accident. */
const EDITED_AGAIN = 2;

/**
 * Keeps a partition's events coming, with one short-lived reader on the server after the other. A reader that may have
 * lost a delivery, or that an operator has edited or paused, is left. The next one begins after the last event that is
 * proven to follow without a gap. What was taken in is passed over, so nothing is repeated. Its modes:
 *
 * - `closed`: nothing is read. Left by {@link open}.
 * - `opening`: a reader is being made, and the stream is compared with what is known of it. Tried again with growing
 *   pauses.
 * - `reading`: the pull loop has the reader.
 * - `away`: there is no connection. Left when it is back.
 */
export class Reader implements PullLoopListener {
  #mode: Mode = 'closed';
  #prefix = '';
  #made = 0;
  #opening = 0;
  #pauseMs = 0;
  #failingSince: number | undefined;
  #why: string | undefined;
  #loop: PullLoop | undefined;
  #feed: Feed | undefined;
  #timer: Timer | undefined;
  #isLooking = false;
  #lookedAt = -Infinity;
  #edits = 0;
  #edit: string | undefined;

  constructor(private readonly options: ReaderOptions) {}

  /** Since when no reader answers, on the clock; undefined if one does, or none is wanted. */
  get failingSince(): number | undefined {
    return this.#failingSince;
  }

  /** Why the last one broke or could not be made; undefined while one answers. */
  get why(): string | undefined {
    return this.#why;
  }

  /** What an operator edited, if readers are edited again and again; undefined once one was found as it was made. */
  get edited(): string | undefined {
    return this.#edits >= EDITED_AGAIN ? this.#edit : undefined;
  }

  /** Readers made so far. */
  get made(): number {
    return this.#made;
  }

  /** Hands readers to this loop. Called once, before the first {@link open}. */
  attach(loop: PullLoop): void {
    this.#loop = loop;
  }

  /** Begins to read in a new epoch; `prefix` names its readers. */
  open(prefix: string): void {
    this.close();
    this.#prefix = prefix;
    const { proof, place, clock } = this.options;
    proof.begin(place.fromSequence - 1);
    this.#timer = every(clock, LOOK_EVERY_MS, () => void this.#look());
    if (this.options.port.connected) void this.#open('start');
    else this.#leaveUntilReconnected();
  }

  close(): void {
    this.#enter('closed');
    this.#opening++;
    this.#pauseMs = 0;
    this.#failingSince = this.#why = undefined;
    this.#timer?.cancel();
    this.#edits = 0;
    this.#loop?.close();
  }

  /** Something odd was delivered: the reader may have been edited. */
  suspect(): void {
    if (this.options.clock.now() - this.#lookedAt >= LOOK_AGAIN_MS) void this.#look();
  }

  disconnected(): void {
    if (this.#mode === 'opening' || this.#mode === 'reading') this.#leaveUntilReconnected();
  }

  reconnected(): void {
    if (this.#mode === 'away') void this.#open('reconnect');
  }

  heard(): void {
    this.#pauseMs = 0;
    this.#failingSince = this.#why = undefined;
  }

  broken(reason: string, heardAt: number): void {
    if (this.#mode !== 'reading') return;
    const { log, name } = this.options;
    // One that breaks again before it has answered is not worth a line each time.
    if (this.#failingSince === undefined)
      log.write('reader-replaced', { why: reason }, `${name}: another reader is made: ${reason}`);
    this.#failingSince ??= heardAt;
    this.#why = reason;
    void this.#open('gap');
  }

  #leaveUntilReconnected(): void {
    if (this.#mode === 'closed') this.#enter('opening');
    this.#enter('away');
    this.#opening++;
    this.#loop?.close();
    this.#failingSince ??= this.options.clock.now();
  }

  /** Asks the server whether the reader is as it was made. A look that gets no answer changes nothing. */
  async #look(): Promise<void> {
    const feed = this.#feed;
    if (feed === undefined || this.#isLooking || !this.#reads(feed)) return;
    const { proof, clock } = this.options;
    this.#isLooking = true;
    this.#lookedAt = clock.now();
    const mark = proof.mark();
    try {
      const edit = await feed.findEdit();
      if (!this.#reads(feed)) return;
      if (edit !== undefined) {
        this.#leaveEdited(edit);
        return;
      }
      proof.prove(mark);
      this.#edits = 0;
    } catch {
      // Unanswered: the next look proves more.
    } finally {
      this.#isLooking = false;
    }
  }

  #reads(feed: Feed): boolean {
    return this.#mode === 'reading' && this.#feed === feed;
  }

  #leaveEdited(edit: string): void {
    const { log, name, proof, listener } = this.options;
    this.#edit = edit;
    const text = `${name}: another reader is made: this one was edited: ${edit}`;
    if (this.#edits++ === 0) log.write('reader-replaced', { why: edit }, text);
    this.#loop?.close();
    proof.noteEdit();
    listener.changed();
    void this.#open('gap');
  }

  async #open(cause: ReaderCause): Promise<void> {
    this.#enter('opening');
    this.options.proof.doubt();
    const { clock, log, name } = this.options;
    const opening = ++this.#opening;
    const startedAt = clock.now();
    for (let isReported = false; ;) {
      if (this.#pauseMs > 0) await delay(clock, this.#pauseMs);
      if (this.#opening !== opening) return;
      this.#pauseMs = Math.min(MAX_TRY_AGAIN_MS, Math.max(TRY_AGAIN_MS, 2 * this.#pauseMs));
      try {
        const made = await this.#make();
        if (this.#opening === opening) this.#begin(made, cause, clock.now() - startedAt);
        else if (made.kind === 'reader') made.feed.close();
        return;
      } catch (error) {
        if (this.#opening !== opening) return;
        this.#failingSince ??= clock.now();
        this.#why = describeError(error);
        const text = `${name}: no reader can be made, trying again: ${this.#why}`;
        if (!isReported) log.write('reader-not-made', errorFields(error), text);
        isReported = true;
      }
    }
  }

  #begin(made: Made, cause: ReaderCause, tookMs: number): void {
    const { listener } = this.options;
    if (made.kind === 'changed') {
      this.close();
      listener.streamChanged(made.verdict);
      return;
    }
    this.#enter('reading');
    listener.opened(cause, tookMs, made.stream.firstSequence);
    this.#feed = made.feed;
    this.#loop?.begin(made.feed);
  }

  /** Asks for both at once: the check costs no time of its own. Nothing is pulled before both have answered. */
  async #make(): Promise<Made> {
    const { port, clock, place, proof } = this.options;
    const loop = this.#loop;
    if (loop === undefined) throw new Error('a reader needs a pull loop');
    const { created, known } = place;
    const request = { name: `${this.#prefix}-${++this.#made}`, fromSequence: proof.nextSequence };
    const [opened, checked] = await Promise.allSettled([
      port.open(request, loop),
      checkStream(port, clock, { created, events: known }),
    ]);
    const isSame = checked.status === 'fulfilled' && checked.value.kind === 'same';
    if (!isSame && opened.status === 'fulfilled') opened.value.close();
    if (checked.status === 'rejected') throw checked.reason;
    const { value: verdict } = checked;
    if (verdict.kind !== 'same') return { kind: 'changed', verdict };
    if (opened.status === 'rejected') throw opened.reason;
    return { kind: 'reader', feed: opened.value, stream: verdict.stream };
  }

  #enter(mode: Mode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode)) {
      throw new Error(`${this.options.name}: a reader cannot go from ${this.#mode} to ${mode}`);
    }
    this.#mode = mode;
  }
}
