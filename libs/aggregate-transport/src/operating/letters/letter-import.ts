import { reached } from '#sabotage';
import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { jsonCodec } from '../../message/codec.js';
import { fnv1a32 } from '../../message/partitioning.js';
import { tokenOf } from '../../message/subject.js';
import { eventOf } from '../../parking/letter-edits.js';
import type { LetterEvent, ParkedArchive } from '../../parking/parked-port.js';
import { importMemory, type Letter, noteWithout } from '../../records/letter.js';
import type { EditPlace, Marker } from '../../records/marker.js';
import { envelopeIn } from './edited-body.js';
import { decideImport, type EventPlace, type TopicPlace } from './import-decision.js';
import type { ExportedAggregate, ExportedLetter } from './letter-lines.js';

/** The group that letters are imported into. */
export interface ImportTarget {
  readonly port: ParkedArchive;
  /** When its parked stream was made. */
  readonly parkedCreated: string;
  /**
   * Where the partition of an aggregate stands. `guard` changes with everything an owner does to it.
   * @throws IMPORT_REFUSED while a replica owns the partition, or if the group never started
   */
  readonly atRest: (token: string) => Promise<{ readonly epoch: number; readonly guard: string }>;
  readonly topic: () => Promise<TopicPlace>;
  /** The aggregate's events, each settled or not in the group's confirmed position. */
  readonly events: (token: string) => Promise<readonly EventPlace[]>;
}

export type ImportOutcome =
  | { readonly outcome: 'imported'; readonly letters: number }
  /** An earlier run has imported it; it may be worked through since. */
  | { readonly outcome: 'there already' }
  | { readonly outcome: 'refused'; readonly why: string };

/**
 * Brings exported letters back into a parked stream, while no replica of the group runs.
 *
 * 1. It is decided whether order allows it ({@link decideImport}).
 * 2. Letters are stored under a marker's name that is made of what the file says, one after the other. Until step 4
 *    they count for nothing. A run that was killed here continues.
 * 3. A note beside the letters remembers the import for ever, so that the same file is never imported twice.
 * 4. The marker is written. From here on the aggregate is parked.
 *
 * If a replica starts meanwhile, its owner does not know the marker and removes it as void. So signs of an owner are
 * looked for after step 4, too.
 */
export class LetterImport {
  constructor(
    private readonly target: ImportTarget,
    private readonly clock: Clock,
  ) {}

  /** @throws AGGREGATE_ID_INVALID, JETSTREAM_REQUEST_FAILED, PARK_REFUSED if there is no room */
  async run(aggregate: ExportedAggregate, { dryRun }: { readonly dryRun: boolean }): Promise<ImportOutcome> {
    const { target } = this;
    const token = tokenOf(aggregate.aggregateId);
    const identity = identityFor(aggregate);
    const refused = (why: string): ImportOutcome => ({ outcome: 'refused', why });
    if (aggregate.letters.length === 0) return refused('no letter in the file');
    if (aggregate.parkedCreated === target.parkedCreated)
      return refused(
        'letters of this very stream: they were handled or dropped here since, or are parked still',
      );
    const standing = await target.port.readMarker(token);
    if (standing !== undefined)
      return standing.marker.made === identity ? THERE : refused('an aggregate that is parked here');
    const stored = await this.#storedOf(token, identity);
    if (stored.length === 0 && (await this.#isRemembered(token, identity))) return THERE;
    const { epoch, guard } = await target.atRest(token);
    const originals = aggregate.letters.filter(({ isEdit }) => !isEdit);
    const places = originals.map(({ note, ...event }) => ({
      ...{ sequence: note.sequence, stream: note.stream },
      eventId: envelopeIn(jsonCodec, event, aggregate.aggregateId)?.event_id,
    }));
    const decision = decideImport(places, await target.events(token), await target.topic());
    if ('refused' in decision) return refused(decision.refused);
    if (dryRun) return { outcome: 'imported', letters: originals.length };
    const letters = originals.map((letter, index) => inStream(letter, decision.streams[index] ?? ''));
    const positions = await this.#storeLetters(token, identity, { letters, stored });
    const edits = await this.#storeEdits(token, { aggregate, positions });
    await this.#remember(token, identity, letters[0]);
    reached('import: letters stored');
    if ((await target.atRest(token)).guard !== guard)
      return refused('a replica that started meanwhile; stop it and run again');
    const marker = markerOf(aggregate, { identity, epoch, edits });
    if ((await target.port.writeMarker(token, marker, 0)) === undefined)
      return refused('an aggregate that was parked meanwhile');
    reached('import: marker written');
    if ((await target.atRest(token)).guard !== guard)
      return refused('a replica that started meanwhile; look at parked show');
    return { outcome: 'imported', letters: letters.length };
  }

  async #storedOf(token: string, identity: number): Promise<Letter[]> {
    const found: Letter[] = [];
    const { port } = this.target;
    for (
      let letter = await port.next(token, 0);
      letter !== undefined;
      letter = await port.next(token, letter.position)
    )
      if (letter.note.marker === identity) found.push(letter);
    return found;
  }

  async #storeLetters(
    token: string,
    identity: number,
    { letters, stored }: { readonly letters: readonly ExportedLetter[]; readonly stored: readonly Letter[] },
  ): Promise<number[]> {
    const { port } = this.target;
    const positions = stored.map(({ position }) => position);
    let tail = (await port.last(token))?.position ?? 0;
    for (const letter of letters.slice(stored.length)) {
      const note = noteWithout(letter.note, 'sequence', 'storedAt');
      const answer = await port.append([asEvent(token, letter)], { ...note, marker: identity }, tail);
      if (answer.kind === 'stored') positions.push((tail = answer.position));
      else
        throw noRoom(answer.kind === 'refused' ? answer.reason : 'another program that writes letters of it');
    }
    return positions;
  }

