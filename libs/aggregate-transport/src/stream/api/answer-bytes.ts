const ZERO = 48;
const NINE = 57;
const LOWER_A = 97;
const CLOSING_BRACE = 125;
const RADIX = 36;
/** Such numbers are exact, and no stream gives larger ones. */
const MOST_DIGITS = 15;

/**
 * What the server's answer to an event begins with when it has stored the event and has nothing else to say. A server
 * with a JetStream domain names it. Pure.
 */
export function storedPrefixOf(stream: string, domain?: string): Uint8Array {
  const of = domain === undefined ? '' : `"domain":${JSON.stringify(domain)},`;
  return Buffer.from(`{"stream":${JSON.stringify(stream)},${of}"seq":`, 'utf8');
}

/**
 * The sequence in `{"stream":"…","seq":N}`, which is nearly every answer; undefined for any other bytes, which are then
 * read as JSON. This runs for every event, and is therefore a loop over bytes. Pure.
 */
export function storedSequenceOf(answer: Uint8Array, prefix: Uint8Array): number | undefined {
  const from = prefix.length;
  const end = answer.length - 1;
  // Of a copy whose first copy is not stored yet, a server says 0.
  if (end <= from || answer[from] === ZERO) return undefined;
  if (end - from > MOST_DIGITS || answer[end] !== CLOSING_BRACE) return undefined;
  for (let at = 0; at < from; at++) if (answer[at] !== prefix[at]) return undefined;
  let sequence = 0;
  for (let at = from; at < end; at++) {
    const digit = (answer[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    sequence = sequence * 10 + digit;
  }
  return sequence;
}

/** The id that ends a reply subject, in base 36, from byte `from` on. Pure. */
export function idIn(subject: Uint8Array, from: number): number {
  let id = 0;
  for (let at = from; at < subject.length; at++) {
    const byte = subject[at] ?? 0;
    id = id * RADIX + (byte <= NINE ? byte - ZERO : byte - LOWER_A + 10);
  }
  return id;
}
