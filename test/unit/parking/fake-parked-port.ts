import { AggregateTransportError } from '#library/errors.js';
import type { Letter, LetterNote } from '#library/records/letter.js';
import type { Marker, StoredMarker } from '#library/records/marker.js';
import type { HistoryPort } from '#library/parking/history-queue.js';
import type {
  Appended,
  EditNote,
  LetterEvent,
  PageLimits,
  ParkedArchive,
} from '#library/parking/parked-port.js';

/** What becomes of one request. */
export type Fate =
  | 'answered'
  /** It is carried out, and its answer is lost. */
  | 'answer lost'
  /** It never arrives. */
  | 'lost'
  /** The caller gives up; it arrives when {@link ParkedServer.deliverLate} is called. */
  | 'late'
  /** The caller's process ends before it is sent. */
  | 'stopped before'
  /** It is carried out, and the caller's process ends. */
  | 'stopped after'
  /** The caller's process ends; it arrives when {@link ParkedServer.deliverLate} is called. */
  | 'stopped, late';

export type Write =
  | 'writeMarker'
  | 'removeMarker'
  | 'append'
  | 'appendSkipped'
  | 'appendEdit'
  | 'removeLetter'
  | 'removeThrough';

interface Listener {
  readonly port: FakeParkedPort;
  readonly callback: (token: string, marker: Marker) => void;
}

/**
 * The markers and letters of one group as a server keeps them. A marker is one message, compared by its sequence.
 * Letters have a subject per aggregate, compared by the last message that is still on it. Shared by the ports of many
 * owners, of which all but the last have lost their lease.
 */
export class ParkedServer {
  readonly #markers = new Map<string, { json: string; revision: number }>();
  #revision = 0;
  readonly #letters: Letter[] = [];
  #position = 0;
  readonly #skipped: Letter[] = [];
  /** Letters it has room for. */
  maxLetters = Number.POSITIVE_INFINITY;
  /** Requests whose callers have given up. */
  readonly late: (() => void)[] = [];
  readonly listeners = new Set<Listener>();

  /** Everything that was under way for too long arrives now, in the order it was sent. */
  deliverLate(): void {
    for (const arrive of this.late.splice(0)) arrive();
  }

  marker(token: string): StoredMarker | undefined {
    const found = this.#markers.get(token);
    return found && { token, marker: JSON.parse(found.json) as Marker, revision: found.revision };
  }

