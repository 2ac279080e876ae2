import { reached } from '#sabotage';
import { type Clock, delay } from '../../clock.js';
import { AggregateTransportError, hasCode } from '../../errors.js';
import { tokenOf } from '../../message/subject.js';
import { largestEventBytes } from '../../message/outgoing/outgoing-event.js';
import { editedForm, eventOf } from '../../parking/letter-edits.js';
import type { ParkedArchive } from '../../parking/parked-port.js';
import type { Letter, LetterEdit } from '../../records/letter.js';
import { editAt, identityOf, type StoredMarker } from '../../records/marker.js';

export interface LetterEditOptions {
  /** For error texts: topic and group. */
  readonly name: string;
  readonly port: ParkedArchive;
  readonly clock: Clock;
  /** A name no other edit has. */
  readonly newId: () => string;
  /** The largest message that the server takes, in bytes. */
  readonly maxPayloadBytes: number;
}

/** Names a letter: one of a parked aggregate. */
export interface LetterAddress {
  readonly aggregateId: string;
  /** Of its event in the topic's stream. @default the first letter's */
  readonly sequence?: number;
}

/** A letter to edit, as it was found. */
export interface FoundLetter {
  /** In the form in which it would be handled. */
  readonly letter: Letter;
  /** The marker it belongs to. */
  readonly identity: number;
  /** The position of the edit that stands already; undefined for an original. */
  readonly by: number | undefined;
}

/** What an edit did. */
export interface EditResult {
  /** Names the edit; `ctx.edit` has it, too. */
  readonly editId: string;
  /** Of the letter, in the topic's stream. */
  readonly sequence: number;
  /** True if an earlier edit of the letter counts no more. */
  readonly replacedEdit: boolean;
}

/** Edits of one aggregate that stand at once: the marker carries them all. */
export const MAX_EDITS = 64;
const LOOK_EVERY_MS = 200;

/**
 * Edits letters of parked aggregates, from any process. Killed after any step, the edit stands complete or was never
 * made; see `LetterEdits` for why.
 */
export class LetterEditor {
  constructor(private readonly options: LetterEditOptions) {}

  /** @throws AGGREGATE_ID_INVALID, NOT_PARKED, LETTER_UNKNOWN, JETSTREAM_REQUEST_FAILED */
  async find({ aggregateId, sequence }: LetterAddress): Promise<FoundLetter> {
    const { port } = this.options;
    const marked = await this.#marker(aggregateId);
    const identity = identityOf(marked);
    for (let letter = await port.next(marked.token, marked.marker.replayed ?? 0); letter !== undefined;) {
      const isMeant =
        letter.note.marker === identity && (sequence ?? letter.note.sequence) === letter.note.sequence;
      if (isMeant) return this.#asHandled(marked, letter);
      letter = await port.next(marked.token, letter.position);
    }
    throw unknownError(this.options.name, aggregateId, sequence);
  }

  /**
   * Puts this body in the letter's place. Waits up to `waitMs` while the letters are being replayed.
   * @throws EVENT_TOO_LARGE, NOT_PARKED, LETTER_UNKNOWN if the letter was worked through meanwhile
   * @throws EDIT_REFUSED if it was edited meanwhile, or is still being replayed; the letter stays as it was
   * @throws PARK_REFUSED if the parked stream takes no further message, JETSTREAM_REQUEST_FAILED
   */
  async edit(
    aggregateId: string,
    found: FoundLetter,
    {
      body,
      comment,
      waitMs,
    }: { readonly body: Uint8Array; readonly comment?: string; readonly waitMs: number },
  ): Promise<EditResult> {
    const { clock, newId } = this.options;
    this.#requireFitting(found.letter, body);
    const until = clock.now() + waitMs;
    await this.#whenAtRest(aggregateId, found, until);
    const edit = { id: newId(), at: clock.wallNow(), ...(comment === undefined ? {} : { comment }) };
    const by = await this.#store(found.letter, body, edit);
    reached('edit: stored');
    await this.#take(aggregateId, found, { by, until });
    reached('edit: taken');
    if (found.by !== undefined) await this.#remove(found.by);
    return { editId: edit.id, sequence: found.letter.note.sequence, replacedEdit: found.by !== undefined };
  }

