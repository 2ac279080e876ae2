import type { BodyFormat } from './application-facts.js';
import type { JsonSchema } from './json-schemas.js';

const TEXT = { type: 'string' };
const TIME = { type: 'string', format: 'date-time' };
const VERSION = { type: 'integer', minimum: 1, description: 'Schema version of the payload.' };
const COUNT = { type: 'integer', minimum: 0 };

/** A message as AsyncAPI describes it: what its body is, and its headers. */
export interface MessageSchemas {
  readonly contentType: string;
  readonly payload: JsonSchema;
  readonly headers: JsonSchema;
}

/** An event type, or undefined for any, and where its payload's schema stands. */
export interface MessageOf {
  readonly type: string | undefined;
  /** For any type: those that have a message of their own. */
  readonly named?: readonly string[];
  readonly payload: JsonSchema;
}

/** The schemas of one message in the body format of its topic. */
export function messageSchemas(format: BodyFormat, message: MessageOf): MessageSchemas {
  switch (format) {
    case 'json':
      return { contentType: 'application/json', payload: envelope(message), headers: headers({}) };
    case 'cloudevents':
      return {
        contentType: 'application/cloudevents+json',
        payload: cloudEvent(message),
        headers: headers({ 'content-type': { const: 'application/cloudevents+json' } }),
      };
    case 'cloudevents-binary':
      return {
        contentType: 'application/json',
        payload: message.payload,
        headers: headers(binaryHeaders(message), [
          'ce-id',
          'ce-source',
          'ce-specversion',
          'ce-subject',
          'ce-type',
        ]),
      };
    case 'other':
      return {
        contentType: 'application/octet-stream',
        payload: { description: 'Written by a codec of the application.' },
        headers: headers({}),
      };
  }
}

function typeOf({ type, named = [] }: MessageOf): JsonSchema {
  if (type !== undefined) return { const: type };
  return named.length === 0 ? TEXT : { ...TEXT, not: { enum: named } };
}

function envelope(message: MessageOf): JsonSchema {
  return {
    type: 'object',
    required: ['event_id', 'aggregate_id', 'event_type', 'payload'],
    properties: {
      event_id: { ...TEXT, minLength: 1, maxLength: 128, description: 'Unique within its aggregate.' },
      aggregate_id: {
        ...TEXT,
        minLength: 1,
        description: 'Events of one aggregate are handled in stored order.',
      },
      event_type: typeOf(message),
      event_version: VERSION,
      timestamp: TIME,
      aggregate_version: { type: ['integer', 'null'], minimum: 0 },
      trace_id: { type: ['string', 'null'] },
      correlation_id: { type: ['string', 'null'] },
      tenant_id: { type: ['integer', 'null'] },
      payload: message.payload,
    },
  };
}

function cloudEvent(message: MessageOf): JsonSchema {
  return {
    type: 'object',
    required: ['specversion', 'id', 'source', 'type', 'subject'],
    properties: {
      specversion: { const: '1.0' },
      id: { ...TEXT, minLength: 1, maxLength: 128, description: 'Unique within its aggregate.' },
      source: { ...TEXT, format: 'uri-reference', minLength: 1 },
      type: typeOf(message),
      subject: { ...TEXT, minLength: 1, description: 'The aggregate id.' },
      time: TIME,
      datacontenttype: TEXT,
      eventversion: VERSION,
      aggregateversion: COUNT,
      traceid: TEXT,
      correlationid: TEXT,
      tenantid: { type: 'integer' },
      data: message.payload,
    },
  };
}

function binaryHeaders(message: MessageOf): Record<string, JsonSchema> {
  return {
    'ce-specversion': { const: '1.0' },
    'ce-id': TEXT,
    'ce-source': TEXT,
    'ce-type': typeOf(message),
    'ce-subject': { ...TEXT, description: 'The aggregate id, percent-encoded.' },
    'ce-time': TIME,
    'ce-datacontenttype': TEXT,
    'ce-eventversion': TEXT,
    'ce-aggregateversion': TEXT,
    'ce-traceid': TEXT,
    'ce-correlationid': TEXT,
    'ce-tenantid': TEXT,
    'content-type': TEXT,
  };
}

function headers(more: Readonly<Record<string, JsonSchema>>, required: readonly string[] = []): JsonSchema {
  return {
    type: 'object',
    ...(required.length === 0 ? {} : { required }),
    properties: {
      'Nats-Msg-Id': {
        ...TEXT,
        description: '<token>:<event id>. The stream keeps an id once per duplicate window.',
      },
      ...more,
    },
  };
}
