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

/** The columns of {@link columnsOf}, and what PostgreSQL reads each of them as. */
export const ROW_COLUMNS = {
  aggregate: 'text',
  slot: 'smallint',
  event_id: 'text',
  event: 'text',
  body: 'text',
  headers: 'text',
} as const;

/** The events as one list for each of {@link ROW_COLUMNS}. Either `event` holds a JSON text, or `body` holds base64. */
export function columnsOf(events: readonly CheckedEvent[]): string[] {
  const rows = events.map(rowOf);
  return Object.keys(ROW_COLUMNS).map((_, column) => listOf(rows.map((row) => row[column] ?? null)));
}

/** A list as PostgreSQL writes one. Every text is quoted, so that each is a text and nothing else. */
export function listOf(texts: readonly (string | null)[]): string {
  return `{${texts.map((text) => (text === null ? 'NULL' : `"${escaped(text)}"`)).join(',')}}`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}

function rowOf({ token, eventId, body, isJson, headers }: CheckedEvent): (string | null)[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return [
    ...[token, String(partitionOf(token, SLOTS)), eventId],
    ...(isJson ? [bytes.toString('utf8'), null] : [null, bytes.toString('base64')]),
    headers === undefined ? null : JSON.stringify(headers),
  ];
}
