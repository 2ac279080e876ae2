import { AggregateTransportError } from '../../errors.js';
import { aggregateIdOf, tokenOf } from '../../message/subject.js';

/** New names of aggregates, by the tokens of the old ones. */
export interface RenamedIds {
  readonly size: number;
  /** The token that this aggregate's events get. */
  readonly tokenOf: (token: string) => string;
}

export const NO_RENAMES: RenamedIds = { size: 0, tokenOf: (token) => token };

/**
 * Reads a JSON object `{ "old": "new" }`, or lines `old,new` (a name with a comma, quote or line break in quotes).
 * @throws OPTIONS_INVALID, also if two aggregates would become one: their events have no order between them
 */
export function parseRenames(text: string): RenamedIds {
  const pairs = text.trimStart().startsWith('{') ? jsonPairs(text) : csvPairs(text);
  const tokens = new Map<string, string>();
  const sources = new Map<string, string>();
  for (const [from, to] of pairs) {
    const [old, renamed] = [tokenOf(from), tokenOf(to)];
    const other = sources.get(renamed);
    if (tokens.has(old)) throw renamesError(`"${from}" twice`);
    if (other !== undefined)
      throw renamesError(
        `"${other}" and "${from}" both to be "${to}": two aggregates cannot become one, because no order ` +
          'between their events is defined',
      );
    tokens.set(old, renamed);
    sources.set(renamed, from);
  }
  return { size: tokens.size, tokenOf: (token) => renamedToken(tokens, sources, token) };
}

/** @throws COPY_REFUSED for an aggregate that keeps its name, which another one is renamed to */
function renamedToken(
  tokens: ReadonlyMap<string, string>,
  sources: ReadonlyMap<string, string>,
  token: string,
): string {
  const renamed = tokens.get(token);
  const other = sources.get(token);
  if (renamed !== undefined || other === undefined) return renamed ?? token;
  throw new AggregateTransportError(
    'COPY_REFUSED',
    `expected each aggregate to keep a name of its own, found "${other}" to be renamed to "${aggregateIdOf(token)}", which ` +
      'has events of its own: two aggregates cannot become one; rename it too, or choose another name',
  );
}

function jsonPairs(text: string): [string, string][] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw renamesError('a text that is no JSON', cause);
  }
  return Object.entries(value as object).map(([from, to]: [string, unknown]) => {
    if (typeof to !== 'string') throw renamesError(`no text for "${from}"`);
    return [from, to];
  });
}

/** Two fields, in quotes or bare, and the end of the line. */
const LINE =
  /(?:"(?<quotedFrom>(?:[^"]|"")*)"|(?<from>[^",\r\n]+)),(?:"(?<quotedTo>(?:[^"]|"")*)"|(?<to>[^",\r\n]+))(?:\r?\n|$)/y;
const BLANK = /\s*(?:\r?\n|$)/y;

function csvPairs(text: string): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at < text.length;) {
    BLANK.lastIndex = at;
    if (BLANK.test(text)) {
      at = BLANK.lastIndex;
      continue;
    }
    LINE.lastIndex = at;
    const groups = LINE.exec(text)?.groups;
    if (groups === undefined)
      throw renamesError(`line ${text.slice(0, at).split('\n').length} in another form`);
    const { quotedFrom, from = unquoted(quotedFrom), quotedTo, to = unquoted(quotedTo) } = groups;
    pairs.push([from, to]);
    at = LINE.lastIndex;
  }
  return pairs;
}

function unquoted(field = ''): string {
  return field.replaceAll('""', '"');
}

function renamesError(found: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected a JSON object { "old": "new" } or lines old,new that give each aggregate one new name, found ${found}`,
    cause === undefined ? undefined : { cause },
  );
}

const AGGREGATE_ID = /"aggregate_id"\s*:\s*"(?:[^"\\]|\\.)*"/g;

/**
 * The JSON body of an event under another aggregate id. The rest stays byte for byte, so that numbers which JavaScript
 * cannot hold are kept.
 * @throws COPY_REFUSED if the body is no JSON envelope: only such events can be renamed
 */
export function renamedBody(body: Uint8Array, from: string, to: string): Uint8Array {
  const text = Buffer.from(body).toString('utf8');
  for (const { 0: found, index } of text.matchAll(AGGREGATE_ID)) {
    const changed = `${text.slice(0, index)}"aggregate_id":${JSON.stringify(to)}${text.slice(index + found.length)}`;
    if (isRenamed(text, changed, to)) return Buffer.from(changed, 'utf8');
  }
  throw new AggregateTransportError(
    'COPY_REFUSED',
    `expected the events of "${from}" to be JSON envelopes, found one that is not; only such events can be renamed`,
  );
}

/** A payload may have a field of that name, too: only the envelope's own may have changed. */
function isRenamed(before: string, after: string, to: string): boolean {
  try {
    const [old, renamed] = [JSON.parse(before), JSON.parse(after)] as [
      { aggregate_id: unknown },
      { aggregate_id: unknown },
    ];
    return (
      renamed.aggregate_id === to && JSON.stringify({ ...old, aggregate_id: to }) === JSON.stringify(renamed)
    );
  } catch {
    return false;
  }
}
