import { traceIdIn } from '../traceparent.js';

/** What tools show of a stored event or a letter. */
export interface ShownEvent {
  readonly type: string | undefined;
  readonly eventId: string | undefined;
  readonly traceId: string | undefined;
  readonly correlationId: string | undefined;
  readonly bytes: number;
  readonly payload?: unknown;
}

/**
 * Reads an event without its service's codec: as the envelope of the default codec, else by the headers of a
 * CloudEvent. A payload is given only if it is asked for: the text of the body if it is no envelope. Pure.
 */
export function shownEventOf(
  { body, headers }: { readonly body: Uint8Array; readonly headers: Readonly<Record<string, string>> },
  withPayload: boolean,
): ShownEvent {
  const text = Buffer.from(body).toString('utf8');
  const envelope = envelopeOf(text);
  const header = headersByName(headers);
  const { event_type, event_id, trace_id, correlation_id } = envelope ?? {};
  return {
    type: textOf(event_type) ?? header.get('ce-type'),
    eventId: textOf(event_id) ?? header.get('ce-id'),
    traceId: traceIdIn(header.get('traceparent')) ?? textOf(trace_id),
    correlationId: textOf(correlation_id),
    bytes: body.length,
    ...(withPayload ? { payload: envelope === undefined ? text : envelope['payload'] } : {}),
  };
}

/** Undefined for what another codec wrote. */
function envelopeOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isEnvelope = typeof value === 'object' && value !== null && 'event_type' in value;
    return isEnvelope ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function headersByName(headers: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