  async #asHandled({ marker, ...marked }: StoredMarker, letter: Letter): Promise<FoundLetter> {
    const by = editAt(marker, letter.position)?.by;
    const identity = identityOf({ ...marked, marker });
    const edited = by === undefined ? undefined : await this.options.port.at(by);
    return { letter: edited === undefined ? letter : editedForm(letter, edited), identity, by };
  }

  async #marker(aggregateId: string): Promise<StoredMarker> {
    const found = await this.options.port.readMarker(tokenOf(aggregateId));
    if (found !== undefined) return found;
    throw new AggregateTransportError(
      'NOT_PARKED',
      `expected aggregate "${aggregateId}" of ${this.options.name} to be parked, found no marker; it is live`,
    );
  }

  #requireFitting({ headers }: Letter, body: Uint8Array): void {
    const most = largestEventBytes(this.options.maxPayloadBytes);
    const size = body.length + Buffer.byteLength(Object.entries(headers).flat().join('....'), 'utf8');
    if (size <= most) return;
    throw new AggregateTransportError(
      'EVENT_TOO_LARGE',
      `expected an edited event of at most ${most} bytes (the server's max_payload less 8192), found ${size}; ` +
        'nothing was changed',
    );
  }

  /** Marks the place, by compare-and-set. Rejects only if the edit was not taken, or if that is unknown. */
  async #take(
    aggregateId: string,
    found: FoundLetter,
    { by, until }: { readonly by: number; readonly until: number },
  ): Promise<void> {
    let isUnknown = false;
    try {
      for (;;) {
        const marked = await this.#whenAtRest(aggregateId, found, until, by);
        if (marked === undefined) return;
        const { token, marker, revision } = marked;
        const edits = (marker.edits ?? []).filter(({ of }) => of !== found.letter.position);
        const next = {
          ...marker,
          made: found.identity,
          edits: [...edits, { of: found.letter.position, by }],
        };
        try {
          if ((await this.options.port.writeMarker(token, next, revision)) !== undefined) return;
        } catch (error) {
          if (!hasCode(error, 'JETSTREAM_REQUEST_FAILED') || this.options.clock.now() >= until) throw error;
          isUnknown = true;
        }
      }
    } catch (error) {
      // A write without an answer may still arrive, and would name this edit.
      if (!isUnknown && !hasCode(error, 'JETSTREAM_REQUEST_FAILED')) await this.#remove(by);
      throw error;
    }
  }

  /** The marker, once it takes an edit of this letter. Undefined if it names the edit `by` already. */
  async #whenAtRest(
    aggregateId: string,
    found: FoundLetter,
    until: number,
    by?: number,
  ): Promise<StoredMarker | undefined> {
    const { clock, name } = this.options;
    for (;;) {
      const marked = await this.#marker(aggregateId);
      const { position, note } = found.letter;
      const isGone = identityOf(marked) !== found.identity || position <= (marked.marker.replayed ?? 0);
      if (isGone) throw unknownError(name, aggregateId, note.sequence);
      if (by !== undefined && editAt(marked.marker, position)?.by === by) return undefined;
      const conflict = whyNever(marked, found);
      if (conflict !== undefined) throw refusedError(name, aggregateId, conflict);
      const busy = whyBusy(marked);
      if (busy === undefined) return marked;
      if (clock.now() >= until) throw refusedError(name, aggregateId, busy);
      await delay(clock, LOOK_EVERY_MS);
    }
  }

  async #store(letter: Letter, body: Uint8Array, edit: LetterEdit): Promise<number> {
    const { note } = letter;
    const about = { stream: note.stream, ...(note.run === undefined ? {} : { run: note.run }), edit };
    const stored = await this.options.port.appendEdit(eventOf(letter, body), about);
    if (stored.kind === 'stored') return stored.position;
    throw new AggregateTransportError(
      'PARK_REFUSED',
      `expected the parked stream to take an edited letter of ${this.options.name}, found: ` +
        `${stored.kind === 'refused' ? stored.reason : stored.kind}; nothing was changed`,
    );
  }

  /** It counts for nothing any more. One that stays costs room and nothing else. */
  async #remove(position: number): Promise<void> {
    await this.options.port.removeLetter(position).catch(() => undefined);
  }
}

/** Why waiting does not help. Pure. */
function whyNever({ marker }: StoredMarker, { letter, by }: FoundLetter): string | undefined {
  const standing = editAt(marker, letter.position)?.by;
  if (standing !== by) return 'another edit of the same letter; look at it first';
  const isFull = standing === undefined && (marker.edits?.length ?? 0) >= MAX_EDITS;
  return isFull ? `${MAX_EDITS} edits that stand already; retry it first` : undefined;
}

/** Why letters of this aggregate cannot be edited now. A retry that has not begun reads the edits first. Pure. */
function whyBusy({ marker: { state, command } }: StoredMarker): string | undefined {
  if (state !== 'parked') return `its letters in state "${state}"; wait until it stays parked`;
  if (command === undefined || command.kind === 'retry') return undefined;
  return `a command "${command.kind}" that is not carried out yet`;
}

function unknownError(
  name: string,
  aggregateId: string,
  sequence: number | undefined,
): AggregateTransportError {
  const which = sequence === undefined ? 'a letter' : `a letter of event ${sequence}`;
  return new AggregateTransportError(
    'LETTER_UNKNOWN',
    `expected ${which} of aggregate "${aggregateId}" of ${name}, found none: it was handled, dropped or never parked; ` +
      'see parked show',
  );
}

function refusedError(name: string, aggregateId: string, found: string): AggregateTransportError {
  return new AggregateTransportError(
    'EDIT_REFUSED',
    `expected aggregate "${aggregateId}" of ${name} to be parked and at rest, found ${found}; nothing was changed`,
  );
}
