import { AggregateTransportError } from '../errors.js';
import { newEventId } from './event-id.js';
import type { AggregateEvent } from './event.js';

/** The body of a stored event, field for field as it lies in the stream. */
export interface Envelope {
  /** Unique among all events; 1 to 128 visible ASCII characters. */
  event_id: string;
  /** 1 to 256 bytes of UTF-8. */
  aggregate_id: string;
  /** What happened; not blank. */
  event_type: string;
  /** Schema version of the payload, from 1. */
  event_version: number;
  /** ISO 8601. */
  timestamp: string;
  /** The service's own count of the aggregate's events, if it keeps one. */
  aggregate_version?: number;
  /** As its publisher gave it. */
  trace_id?: string;
  /** As its publisher gave it. */
  correlation_id?: string;
  /** As its publisher gave it. */
  tenant_id?: number;
  /** What happened in detail; any JSON with the default codec. */
  payload: unknown;
}

const EVENT_ID = /^[!-~]{1,128}$/;
/** All that an event may say; a misspelt field would be lost without a word. */
const EVENT_FIELDS = new Set(
  Object.keys({
    ...{ aggregateId: 1, type: 1, payload: 1, eventId: 1, version: 1, aggregateVersion: 1, timestamp: 1 },
    ...{ traceId: 1, correlationId: 1, tenantId: 1, headers: 1, expectedSequence: 1 },
  } satisfies Record<keyof AggregateEvent, 1>),
);
const NOT_PRINTABLE = /[^!-~]/g;
const MAX_SHOWN_NAME = 40;

/** Never its content. */
function shown(found: unknown): string {
  if (typeof found === 'string') return found === '' ? 'an empty string' : 'another string';
  if (Array.isArray(found)) return 'a list';
  return found === null ? 'null' : typeof found;
}

function invalid(field: string, expected: string, found: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'EVENT_INVALID',
    `expected event.${field} to be ${expected}, found ${shown(found)}; nothing was sent`,
  );
}

/**
 * Callers without a compiler may hand over anything.
 * @throws EVENT_INVALID if it is no object at all, or has a field that no event has
 */
export function requireEvent(event: unknown): void {
  if (typeof event === 'object' && event !== null && !Array.isArray(event)) {
    for (const field in event)
      if (!EVENT_FIELDS.has(field) && Object.hasOwn(event, field)) throw unknownField(field);
    return;
  }
  const found = typeof event === 'string' ? 'a text' : shown(event);
  throw new AggregateTransportError(
    'EVENT_INVALID',
    `expected an event { aggregateId, type, payload }, found ${found}; nothing was sent: pass one such object ` +
      '(publishAll takes a list of them)',
  );
}

function unknownField(name: string): AggregateTransportError {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z]/g, '');
  const meant = [...EVENT_FIELDS].find((field) => plain(field) === plain(name));
  const shown = name.slice(0, MAX_SHOWN_NAME).replace(NOT_PRINTABLE, '?');
  return new AggregateTransportError(
    'EVENT_INVALID',
    `expected an event of the fields ${[...EVENT_FIELDS].join(', ')}, found "${shown}"; nothing was sent: ` +
      (meant === undefined ? 'put what is yours into payload or headers' : `the field is called ${meant}`),
  );
}

function requireOptional({ aggregateVersion, tenantId, traceId, correlationId }: AggregateEvent): void {
  if (aggregateVersion !== undefined && (!Number.isSafeInteger(aggregateVersion) || aggregateVersion < 0))
    throw invalid('aggregateVersion', 'a whole number from 0', aggregateVersion);
  if (tenantId !== undefined && !Number.isSafeInteger(tenantId))
    throw invalid('tenantId', 'a whole number', tenantId);
  requireOptionalText('traceId', traceId);
  requireOptionalText('correlationId', correlationId);
}

function requireOptionalText(field: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'string') throw invalid(field, 'a text', value);
}

function requireText(field: string, value: unknown): void {
  if (typeof value !== 'string' || value.trim() === '')
    throw invalid(field, 'a text that is not blank', value);
}

function requireEventId(eventId: unknown): void {
  if (typeof eventId === 'string' && EVENT_ID.test(eventId)) return;
  throw invalid(
    'eventId',
    '1 to 128 printable ASCII characters without spaces (it travels in a header)',
    eventId,
  );
}

/**
 * The envelope of an event, with its defaults filled in. `declaredVersion` is that of its type.
 * @throws EVENT_INVALID if a field has the wrong form. The aggregate id is checked by its token.
 */