  markers(): StoredMarker[] {
    return [...this.#markers.keys()].map((token) => this.marker(token)!);
  }

  letters(token: string): Letter[] {
    return this.#letters.filter((letter) => letter.token === token);
  }

  lettered(): string[] {
    return [...new Set(this.#letters.map(({ token }) => token))];
  }

  at(position: number): Letter | undefined {
    return [...this.#letters, ...this.#skipped].find((letter) => letter.position === position);
  }

  skipped(): readonly Letter[] {
    return this.#skipped;
  }

  /** Subscribers hear what is published whether the stream takes it or not. */
  writeMarker(token: string, marker: Marker, revision: number): number | undefined {
    const json = JSON.stringify(marker);
    for (const { port, callback } of this.listeners) {
      setImmediate(() => {
        if (!port.isDead && !port.isDeaf) callback(token, JSON.parse(json) as Marker);
      });
    }
    if ((this.#markers.get(token)?.revision ?? 0) !== revision) return undefined;
    this.#markers.set(token, { json, revision: ++this.#revision });
    return this.#revision;
  }

  removeMarker(revision: number): boolean {
    for (const [token, found] of this.#markers) {
      if (found.revision === revision) return this.#markers.delete(token);
    }
    return false;
  }

  append(
    events: readonly LetterEvent[],
    note: Omit<LetterNote, 'sequence' | 'storedAt'>,
    after: number,
  ): Appended {
    const token = events[0]!.token;
    if ((this.letters(token).at(-1)?.position ?? 0) !== after) return { kind: 'moved' };
    if (this.#letters.length + events.length > this.maxLetters)
      return { kind: 'refused', reason: 'maximum messages exceeded' };
    for (const event of events) this.#letters.push(letterOf(event, note, ++this.#position));
    return { kind: 'stored', position: this.#position, count: events.length };
  }

  appendSkipped(event: LetterEvent, note: Omit<LetterNote, 'sequence' | 'storedAt' | 'marker'>): Appended {
    if (this.#letters.length >= this.maxLetters)
      return { kind: 'refused', reason: 'maximum messages exceeded' };
    const known = this.#skipped.find(
      (letter) =>
        letter.note.sequence === event.sequence &&
        letter.note.edit?.id === note.edit?.id &&
        letter.note.replacedBy === note.replacedBy,
    );
    if (known !== undefined) return { kind: 'stored', position: known.position, count: 1 };
    this.#skipped.push(letterOf(event, { ...note, marker: 0 }, ++this.#position));
    return { kind: 'stored', position: this.#position, count: 1 };
  }

  removeThrough(token: string, position: number): void {
    for (const letter of this.letters(token))
      if (letter.position <= position) this.removeLetter(letter.position);
  }

  removeLetter(position: number): void {
    for (const kept of [this.#letters, this.#skipped]) {
      const index = kept.findIndex((letter) => letter.position === position);
      if (index >= 0) kept.splice(index, 1);
    }
  }
}

/** One process's way to a {@link ParkedServer}. Everything takes a turn of the event loop there and one back. */
/** A topic's stream that no test replays. */
export const NO_HISTORY: HistoryPort = {
  next: () => Promise.resolve(undefined),
  stream: () => Promise.reject(new Error('not asked')),
};

export class FakeParkedPort implements ParkedArchive {
  /** The process has ended: nothing leaves any more, and no answer comes. */
  isDead = false;
  /** How many letters the replica knows that answers a page. */
  knownPage = Number.POSITIVE_INFINITY;
  /** It misses every hint. */
  isDeaf = false;
  /** What becomes of the next write; reads are always answered. */
  fateOf: (write: Write) => Fate = () => 'answered';
  /** Holds a write back for as long as the promise takes. */
  beforeWrite: (write: Write) => Promise<void> | undefined = () => undefined;
  readonly calls: string[] = [];

  constructor(readonly server = new ParkedServer()) {}

  markers(): Promise<StoredMarker[]> {
    return this.#read('markers', () => this.server.markers());
  }

  async markedTokens(): Promise<string[]> {
    return (await this.markers()).map(({ token }) => token);
  }

  readMarker(token: string): Promise<StoredMarker | undefined> {
    return this.#read('readMarker', () => this.server.marker(token));
  }

  writeMarker(token: string, marker: Marker, revision: number): Promise<number | undefined> {
    // What is sent is what it is now.
    const sent = structuredClone(marker);
    return this.#write('writeMarker', () => this.server.writeMarker(token, sent, revision));
  }

  removeMarker(revision: number): Promise<boolean> {
    return this.#write('removeMarker', () => this.server.removeMarker(revision));
  }

  onMarker(callback: (token: string, marker: Marker) => void): void {
    this.server.listeners.add({ port: this, callback });
  }

  append(
    events: readonly LetterEvent[],
    note: Omit<LetterNote, 'sequence' | 'storedAt'>,
    after: number,
  ): Promise<Appended> {
    const sent = { ...note };
    return this.#write('append', () => this.server.append(events, sent, after));
  }

  appendSkipped(
    event: LetterEvent,
    note: Omit<LetterNote, 'sequence' | 'storedAt' | 'marker'>,
  ): Promise<Appended> {
    return this.#write('appendSkipped', () => this.server.appendSkipped(event, note));
  }

  appendEdit(event: LetterEvent, note: EditNote): Promise<Appended> {
    return this.#write('appendEdit', () => this.server.appendSkipped(event, note));
  }

  at(position: number): Promise<Letter | undefined> {
    return this.#read('at', () => this.server.at(position));
  }

  next(token: string, after: number): Promise<Letter | undefined> {
    return this.#read('next', () => this.server.letters(token).find(({ position }) => position > after));
  }

  last(token: string): Promise<Letter | undefined> {
    return this.#read('last', () => this.server.letters(token).at(-1));
  }

  page(token: string, after: number, { count }: PageLimits): Promise<readonly Letter[]> {
    return this.#read('page', () =>
      this.server
        .letters(token)
        .filter(({ position }) => position > after)
        .slice(0, Math.min(count, this.knownPage)),
    );
  }

  lettered(): Promise<readonly string[]> {
    return this.#read('lettered', () => this.server.lettered());
  }

  removeLetter(position: number): Promise<void> {
    return this.#write('removeLetter', () => this.server.removeLetter(position));
  }

  removeThrough(token: string, position: number): Promise<void> {
    return this.#write('removeThrough', () => this.server.removeThrough(token, position));
  }

  letterCounts(): Promise<Map<string, number>> {
    return this.#read('letterCounts', () => {
      const tokens = this.server.markers().map(({ token }) => token);
      return new Map(tokens.map((token) => [token, this.server.letters(token).length]));
    });
  }

  nextSkipped(after: number, of?: string): Promise<Letter | undefined> {
    return this.#read('nextSkipped', () =>
      this.server.skipped().find(({ position, token }) => position > after && (of ?? token) === token),
    );
  }

  close(): void {
    this.calls.push('close');
    for (const listener of this.server.listeners)
      if (listener.port === this) this.server.listeners.delete(listener);
  }

  async #read<T>(call: string, answer: () => T): Promise<T> {
    this.calls.push(call);
    if (this.isDead) return never();
    await turn();
    const value = answer();
    return this.#answer(value);
  }

  async #write<T>(call: Write, carryOut: () => T): Promise<T> {
    this.calls.push(call);
    if (this.isDead) return never();
    const fate = this.fateOf(call);
    if (fate === 'late' || fate === 'stopped, late') this.server.late.push(carryOut);
    if (fate.startsWith('stopped')) this.isDead = true;
    if (fate === 'stopped before' || fate === 'stopped, late') return never();
    if (fate === 'late' || fate === 'lost') throw unknownError(call);
    await this.beforeWrite(call);
    await turn();
    const value = carryOut();
    if (fate === 'answer lost') throw unknownError(call);
    return this.#answer(value);
  }

  async #answer<T>(value: T): Promise<T> {
    await turn();
    return this.isDead ? never() : value;
  }
}

function letterOf(
  event: LetterEvent,
  note: Omit<LetterNote, 'sequence' | 'storedAt'>,
  position: number,
): Letter {
  return {
    token: event.token,
    position,
    note: { ...note, sequence: event.sequence, storedAt: 0 },
    headers: event.origin.readHeaders(),
    body: event.origin.body,
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

function unknownError(call: string): AggregateTransportError {
  return new AggregateTransportError('JETSTREAM_REQUEST_FAILED', `expected an answer to ${call}, found none`);
}
