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
 * The events as one JSON list of rows: `aggregate`, `slot`, `id`, then `event` or `body`, and `headers`. An envelope
 * in JSON stands in it as it is, byte for byte, and PostgreSQL's type `json` keeps it so.
 */
export function rowsJson(events: readonly CheckedEvent[]): string {
  return `[${events.map(rowJson).join(',')}]`;
}

function rowJson({ token, eventId, body, isJson, headers }: CheckedEvent): string {
  const slot = String(partitionOf(token, SLOTS));
  const columns = JSON.stringify({ aggregate: token, slot, id: eventId, headers }).slice(1, -1);
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return isJson
    ? `{${columns},"event":${bytes.toString('utf8')}}`
    : `{${columns},"body":"${bytes.toString('base64')}"}`;
}
