import { AggregateBoardError } from '../errors.js';
import type { AggregateQuestion, GroupRef, TroubleKind, TroubleQuestion } from '../source/board-source.js';

/** What a browser asks to see. */
export type ViewQuestion =
  | { readonly view: 'overview' }
  | { readonly view: 'group'; readonly ref: GroupRef; readonly troubles: TroubleQuestion }
  | ({ readonly view: 'aggregate' } & Omit<AggregateQuestion, 'payloads'>);

/** Rows of a list on one page. */
const ROWS = 50;
/** Events of an aggregate that are shown at first, and at most. */
const EVENTS = 100;
const MAX_EVENTS = 1_000;
/** Longer texts are not searched for. */
const MAX_TEXT = 200;
/** Ids are at most so long; see `tokenOf` of the core. */
const MAX_ID = 4_096;
const KINDS: readonly string[] = ['stuck', 'blocked', 'parked', 'retrying', 'slow'];

/**
 * Reads the question from a query. Pure.
 * @throws BOARD_REQUEST_INVALID
 */
export function viewQuestionOf(query: URLSearchParams): ViewQuestion {
  const view = query.get('view');
  if (view === 'overview') return { view };
  if (view === 'group')
    return {
      view,
      ref: { topic: textOf(query, 'topic'), group: textOf(query, 'group') },
      troubles: troublesOf(query),
    };
  if (view === 'aggregate') {
    const limit = Math.min(MAX_EVENTS, Math.max(1, countOf('limit', query.get('limit') ?? String(EVENTS))));
    return { view, topic: textOf(query, 'topic'), aggregateId: textOf(query, 'id'), limit };
  }
  throw invalid('view', 'overview, group or aggregate');
}

/** @throws BOARD_REQUEST_INVALID */
export function textOf(query: URLSearchParams, name: string): string {
  const text = query.get(name) ?? '';
  if (text === '' || text.length > MAX_ID) throw invalid(name, `a text of 1 to ${MAX_ID} characters`);
  return text;
}

function troublesOf(query: URLSearchParams): TroubleQuestion {
  const kind = query.get('kind') ?? '';
  if (kind !== '' && !KINDS.includes(kind)) throw invalid('kind', KINDS.join(', '));
  return {
    kind: kind === '' ? undefined : (kind as TroubleKind),
    text: (query.get('text') ?? '').slice(0, MAX_TEXT),
    offset: countOf('offset', query.get('offset') ?? '0'),
    limit: ROWS,
  };
}

function countOf(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 0) throw invalid(name, 'a whole number from 0');
  return count;
}

/** Names the parameter and not what was found: that may be anything. */
function invalid(name: string, expected: string): AggregateBoardError {
  return new AggregateBoardError(
    'BOARD_REQUEST_INVALID',
    `expected "${name}" to be ${expected}, found another value; reload the page`,
  );
}
