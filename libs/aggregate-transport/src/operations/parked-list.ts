import { inParallel, REQUESTS_AT_ONCE } from '../in-parallel.js';
import { aggregateIdOf } from '../message/subject.js';
import { type ParkedSummary, summaryOf } from '../operating/commands/parked-summary.js';
import { ParkedCommands } from '../operating/commands/operator-commands.js';
import { findParked } from '../operating/letters/find-parked.js';
import type { LetterFilter } from '../operating/letters/letter-filter.js';
import type { ParkedArchive } from '../parking/parked-port.js';
import type { Letter } from '../records/letter.js';
import { bounded } from './bounds.js';
import type { LetterList, LetterPage, ParkedList, ParkedPage } from './operations.js';
import { shownEventOf } from './shown-event.js';
import { letterSummaryOf } from '../operating/commands/parked-summary.js';

const PAGE = { otherwise: 100, least: 1, most: 1_000 };

/**
 * A page of the parked aggregates, by id. Without a filter only the markers of the page are read.
 * @throws JETSTREAM_REQUEST_FAILED, OPTIONS_INVALID
 */
export async function readParked(
  port: ParkedArchive,
  commands: ParkedCommands,
  filter: LetterFilter,
  { limit, after = '' }: ParkedPage,
): Promise<ParkedList> {
  const count = bounded('limit', limit, PAGE);
  if (Object.values(filter).some((value) => value !== undefined)) {
    const found = await findParked(commands, [filter], typeOf);
    const all = found.map(summaryOf).sort(byId);
    return pageOf(all, count, after);
  }
  const [tokens, letters] = await Promise.all([port.markedTokens(), port.letterCounts()]);
  const ids = tokens.map((token) => ({ token, aggregateId: aggregateIdOf(token) })).sort(byId);
  const { aggregates: page, ...rest } = pageOf(ids, count, after);
  const read = await inParallel(page, REQUESTS_AT_ONCE, async ({ token }) => {
    const found = await port.readMarker(token);
    return found && summaryOf({ ...found, letters: letters.get(token) ?? 0 });
  });
  // One that was unparked since then is left out.
  return { aggregates: read.filter((one): one is ParkedSummary => one !== undefined), ...rest };
}

interface HasId {
  readonly aggregateId: string;
}

function byId(a: HasId, b: HasId): number {
  return a.aggregateId < b.aggregateId ? -1 : 1;
}

/** `all` is sorted by id. */
function pageOf<T extends HasId>(
  all: readonly T[],
  limit: number,
  after: string,
): { readonly aggregates: readonly T[]; readonly total: number; readonly next: string | undefined } {
  const left = after === '' ? all : all.filter(({ aggregateId }) => aggregateId > after);
  const aggregates = left.slice(0, limit);
  const next = left.length > limit ? aggregates.at(-1)?.aggregateId : undefined;
  return { aggregates, total: all.length, next };
}

/**
 * Letters of one aggregate, in order.
 * @throws AGGREGATE_ID_INVALID, JETSTREAM_REQUEST_FAILED, OPTIONS_INVALID
 */
export async function readLetters(
  commands: ParkedCommands,
  aggregateId: string,
  { limit, after = 0, payloads = false }: LetterPage,
): Promise<LetterList> {
  const count = bounded('limit', limit, PAGE);
  const letters = [];
  let next: number | undefined;
  for await (const letter of commands.letters(aggregateId, after)) {
    // An edited letter stands twice at one position: both are on one page.
    if (letters.length >= count && letter.position !== letters.at(-1)?.position) {
      next = letters.at(-1)?.position;
      break;
    }
    letters.push(shownLetterOf(letter, payloads));
  }
  return { letters, next };
}

function shownLetterOf(letter: Letter, payloads: boolean): LetterList['letters'][number] {
  const { headers, ...summary } = letterSummaryOf(letter);
  const { position } = letter;
  return { ...summary, position, ...(payloads ? { headers } : {}), ...shownEventOf(letter, payloads) };
}

/** The type of a letter's event; undefined if no codec known here wrote it. */
export function typeOf(letter: Letter): string | undefined {
  return shownEventOf(letter, false).type;
}
