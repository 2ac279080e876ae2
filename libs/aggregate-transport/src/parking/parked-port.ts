import type { Letter, LetterNote } from './letter.js';
import type { Marker, StoredMarker } from './marker.js';

/** An event as it goes into a letter. */
export interface LetterEvent {
  readonly token: string;
  readonly sequence: number;
  /** Of the delivery; tells when the event was stored. */
  readonly ackSubject: string;
  readonly origin: {
    readonly body: Uint8Array;
    readonly readHeaders: () => Readonly<Record<string, string>>;
  };
}

export type Appended =
  | { readonly kind: 'stored'; readonly position: number }
  /** The subject's last letter is not the one that was expected: look again. */
  | { readonly kind: 'moved' }
  /** The server refuses the letter: the stream is full, or the letter is too large. */
  | { readonly kind: 'refused'; readonly reason: string };

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
  /** Calls back when anybody writes a marker; a hint, which may be missed. */
  onMarker(callback: (token: string, marker: Marker) => void): void;
  /** Stores a letter behind the one at `after` (0: none on the subject). */
  append(
    event: LetterEvent,
    note: Omit<LetterNote, 'sequence' | 'storedAt'>,
    after: number,
  ): Promise<Appended>;
  /** Stores an event that its aggregate goes on without. */
  appendSkipped(
    event: LetterEvent,
    note: Omit<LetterNote, 'sequence' | 'storedAt' | 'marker'>,
  ): Promise<Appended>;
  /** The first letter of an aggregate behind this position. */
  next(token: string, after: number): Promise<Letter | undefined>;
  last(token: string): Promise<Letter | undefined>;
  /** Safe to call twice. */
  removeLetter(position: number): Promise<void>;
  close(): void;
}

/** What an operator reads besides. */
export interface ParkedArchive extends ParkedPort {
  /** How many letters lie on each aggregate's subject, by token. */
  letterCounts(): Promise<ReadonlyMap<string, number>>;
  /** The first skipped event behind this position. */
  nextSkipped(after: number): Promise<Letter | undefined>;
}
