import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { jsonCodec } from '#library/message/codec.js';
import type { AggregateEvent } from '#library/message/event.js';
import { parseHeaders } from '#library/message/headers.js';
import { prepareEvent } from '#library/message/outgoing/prepare-event.js';
import { toStoredEvent } from '#library/message/stored-event.js';
import { tokenOfSubject } from '#library/message/subject.js';

/** One event as a service has it, and as it lies on the wire. Other languages test theirs against the same file. */
interface WireVector {
  readonly topic: string;
  readonly event: Omit<AggregateEvent, 'timestamp'> & { readonly timestamp: string };
  readonly subject: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const vectors = JSON.parse(readFileSync('test/data/wire-vectors.json', 'utf8')) as WireVector[];

describe.each(vectors)('vector $event.type', ({ topic, event, subject, headers, body }) => {
  test('an event becomes this message', () => {
    const prepared = prepareEvent(
      { ...event, timestamp: new Date(event.timestamp) },
      { topic, codec: jsonCodec, maxPayloadBytes: 1_048_576, wallMs: 0 },
    );
    expect(prepared.subject).toBe(subject);
    expect(parseHeaders(Buffer.from(prepared.headers).toString('utf8'))).toEqual(headers);
    expect(Buffer.from(prepared.body).toString('utf8')).toBe(body);
  });

  test('this message becomes the event', () => {
    const message = { sequence: 7, storedAt: '', headers, body: Buffer.from(body, 'utf8') };
    const stored = toStoredEvent(message, { topic, token: tokenOfSubject(subject), codec: jsonCodec });
    const { expectedSequence, ...known } = event;
    expect(headers['Nats-Expected-Last-Subject-Sequence']).toBe(expectedSequence?.toString());
    expect(stored).toEqual({
      version: 1,
      ...known,
      timestamp: new Date(event.timestamp),
      ...{ topic, sequence: 7, headers },
    });
  });
});

test('the vectors show each kind of token, each optional field, and payloads of any form', () => {
  const text = JSON.stringify(vectors);
  for (const what of [
    '.~',
    '.order-7"',
    'aggregateVersion',
    'traceId',
    'correlationId',
    'tenantId',
    'null',
  ]) {
    expect(text).toContain(what);
  }
});
