import { type CheckedEvent, partitionOf } from 'nestjs-aggregate-transport';
import type { SchemaNames } from '../schema/schema-names.js';

/** The most shards that relays can have: one per value of the hash that a subject carries. */
export const SLOTS = 256;

/** Each aggregate once, in one order for all callers: two lists then never wait for each other in a circle. */
export function lockKeysOf(names: SchemaNames, topic: string, events: readonly CheckedEvent[]): string[] {
  const tokens = new Set(events.map(({ token }) => token));
  const keys = [...tokens].map((token) => names.lockKey('outbox', topic, token));
  return keys.sort((one, other) => (one < other ? -1 : Number(one > other))).map(String);
}

/**
 * The events as one JSON list of rows, all of whose members are texts: `aggregate`, `slot`, `id`, then `event` or
 * `body`, and `headers`. JSON stands in it as a text of its own, because PostgreSQL reads what it takes apart, and
 * refuses `\u0000` there. Its type `json` keeps that text byte for byte.
 */
export function rowsJson(events: readonly CheckedEvent[]): string {
  return JSON.stringify(events.map(rowOf));
}

function rowOf({ token, eventId, body, isJson, headers }: CheckedEvent): object {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return {
    aggregate: token,
    slot: String(partitionOf(token, SLOTS)),
    id: eventId,
    ...(isJson ? { event: bytes.toString('utf8') } : { body: bytes.toString('base64') }),
    ...(headers === undefined ? {} : { headers: JSON.stringify(headers) }),
  };
}
