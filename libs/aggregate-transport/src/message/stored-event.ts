import { type Codec, decodeBody } from './codec.js';
import { checkEnvelope, type Envelope } from './envelope.js';
import { aggregateIdOf } from './subject.js';

/** An event as the stream holds it. */
export interface StoredEvent<T = unknown, K extends string = string> {
  /** The topic that holds it. */
  topic: string;
  /** Its sequence in the topic's stream. */
  sequence: number;
  /** The aggregate that it belongs to. */
  aggregateId: string;
  /** What happened. */
  type: K;
  /** As the codec decodes it. Upcasters and schemas are not applied. */
  payload: T;
  /** Names it; the same in every read. */
  eventId: string;
  /** Schema version of the payload. */
  version: number;
  /** The service's own count of the aggregate's events, if its publisher sets one. */
  aggregateVersion?: number;
  /** When it happened; when it was stored, if its publisher does not say. */
  timestamp: Date;
  /** As its publisher gave it. */
  traceId?: string;
  /** As its publisher gave it. */
  correlationId?: string;
  /** As its publisher gave it. */
  tenantId?: number;
  /** Headers of the message, those of the transport included. */
  headers: Readonly<Record<string, string>>;
}

/** A message of a stream, before its body is decoded. */
export interface StoredMessage {
  readonly sequence: number;
  /** When the server stored it, as ISO 8601. */
  readonly storedAt: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Missing where the caller named it. */
  readonly subject?: string;
}

/** @throws ENVELOPE_INVALID */
export function toStoredEvent(
  message: StoredMessage,
  { topic, token, codec }: { topic: string; token: string; codec: Codec },
): StoredEvent {
  const envelope = checkEnvelope(
    decodeBody(codec, message.body, () => message.headers),
    aggregateIdOf(token),
  );
  const { event_version: version, timestamp } = envelope as Partial<Envelope>;
  return {
    topic,
    sequence: message.sequence,
    aggregateId: envelope.aggregate_id,
    type: envelope.event_type,
    payload: envelope.payload,
    eventId: envelope.event_id,
    // Other publishers may leave these two out.
    version: version ?? 1,
    timestamp: new Date(timestamp ?? message.storedAt),
    headers: message.headers,
    ...given('aggregateVersion', envelope.aggregate_version),
    ...given('traceId', envelope.trace_id),
    ...given('correlationId', envelope.correlation_id),
    ...given('tenantId', envelope.tenant_id),
  };
}

/** Publishers in other languages write null for what they do not know. */
function given<K extends string, V>(name: K, value: V | null | undefined): { [P in K]?: V } {
  return value === undefined || value === null ? {} : ({ [name]: value } as { [P in K]: V });
}
