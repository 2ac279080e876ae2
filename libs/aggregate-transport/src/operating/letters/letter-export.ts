import type { ParkedCommands } from '../../operating/commands/operator-commands.js';
import { noteWithout } from '../../records/letter.js';
import type { ListedAggregate } from './find-parked.js';
import type { ExportedAggregate, ExportedLetter, ExportedPlace } from './letter-lines.js';

/**
 * A parked aggregate with its letters, as they are while it is read. Changes nothing: it stays parked.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function exportAggregate(
  commands: ParkedCommands,
  place: ExportedPlace,
  { marker, parkedCreated }: Pick<ListedAggregate, 'marker'> & { readonly parkedCreated: string },
): Promise<ExportedAggregate> {
  const letters: ExportedLetter[] = [];
  for await (const { note, headers, body } of commands.letters(place.aggregateId)) {
    letters.push({
      note: noteWithout(note, 'marker', 'replacedBy'),
      headers,
      body,
      isEdit: note.edit !== undefined,
    });
  }
  const { reason, error, attempts, sequence, since } = marker;
  return { ...place, parkedCreated, marker: { reason, error, attempts, sequence, since }, letters };
}
