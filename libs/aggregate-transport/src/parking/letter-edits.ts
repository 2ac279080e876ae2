import type { LogAt } from '../log.js';
import { aggregateIdOf } from '../message/subject.js';
import { type Letter, noteWithout } from '../records/letter.js';
import { editAt } from '../records/marker.js';
import type { Parked } from './parked-aggregate.js';
import type { LetterEvent, ParkedPort } from './parked-port.js';

export interface LetterEditsOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly port: Pick<ParkedPort, 'at' | 'appendSkipped'>;
  readonly log: LogAt<'partition'>;
}

/**
 * Letters that an operator has edited. The edited form is stored beside the letters; the marker tells for which letter
 * it stands. So it has that letter's place in the order and its sequence, and nothing moves.
 *
 * 1. The operator stores the edited form. Without the next step it counts for nothing.
 * 2. The marker names it, by compare-and-set, in state `parked`. So the edit is complete, or was never made.
 * 3. The owner writes `retrying` into the marker before it handles a letter. That write is refused if an edit came in
 *    between; the owner then reads which ones. From here on no edit is taken.
 * 4. In place of the letter its edited form is handled. Before that, the original is kept as replaced: the letter
 *    itself is removed when it is worked through.
 */
export class LetterEdits {
  /** Edits whose originals this process has kept. */
  readonly #kept = new Set<string>();

  constructor(private readonly options: LetterEditsOptions) {}

  /**
   * What is handled in place of this letter: itself, or its edited form. Undefined if that was removed from the stream:
   * the letter must not be handled then.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async inPlaceOf({ marker }: Pick<Parked, 'marker'>, letter: Letter): Promise<Letter | undefined> {
    const edit = editAt(marker, letter.position);
    if (edit === undefined) return letter;
    const found = await this.options.port.at(edit.by);
    if (found?.note.edit === undefined || found.token !== letter.token) return undefined;
    await this.#keepOriginal(letter, found.note.edit.id);
    return editedForm(letter, found);
  }

  async #keepOriginal(letter: Letter, editId: string): Promise<void> {
    if (this.#kept.has(editId)) return;
    const note = noteWithout(letter.note, 'marker', 'sequence', 'storedAt');
    const { port, log, name } = this.options;
    const kept = await port.appendSkipped(eventOf(letter), { ...note, replacedBy: editId });
    if (kept.kind !== 'stored') {
      const aggregate = aggregateIdOf(letter.token);
      const why = kept.kind === 'refused' ? kept.reason : kept.kind;
      log.write(
        'original-not-kept',
        { aggregate, why },
        `${name}: the original of an edited letter of aggregate "${aggregate}" could not be kept in ` +
          `the parked stream: ${why}`,
      );
    }
    this.#kept.add(editId);
    if (this.#kept.size > MAX_KEPT) this.#kept.clear();
  }
}

/** The letter's place and failure, with the body of its edit. Pure. */
export function editedForm(letter: Letter, { note: { edit }, body, headers }: Letter): Letter {
  return { ...letter, note: { ...letter.note, ...(edit === undefined ? {} : { edit }) }, body, headers };
}

/** A letter as an event that can be stored again, with another body if there is one. Pure. */
export function eventOf({ token, note, headers, body }: Letter, edited = body): LetterEvent {
  const readStoredAt = (): string => `${note.storedAt}${NANOS_OF_A_MILLISECOND}`;
  return {
    token,
    sequence: note.sequence,
    origin: { body: edited, readHeaders: () => headers, readStoredAt },
  };
}

/** Letters keep the time their event was stored in milliseconds. */
const NANOS_OF_A_MILLISECOND = '000000';
/** Then an original may be kept twice, which costs room and nothing else. */
const MAX_KEPT = 10_000;
