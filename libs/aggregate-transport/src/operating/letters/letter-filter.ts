import { AggregateTransportError } from '../../errors.js';
import type { ParkReason } from '../../message/park-reason.js';

/** Which parked aggregates are meant. All that is given must hold. */
export interface LetterFilter {
  /** The type of the aggregate's first letter. */
  readonly type?: string;
  /** A part of the error's text, or a pattern. */
  readonly error?: string | RegExp;
  /** Why the aggregate was parked. */
  readonly reason?: ParkReason;
}

/** What a filter is asked about. */
export interface FilteredAggregate {
  readonly error: string;
  readonly reason: string;
  /** Undefined if the first letter has no type that can be read. */
  readonly type: string | undefined;
}

/** True if each filter holds. Pure. */
export function matchesAll(filters: readonly LetterFilter[], found: FilteredAggregate): boolean {
  return filters.every(
    ({ type, error, reason }) =>
      (type === undefined || type === found.type) &&
      (reason === undefined || reason === found.reason) &&
      (error === undefined || holds(error, found.error)),
  );
}

/** True if the type of the first letter must be read. Pure. */
export function asksForType(filters: readonly LetterFilter[]): boolean {
  return filters.some(({ type }) => type !== undefined);
}

function holds(error: string | RegExp, text: string): boolean {
  if (typeof error === 'string') return text.includes(error);
  // One with the flag g or y remembers where it stopped.
  error.lastIndex = 0;
  return error.test(text);
}

const KEYS = ['type', 'error', 'reason'] as const;
/** A pattern between slashes may hold commas, and an equals sign. */
const PART = /(?<key>[a-z]+)=(?<value>\/(?:\\.|[^\\/])+\/[a-z]*|[^,]*)(?:,|$)/y;
const PATTERN = /^\/(?<source>(?:\\.|[^\\/])+)\/(?<flags>[a-z]*)$/;

/**
 * Reads `type=OrderPlaced,error=no stock` or `error=/timeout|refused/i`.
 * @throws OPTIONS_INVALID
 */
export function parseFilter(text: string): LetterFilter {
  const filter: Record<string, string | RegExp> = {};
  PART.lastIndex = 0;
  for (let at = 0; at < text.length; at = PART.lastIndex) {
    PART.lastIndex = at;
    const { key = '', value = '' } = PART.exec(text)?.groups ?? {};
    const isKnown = (KEYS as readonly string[]).includes(key);
    if (!isKnown || value === '' || key in filter) throw filterError(text);
    filter[key] = key === 'error' ? textOrPattern(value) : value;
  }
  if (Object.keys(filter).length === 0) throw filterError(text);
  return filter;
}

function textOrPattern(value: string): string | RegExp {
  const { source, flags } = PATTERN.exec(value)?.groups ?? {};
  if (source === undefined) return value;
  try {
    return new RegExp(source, flags);
  } catch (cause) {
    throw filterError(value, cause);
  }
}

function filterError(text: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected a filter such as type=OrderPlaced,error=timeout or error=/timeout|refused/i (keys ${KEYS.join(', ')}), ` +
      `found "${text}"`,
    cause === undefined ? undefined : { cause },
  );
}
