import type { Attributes } from './attributes.js';

/** What stands before the name of an attribute in a header's name. */
const PREFIX = 'ce-';
/** All that HTTP's binding encodes, and NATS' as well: space, quote, percent, and what is not printable ASCII. */
const ENCODED = /[^!#$&-~]/gu;
const HAS_PERCENT = /%/;

/** The headers of a CloudEvent in binary mode. */
export function headersOfAttributes(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [`${PREFIX}${name}`, encode(String(value))]),
  );
}

/**
 * The attributes that headers carry; none if the message is no CloudEvent in binary mode.
 * @throws Error if a value is encoded wrongly
 */
export function attributesOfHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (lower.startsWith(PREFIX)) attributes[lower.slice(PREFIX.length)] = decode(lower, value);
  }
  return attributes;
}

/** The value of a header, however its name is spelt. */
export function headerOf(headers: Readonly<Record<string, string>>, wanted: string): string | undefined {
  for (const [name, value] of Object.entries(headers)) if (name.toLowerCase() === wanted) return value;
  return undefined;
}

/** @throws URIError for a lone surrogate, which has no UTF-8 form */
function encode(text: string): string {
  return text.replace(ENCODED, encodeURIComponent);
}

function decode(name: string, value: string): string {
  if (!HAS_PERCENT.test(value)) return value;
  try {
    return decodeURIComponent(value);
  } catch (cause) {
    throw new Error(`expected header ${name} to be percent-encoded UTF-8, found another text`, { cause });
  }
}
