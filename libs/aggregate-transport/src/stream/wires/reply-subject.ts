/** The numbers that the server packs into the reply subject of a delivery. */
export interface DeliveryPlace {
  readonly streamSequence: number;
  readonly consumerSequence: number;
}

const DOT = 46;
const ZERO = 48;
const SEPARATOR = '.';
/** `$JS.ACK.<stream>.<consumer>` before the numbers. */
const V1_TOKENS_BEFORE_NUMBERS = 4;
/** `$JS.ACK.<domain>.<account hash>.<stream>.<consumer>` before the numbers (ADR-15). */
const V2_TOKENS_BEFORE_NUMBERS = 6;
/** Four before the numbers, five numbers. The other form has two more before them, and may have more after. */
const V1_TOKENS = 9;

/** `$JS.ACK.<stream>.<consumer>.`: what the v1 reply subjects of one reader begin with. */
export function replyPrefixOf(stream: string, reader: string): string {
  return `$JS.ACK.${stream}.${reader}.`;
}

/**
 * Reads a reply subject (ADR-15): `…<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>`, in the v1
 * form or the v2 form. `prefix` is that of the reader's v1 subjects, and makes the common case fast. This runs for
 * every event, and is therefore a loop over digits. NaN for what is no number. Pure.
 */
export function parseReplySubject(subject: string, prefix: string): DeliveryPlace {
  let at = subject.startsWith(prefix) ? prefix.length : startOfNumbers(subject);
  const next = (): number => {
    if (at >= subject.length) return Number.NaN;
    let value = 0;
    for (; at < subject.length; at++) {
      const code = subject.charCodeAt(at);
      if (code === DOT) break;
      const digit = code - ZERO;
      value = digit >= 0 && digit <= 9 ? value * 10 + digit : Number.NaN;
    }
    at++;
    return value;
  };
  next();
  return { streamSequence: next(), consumerSequence: next() };
}

/**
 * When the event of a reply subject was stored, in nanoseconds since 1970, as the server wrote it; '' if the subject
 * has no such number. Pure.
 */
export function storedAtOf(subject: string): string {
  const tokens = subject.split(SEPARATOR);
  const before = tokens.length > V1_TOKENS ? V2_TOKENS_BEFORE_NUMBERS : V1_TOKENS_BEFORE_NUMBERS;
  // After the deliveries and the two sequences.
  const time = tokens[before + 3] ?? '';
  return /^\d+$/.test(time) ? time : '';
}

function startOfNumbers(subject: string): number {
  const isV1 = subject.split(SEPARATOR).length <= V1_TOKENS;
  let at = 0;
  for (let left = isV1 ? V1_TOKENS_BEFORE_NUMBERS : V2_TOKENS_BEFORE_NUMBERS; left > 0; left--) {
    const dot = subject.indexOf(SEPARATOR, at);
    if (dot === -1) return subject.length;
    at = dot + 1;
  }
  return at;
}
