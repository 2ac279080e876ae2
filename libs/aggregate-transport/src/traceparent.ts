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
const NAME = Buffer.from(`${TRACEPARENT}:`, 'latin1');
const FIRST_LETTER = NAME[0];
/** The value of each hexadecimal digit of lower case, as the header has it; `NO_DIGIT` for any other byte. */
const DIGITS = new Uint8Array(256).fill(0xff);
for (let digit = 0; digit < 16; digit++) DIGITS[digit.toString(16).charCodeAt(0)] = digit;
const NO_DIGIT = 0xf0;

/**
 * True if the header block at the begin of these bytes has a `traceparent` of version 00 whose trace is not recorded.
 * It reads bytes and makes no text. False also for what it does not understand.
 *
 * Asked of every event where attempts are traced, so it reads each byte once and calls nothing.
 */
export function isUnsampledIn(block: Uint8Array): boolean {
  const { length } = block;
  let at = 0;
  while (at < length) {
    const byte = block[at] ?? 0;
    // An empty line ends the headers.
    if (byte === CARRIAGE_RETURN) return false;
    if ((byte | LOWER) === FIRST_LETTER && isNamed(block, at)) return isUnsampledAt(block, at + NAME.length);
    while (at < length && block[at] !== LINE_FEED) at++;
    at++;
  }
  return false;
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
  if (block[at + 2] !== DASH || block[at + 35] !== DASH || block[at + 52] !== DASH) return false;
  const version = digitsIn(block, at, at + 2);
  const trace = digitsIn(block, at + 3, at + 35);
  const span = digitsIn(block, at + 36, at + 52);
  const flags = digitsIn(block, at + 53, at + LENGTH);
  if (version !== 0 || !isId(trace) || !isId(span) || flags >= NO_DIGIT) return false;
  return ((DIGITS[block[at + LENGTH - 1] ?? 0] ?? 1) & 1) === 0;
}

/** All digits in one number by their bits: 0 if all are zero, and `NO_DIGIT` or more if one is none. */
function digitsIn(block: Uint8Array, begin: number, end: number): number {
  let bits = 0;
  for (let at = begin; at < end; at++) bits |= DIGITS[block[at] ?? 0] ?? NO_DIGIT;
  return bits;
}

/** An id of zeros only is none. */
function isId(bits: number): boolean {
  return bits > 0 && bits < NO_DIGIT;
}
