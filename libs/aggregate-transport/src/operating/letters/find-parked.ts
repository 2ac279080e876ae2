import { inParallel } from '../../in-parallel.js';
import type { ParkedCommands } from '../../operating/commands/operator-commands.js';
import type { Letter } from '../../records/letter.js';
import type { StoredMarker } from '../../records/marker.js';
import { aggregateIdOf } from '../../message/subject.js';
import { asksForType, type LetterFilter, matchesAll } from './letter-filter.js';

/** A parked aggregate, with the number of its letters. */
export type ListedAggregate = StoredMarker & { readonly letters: number };

const READ_AT_ONCE = 32;

/**
 * The parked aggregates that match every filter. It costs one request more for each aggregate if a type is asked for.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function findParked(
  commands: ParkedCommands,
  filters: readonly LetterFilter[],
  typeIn: (letter: Letter) => string | undefined,
): Promise<ListedAggregate[]> {
  const listed = await commands.list();
  if (filters.length === 0) return listed;
  const isTyped = asksForType(filters);
  const found = await inParallel(listed, READ_AT_ONCE, async (one) => {
    const head = isTyped ? await firstOf(commands, one) : undefined;
    const { error, reason } = one.marker;
    const type = head === undefined ? undefined : typeIn(head);
    return matchesAll(filters, { error, reason, type }) ? one : undefined;
  });
  return found.filter((one) => one !== undefined);
}

async function firstOf(commands: ParkedCommands, { token }: StoredMarker): Promise<Letter | undefined> {
  for await (const letter of commands.letters(aggregateIdOf(token)))
    if (letter.note.replacedBy === undefined) return letter;
  return undefined;
}
