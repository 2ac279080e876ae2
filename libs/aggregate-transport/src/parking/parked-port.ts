import type { Letter, LetterNote } from '../records/letter.js';
import type { Marker, StoredMarker } from '../records/marker.js';

/** An event as it goes into a letter. */
export interface LetterEvent {
  readonly token: string;
  readonly sequence: number;
  readonly origin: {
    readonly body: Uint8Array;
    readHeaders(): Readonly<Record<string, string>>;
    /** When the stream stored it, in nanoseconds since 1970. */
    readStoredAt(): string;
  };
}

export type Appended =
  | { readonly kind: 'stored'; readonly position: number; readonly count: number }
  /** The subject's last letter is not the one that was expected: read it again. */
  | { readonly kind: 'moved' }
  /** The server refuses the letter: the stream is full, or the letter is too large. */
  | { readonly kind: 'refused'; readonly reason: string };

/** What the edited form of a letter says of itself. */
export type EditNote = Omit<LetterNote, 'sequence' | 'storedAt' | 'marker'> &
  Pick<Required<LetterNote>, 'edit'>;

/** How much one request for letters brings at most. A page may exceed `maxBytes` by its last letter. */
export interface PageLimits {
  readonly count: number;
  readonly maxBytes: number;
}

/**
 * The parked events of one topic and group (or of one partition of it): markers and letters.
 * Every call rejects with JETSTREAM_REQUEST_FAILED if its outcome is unknown.
 */
export interface ParkedPort {
  markers(): Promise<StoredMarker[]>;
  readMarker(token: string): Promise<StoredMarker | undefined>;
  /** Compare-and-set: resolves with the new revision, or undefined if `revision` (0: none) is not the current one. */
  writeMarker(token: string, marker: Marker, revision: number): Promise<number | undefined>;
  /** Compare-and-remove: false if there is no marker of this revision any more. */
  removeMarker(revision: number): Promise<boolean>;
  /** Calls back on every write of a marker, refused ones included. A hint: it may be missed. */
  onMarker(callback: (token: string, marker: Marker) => void): void;
  /**
   * Stores events of one aggregate as letters, after the letter at `after` (0: none on the subject). `stored` tells how
   * many of them, from the first on, and the position of the last one. All are stored if the server can take them as
   * one write.
   */
  append(
    events: readonly LetterEvent[],
    note: Omit<LetterNote, 'sequence' | 'storedAt'>,
    after: number,
  ): Promise<Appended>;
  /**
   * Stores an event that its aggregate continues without. Its id names stream and sequence, so a repeat is stored once.
   */
  appendSkipped(
    event: LetterEvent,
    note: Omit<LetterNote, 'sequence' | 'storedAt' | 'marker'>,
  ): Promise<Appended>;
  /**
   * Stores the edited form of a letter, beside the letters of its aggregate. Its id is the edit's, so a repeat is
   * stored once.
   */
  appendEdit(event: LetterEvent, note: EditNote): Promise<Appended>;
  /** The letter, edit or skipped event at this position; undefined if it was removed. */
  at(position: number): Promise<Letter | undefined>;
  /** The first letter of an aggregate after this position. */
  next(token: string, after: number): Promise<Letter | undefined>;
  last(token: string): Promise<Letter | undefined>;
  /**
   * Letters of an aggregate after this position, in order and without a hole, as some replica of the stream knows them.
   * It may lag: then there are fewer than the leader holds, or none.
   */
  page(token: string, after: number, limits: PageLimits): Promise<readonly Letter[]>;
  /** The aggregates that have letters, whether a marker counts them or not. */
  lettered(): Promise<readonly string[]>;
  /** Safe to call twice. */
  removeLetter(position: number): Promise<void>;
  /**
   * Removes the letters of an aggregate up to this position, those of other markers included, as one write. Safe to
   * call twice.
   */
  removeThrough(token: string, position: number): Promise<void>;
  close(): void;
}

/** What an operator reads besides. */
export interface ParkedArchive extends ParkedPort {
  /** The aggregates that have a marker: one request, more only beyond 100 000 of them. */
  markedTokens(): Promise<string[]>;
  /** How many letters lie on each aggregate's subject, by token. */
  letterCounts(): Promise<ReadonlyMap<string, number>>;
  /** The first event after this position that is kept beside the letters: skipped, edited, or replaced by an edit. */
  nextSkipped(after: number, token?: string): Promise<Letter | undefined>;
}