  async #storeEdits(
    token: string,
    {
      aggregate,
      positions,
    }: { readonly aggregate: ExportedAggregate; readonly positions: readonly number[] },
  ): Promise<EditPlace[]> {
    const edits: EditPlace[] = [];
    let index = -1;
    for (const letter of aggregate.letters) {
      const { edit, stream } = letter.note;
      if (!letter.isEdit) index++;
      if (!letter.isEdit || edit === undefined) continue;
      const answer = await this.target.port.appendEdit(asEvent(token, letter), { stream, edit });
      if (answer.kind !== 'stored') throw noRoom(answer.kind === 'refused' ? answer.reason : answer.kind);
      edits.push({ of: positions[index] ?? 0, by: answer.position });
    }
    return edits;
  }

  async #isRemembered(token: string, identity: number): Promise<boolean> {
    const { port } = this.target;
    for (let kept = await port.nextSkipped(0, token); kept !== undefined;) {
      if (kept.note.replacedBy === importMemory(identity)) return true;
      kept = await port.nextSkipped(kept.position, token);
    }
    return false;
  }

  async #remember(token: string, identity: number, first: ExportedLetter | undefined): Promise<void> {
    if (first === undefined || (await this.#isRemembered(token, identity))) return;
    const event = asEvent(token, { ...first, body: new Uint8Array() });
    const answer = await this.target.port.appendSkipped(event, {
      stream: first.note.stream,
      replacedBy: importMemory(identity),
      error: `imported at ${new Date(this.clock.wallNow()).toISOString()}`,
    });
    if (answer.kind !== 'stored') throw noRoom(answer.kind === 'refused' ? answer.reason : answer.kind);
  }
}

const THERE: ImportOutcome = { outcome: 'there already' };

/** Revisions of a server do not reach 2^52, so this names no marker of an owner. The same file says the same. */
function identityFor({ topic, group, aggregateId, parkedCreated, letters }: ExportedAggregate): number {
  const said = [
    topic,
    group,
    aggregateId,
    parkedCreated,
    ...letters.map(({ note }) => `${note.stream} ${note.sequence} ${note.edit?.id}`),
  ];
  const text = said.join('\n');
  return 2 ** 52 + (fnv1a32(`high ${text}`) % 2 ** 19) * 2 ** 32 + fnv1a32(text);
}

function inStream(letter: ExportedLetter, stream: string): ExportedLetter {
  return { ...letter, note: { ...letter.note, stream } };
}

function asEvent(token: string, { note, headers, body }: ExportedLetter): LetterEvent {
  return eventOf({ token, position: 0, note: { ...note, marker: 0 }, headers, body });
}

function markerOf(
  { marker }: ExportedAggregate,
  {
    identity,
    epoch,
    edits,
  }: { readonly identity: number; readonly epoch: number; readonly edits: readonly EditPlace[] },
): Marker {
  const base = { ...marker, epoch, made: identity, state: 'parked', crashes: 0 } as const;
  return edits.length === 0 ? base : { ...base, edits };
}

function noRoom(found: string): AggregateTransportError {
  return new AggregateTransportError(
    'PARK_REFUSED',
    `expected the parked stream to take a letter, found ${found}; make room and run the import again: it continues`,
  );
}