export function toEnvelope(event: AggregateEvent, wallMs: number, declaredVersion = 1): Envelope {
  requireText('type', event.type);
  if (event.payload === undefined) throw invalid('payload', 'a value (null is one)', event.payload);
  if (event.eventId !== undefined) requireEventId(event.eventId);
  const { version = declaredVersion, aggregateVersion, traceId, correlationId, tenantId } = event;
  if (!Number.isSafeInteger(version) || version < 1)
    throw invalid('version', 'a whole number from 1', version);
  requireOptional(event);
  const envelope: Envelope = {
    event_id: event.eventId ?? newEventId(wallMs),
    aggregate_id: event.aggregateId,
    event_type: event.type,
    event_version: version,
    timestamp: isoOf(event.timestamp, wallMs),
    payload: event.payload,
  };
  if (aggregateVersion !== undefined) envelope.aggregate_version = aggregateVersion;
  if (traceId !== undefined) envelope.trace_id = traceId;
  if (correlationId !== undefined) envelope.correlation_id = correlationId;
  if (tenantId !== undefined) envelope.tenant_id = tenantId;
  return envelope;
}

let isoMs = Number.NaN;
let iso = '';

/** Many events share one millisecond, and formatting a date costs as much as hashing the id. */
function isoOf(timestamp: Date | undefined, wallMs: number): string {
  if (timestamp !== undefined) {
    if (!(timestamp instanceof Date) || Number.isNaN(timestamp.getTime()))
      throw invalid('timestamp', 'a valid date', timestamp);
    return timestamp.toISOString();
  }
  if (wallMs !== isoMs) {
    isoMs = wallMs;
    iso = new Date(wallMs).toISOString();
  }
  return iso;
}

/**
 * Checks that decoded bytes are an envelope of the aggregate whose subject they came under.
 * @throws ENVELOPE_INVALID, naming the field, never its content
 */
export function checkEnvelope(value: unknown, aggregateId: string): Envelope {
  const fault = faultOf(value, aggregateId);
  if (fault === undefined) return value as Envelope;
  throw new AggregateTransportError(
    'ENVELOPE_INVALID',
    `expected an event envelope, found ${fault}; ` +
      'publish through AggregatePublisher, or write the envelope of docs/wire-format.md',
  );
}

function faultOf(value: unknown, aggregateId: string): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'a body that is no object';
  const body = value as Partial<Record<keyof Envelope, unknown>>;
  for (const field of ['event_id', 'aggregate_id', 'event_type'] as const) {
    if (typeof body[field] !== 'string' || body[field] === '') return `no ${field}`;
  }
  if (body.aggregate_id !== aggregateId) return 'an aggregate_id other than its subject names';
  if (!('payload' in body)) return 'no payload';
  return faultOfOptional(body);
}

function faultOfOptional(body: Partial<Record<keyof Envelope, unknown>>): string | undefined {
  if (body.event_version !== undefined && typeof body.event_version !== 'number')
    return 'an event_version that is no number';
  if (body.timestamp !== undefined && typeof body.timestamp !== 'string')
    return 'a timestamp that is no text';
  return faultOfNullable(body);
}

/** Publishers in other languages write null for what they do not know. */
function faultOfNullable(body: Partial<Record<keyof Envelope, unknown>>): string | undefined {
  for (const field of ['aggregate_version', 'tenant_id'] as const) {
    const value = body[field] ?? undefined;
    if (value !== undefined && typeof value !== 'number') return `a ${field} that is no number`;
  }
  for (const field of ['trace_id', 'correlation_id'] as const) {
    const value = body[field] ?? undefined;
    if (value !== undefined && typeof value !== 'string') return `a ${field} that is no text`;
  }
  return undefined;
}

/** Every field that an envelope may have. */
const ENVELOPE_FIELDS = [
  'event_id',
  'aggregate_id',
  'event_type',
  'event_version',
  'timestamp',
  'aggregate_version',
  'trace_id',
  'correlation_id',
  'tenant_id',
  'payload',
] as const satisfies readonly (keyof Envelope)[];

/**
 * Reads each field of a decoded body once, into an object of ours. What a codec of the application answers may have
 * getters, and later reads must neither throw nor differ. May throw what a getter throws.
 */
export function readFields(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const body = value as Partial<Record<keyof Envelope, unknown>>;
  return Object.fromEntries(
    ENVELOPE_FIELDS.filter((field) => field in body).map((field) => [field, body[field]]),
  );
}
