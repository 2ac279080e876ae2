import type { ParkNote } from '../message/park-reason.js';
import { traceIdIn, traceparentIn } from '../traceparent.js';

/** The header that makes an event a letter. */
export const LETTER_HEADER = 'Aggregate-Transport-Letter';

/** What a letter says besides the event itself. */
export interface LetterNote extends Partial<ParkNote> {
  /** The revision its marker was made at; letters of another marker are never replayed. 0: a skipped event. */
  readonly marker: number;
  /** The event's sequence in the topic's stream. */
  readonly sequence: number;
  /** When that stream was made: the sequences of another one mean other events. */
  readonly stream: string;
  /** How often the group had begun again when the letter was filed: with the sequence, the event's position. */
  readonly run?: number;
  /** When the event was stored there, milliseconds since 1970. */
  readonly storedAt: number;
  /** Set if an operator has written its body. */
  readonly edit?: LetterEdit;
  /** Of an original that is kept: names the edit that was handled in its place. */
  readonly replacedBy?: string;
}

/** What an operator changed in a letter. */
export interface LetterEdit {
  /** Names the edit. */
  readonly id: string;
  /** When it was made, milliseconds since 1970. */
  readonly at: number;
  /** Why, in the operator's words. */
  readonly comment?: string;
}

/** An event in the parked stream. */
export interface Letter {
  readonly token: string;
  /** Its sequence in the parked stream. */
  readonly position: number;
  readonly note: LetterNote;
  /** The event's own headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Of an event that is replayed from the topic's stream, and lies in no letter: was it handled before? */
  readonly isReplay?: boolean;
}

/** The traces that a letter names: of the event, and of the attempt that parked it. Pure. */
export function traceIdsOf({ headers, note }: Pick<Letter, 'headers' | 'note'>): {
  readonly traceId?: string;
  readonly attemptTraceId?: string;
} {
  const traceId = traceIdIn(traceparentIn(headers));
  const attemptTraceId = traceIdIn(note.trace);
  return {
    ...(traceId === undefined ? {} : { traceId }),
    ...(attemptTraceId === undefined ? {} : { attemptTraceId }),
  };
}

const IMPORT_MARK = 'import-';

/** Remembers beside the letters that those under this marker's name were imported. Pure. */
export function importMemory(identity: number): string {
  return IMPORT_MARK + String(identity);
}

/** True for such a memory: it holds no event. Pure. */
export function isImportMemory({ replacedBy }: Pick<LetterNote, 'replacedBy'>): boolean {
  return replacedBy?.startsWith(IMPORT_MARK) === true;
}

/** Notes must fit into what every event leaves free of the largest message (8 KiB, with the other headers). */
const MAX_ERROR_CHARACTERS = 4_000;
const MAX_COMMENT_CHARACTERS = 1_000;
const NOT_PRINTABLE_ASCII = /[^ -~]/g;

/** A note without some of what it says. Pure. */
export function noteWithout<N extends Partial<LetterNote>, K extends keyof LetterNote>(
  note: N,
  ...names: readonly K[]
): Omit<N, K> {
  const left = Object.entries(note).filter(([name]) => !(names as readonly string[]).includes(name));
  return Object.fromEntries(left) as Omit<N, K>;
}

/** A note as one header line: ASCII, without line breaks. */
export function encodeNote(note: LetterNote): string {
  const error = note.error === undefined ? {} : { error: shorten(note.error) };
  const edit = note.edit === undefined ? {} : { edit: shortEdit(note.edit) };
  return JSON.stringify({ ...note, ...error, ...edit }).replace(NOT_PRINTABLE_ASCII, escape);
}

/** Undefined if the text is no note: another program wrote into the parked stream. */
export function decodeNote(text: string): LetterNote | undefined {
  try {
    const note = JSON.parse(text) as Partial<LetterNote> | null;
    if (typeof note?.marker !== 'number' || typeof note.sequence !== 'number') return undefined;
    return note as LetterNote;
  } catch {
    return undefined;
  }
}

function shortEdit(edit: LetterEdit): LetterEdit {
  return edit.comment === undefined
    ? edit
    : { ...edit, comment: shorten(edit.comment, MAX_COMMENT_CHARACTERS) };
}

/** Cut so that it fits even if every character has to be escaped. */
export function shorten(error: string, limit = MAX_ERROR_CHARACTERS): string {
  let size = 0;
  for (let at = 0; at < error.length; at++) {
    const character = error.charAt(at);
    if (character === '"' || character === '\\') size += 2;
    else size += /[ -~]/.test(character) ? 1 : 6;
    if (size > limit) return `${error.slice(0, at)}…`;
  }
  return error;
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
