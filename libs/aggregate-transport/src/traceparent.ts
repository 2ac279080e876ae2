const TRACEPARENT = 'traceparent';
const FORM = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;

/** What a W3C `traceparent` says: the span that it names. */
export interface NamedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

/** The header `traceparent`, under any case of its name. */
export function traceparentIn(headers: Readonly<Record<string, string>>): string | undefined {
  const name = Object.keys(headers).find((one) => one.toLowerCase() === TRACEPARENT);
  return name === undefined ? undefined : headers[name];
}

/** Reads a `traceparent`; undefined for any other value. */
export function namedSpanIn(traceparent: unknown): NamedSpan | undefined {
  const found = typeof traceparent === 'string' ? FORM.exec(traceparent) : null;
  if (found === null) return undefined;
  const [, traceId = '', spanId = '', flags = ''] = found;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) };
}

/** The id of the trace that a `traceparent` names. */
export function traceIdIn(traceparent: unknown): string | undefined {
  return namedSpanIn(traceparent)?.traceId;
}

/** The inverse of {@link namedSpanIn}. */
export function traceparentOf({ traceId, spanId, traceFlags }: NamedSpan): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
const DASH = 45;
const LOWER = 0x20;
const LENGTH = 55;
const DASHES = [2, 35, 52] as const;
const NAME = Buffer.from(`${TRACEPARENT}:`, 'latin1');

/**
 * True if the header block at the begin of these bytes has a `traceparent` of version 00 whose trace is not recorded.
 * It reads bytes and makes no text. False also for what it does not understand.
 */
export function isUnsampledIn(block: Uint8Array): boolean {
  // An empty line ends the headers.
  for (let at = lineAfter(block, 0); at > 0 && block[at] !== CARRIAGE_RETURN; at = lineAfter(block, at)) {
    if (isNamed(block, at)) return isUnsampledAt(block, at + NAME.length);
  }
  return false;
}

/** Where the next line begins; 0 if there is none. */
function lineAfter(block: Uint8Array, at: number): number {
  return block.indexOf(LINE_FEED, at) + 1;
}

/** Header names come in any case. */
function isNamed(block: Uint8Array, at: number): boolean {
  for (let place = 0; place < NAME.length; place++)
    if (((block[at + place] ?? 0) | LOWER) !== ((NAME[place] ?? 0) | LOWER)) return false;
  return true;
}

function isUnsampledAt(block: Uint8Array, begin: number): boolean {
  let at = begin;
  while (block[at] === SPACE) at++;
  if (block[at + LENGTH] !== CARRIAGE_RETURN) return false;
  for (const place of DASHES) if (block[at + place] !== DASH) return false;
  const version = hexAt(block, at, at + 2);
  const trace = hexAt(block, at + 3, at + 35);
  const span = hexAt(block, at + 36, at + 52);
  const flags = hexAt(block, at + 53, at + LENGTH);
  if (version !== 0 || trace < 1 || span < 1 || flags < 0) return false;
  return ((digitOf(block[at + LENGTH - 1] ?? 0) ?? 1) & 1) === 0;
}

/** The sum of the digits: -1 if one is none, and 0 if all are zero. */
function hexAt(block: Uint8Array, begin: number, end: number): number {
  let sum = 0;
  for (let at = begin; at < end; at++) {
    const digit = digitOf(block[at] ?? 0);
    if (digit === undefined) return -1;
    sum += digit;
  }
  return sum;
}

/** Lower case only, as the header has it. */
function digitOf(byte: number): number | undefined {
  if (byte >= 48 && byte <= 57) return byte - 48;
  return byte >= 97 && byte <= 102 ? byte - 87 : undefined;
}
