import type { Envelope } from '../envelope.js';

/** The context attributes of a CloudEvent, by name, without its data. */
export type Attributes = Readonly<Record<string, string | number>>;

const SPEC_VERSION = '1.0';
export const JSON_DATA = 'application/json';
/** The largest Integer of CloudEvents; a greater one travels as a text. */
const MAX_INTEGER = 2 ** 31 - 1;
const DECIMAL = /^-?\d{1,16}$/;
/** `application/json`, `text/json` and anything that ends in `+json`, with or without parameters. */
const IS_JSON = /^\s*[\w.+-]+\/(?:json|[\w.-]+\+json)\s*(?:;|$)/i;

/** Extensions by the field of the envelope that they carry. CloudEvents allows lower-case letters and digits. */
const NUMBERS = {
  event_version: 'eventversion',
  aggregate_version: 'aggregateversion',
  tenant_id: 'tenantid',
} as const satisfies Partial<Record<keyof Envelope, string>>;
const TEXTS = {
  trace_id: 'traceid',
  correlation_id: 'correlationid',
} as const satisfies Partial<Record<keyof Envelope, string>>;

/** The attributes of an envelope. */
export function attributesOf(envelope: Envelope, source: string): Attributes {
  const attributes: Record<string, string | number> = {
    specversion: SPEC_VERSION,
    id: envelope.event_id,
    source,
    type: envelope.event_type,
    subject: envelope.aggregate_id,
    time: envelope.timestamp,
    datacontenttype: JSON_DATA,
  };
  for (const [field, name] of entriesOf(NUMBERS)) {
    const value = envelope[field];
    if (value !== undefined) attributes[name] = Math.abs(value) > MAX_INTEGER ? String(value) : value;
  }
  for (const [field, name] of entriesOf(TEXTS)) {
    const value = envelope[field];
    if (value !== undefined) attributes[name] = value;
  }
  return attributes;
}

/**
 * The envelope that attributes and data make, without any field that they do not name. What the fields must be is
 * checked as for any other codec.
 * @throws Error if they are no CloudEvent that is an event of an aggregate
 */
export function envelopeOf(attributes: Readonly<Record<string, unknown>>, payload: unknown): object {
  const { specversion, id, source, type, subject, time } = attributes;
  if (specversion !== SPEC_VERSION)
    throw new Error(`expected a CloudEvent with specversion "${SPEC_VERSION}", found another one`);
  for (const [name, value] of Object.entries({ id, source, type, subject })) {
    if (typeof value !== 'string' || value === '')
      throw new Error(`expected a CloudEvent with the text attribute ${name}, found none`);
  }
  return {
    ...{ event_id: id, aggregate_id: subject, event_type: type, payload },
    ...(isSet(time) ? { timestamp: requireTime(time) } : {}),
    ...fieldsOf(attributes, NUMBERS, numberOf),
    ...fieldsOf(attributes, TEXTS, (text) => text),
  };
}

function fieldsOf(
  attributes: Readonly<Record<string, unknown>>,
  names: Readonly<Record<string, string>>,
  read: (value: unknown) => unknown,
): object {
  const found = Object.entries(names).filter(([, name]) => isSet(attributes[name]));
  return Object.fromEntries(found.map(([field, name]) => [field, read(attributes[name])]));
}

/** JSON has null for an attribute that is not there. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** True if data of this type is JSON. CloudEvents calls data JSON that has no type. */
export function isJsonData(contentType: unknown): boolean {
  return contentType === undefined || (typeof contentType === 'string' && IS_JSON.test(contentType));
}

function requireTime(time: unknown): string {
  if (typeof time === 'string' && !Number.isNaN(Date.parse(time))) return time;
  throw new Error('expected a CloudEvent whose time is an RFC 3339 timestamp, found another value');
}

/** In headers, and above the largest Integer, a number is a text. */
function numberOf(value: unknown): unknown {
  return typeof value === 'string' && DECIMAL.test(value) ? Number(value) : value;
}

function entriesOf<K extends string, V extends string>(map: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(map) as [K, V][];
}
