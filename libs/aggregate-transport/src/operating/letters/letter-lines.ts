import { AggregateTransportError } from '../../errors.js';
import type { LetterNote } from '../../records/letter.js';
import type { Marker } from '../../records/marker.js';

/** Where an exported aggregate was parked. */
export interface ExportedPlace {
  readonly topic: string;
  readonly group: string;
  readonly aggregateId: string;
}

/** A letter in a file. Its note keeps the event's sequence and stream; the marker that it named is another's. */
export interface ExportedLetter {
  readonly note: Omit<LetterNote, 'marker'>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Set if it is the edited form of the letter before it. */
  readonly isEdit: boolean;
}

/** A parked aggregate with all its letters, first to last. */
export interface ExportedAggregate extends ExportedPlace {
  /** When the parked stream was made that it was exported from. */
  readonly parkedCreated: string;
  readonly marker: Pick<Marker, 'reason' | 'error' | 'attempts' | 'sequence' | 'since'>;
  readonly letters: readonly ExportedLetter[];
}

const VERSION = 1;

interface AggregateLine extends ExportedPlace {
  readonly v: typeof VERSION;
  readonly kind: 'aggregate';
  readonly parkedCreated: string;
  readonly marker: ExportedAggregate['marker'];
  /** Letters that follow: a file that was cut is noticed. */
  readonly letters: number;
}

interface LetterLine {
  readonly kind: 'letter' | 'edit';
  readonly note: ExportedLetter['note'];
  readonly headers: ExportedLetter['headers'];
  /** The body, if it is JSON that reads back to the same bytes. */
  readonly body?: unknown;
  readonly base64?: string;
}

/** One JSON value a line: the aggregate, then its letters in order. Pure. */
export function linesOf({ letters, ...aggregate }: ExportedAggregate): string[] {
  const first: AggregateLine = { v: VERSION, kind: 'aggregate', ...aggregate, letters: letters.length };
  return [first, ...letters.map(letterLine)].map((line) => JSON.stringify(line));
}

function letterLine({ note, headers, body, isEdit }: ExportedLetter): LetterLine {
  const kind = isEdit ? 'edit' : 'letter';
  const text = Buffer.from(body).toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (JSON.stringify(value) === text) return { kind, note, headers, body: value };
  } catch {
    // Not JSON: kept as bytes.
  }
  return { kind, note, headers, base64: Buffer.from(body).toString('base64') };
}

/**
 * Reads what {@link linesOf} wrote, aggregate by aggregate.
 * @throws IMPORT_REFUSED for a line of another form, and for a file that was cut
 */
export function* aggregatesIn(lines: Iterable<string>): Generator<ExportedAggregate> {
  let open: { readonly line: AggregateLine; readonly letters: ExportedLetter[] } | undefined;
  let number = 0;
  for (const text of lines) {
    number++;
    if (text.trim() === '') continue;
    const line = parsed(text, number);
    if (line.kind === 'aggregate') {
      if (open !== undefined) throw cutError(number, open.line);
      open = { line, letters: [] };
    } else if (open === undefined) throw lineError(number, 'a letter without its aggregate');
    else open.letters.push(letterIn(line));
    if (open.letters.length < open.line.letters) continue;
    const { topic, group, aggregateId, parkedCreated, marker } = open.line;
    yield { topic, group, aggregateId, parkedCreated, marker, letters: open.letters };
    open = undefined;
  }
  if (open !== undefined) throw cutError(number, open.line);
}

function letterIn({ kind, note, headers, body, base64 }: LetterLine): ExportedLetter {
  const bytes =
    base64 === undefined ? Buffer.from(JSON.stringify(body), 'utf8') : Buffer.from(base64, 'base64');
  return { note, headers, body: bytes, isEdit: kind === 'edit' };
}

function parsed(text: string, number: number): AggregateLine | LetterLine {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw lineError(number, 'no JSON');
  }
  const { kind, v, letters, note, base64 } = line;
  if (kind === 'aggregate' && v === VERSION && typeof letters === 'number')
    return line as unknown as AggregateLine;
  const isLetter = kind === 'letter' || kind === 'edit';
  const hasNote = typeof (note as Partial<LetterNote> | undefined)?.sequence === 'number';
  if (isLetter && hasNote && (base64 !== undefined || 'body' in line)) return line as unknown as LetterLine;
  throw lineError(number, 'another form');
}

function lineError(number: number, found: string): AggregateTransportError {
  return new AggregateTransportError(
    'IMPORT_REFUSED',
    `expected line ${number} to be as parked export writes it, found ${found}; nothing of this aggregate was imported`,
  );
}

function cutError(number: number, { aggregateId, letters }: AggregateLine): AggregateTransportError {
  return lineError(number, `an end before all ${letters} letters of "${aggregateId}"`);
}
