import type { CheckedEvent } from 'nestjs-aggregate-transport';
import { type Row, textIn } from '../../transaction/statement.js';

/** A row of the outbox that is not marked as published. */
export interface OutboxRow {
  /** The order of its aggregate's events. */
  readonly id: number;
  readonly event: CheckedEvent;
  /** Of body and headers, as they are held in memory. */
  readonly bytes: number;
}

/** Undefined for a line that holds no row. */
export function outboxRowOf(line: Row): OutboxRow | undefined {
  const id = textIn(line, 'id');
  if (id === undefined) return undefined;
  const json = textIn(line, 'event');
  const body =
    json === undefined ? Buffer.from(textIn(line, 'body') ?? '', 'base64') : Buffer.from(json, 'utf8');
  const headers = textIn(line, 'headers');
  const own = headers === undefined ? undefined : (JSON.parse(headers) as Record<string, string>);
  const token = textIn(line, 'aggregate') ?? '';
  const eventId = textIn(line, 'name') ?? '';
  return {
    id: Number(id),
    event: { token, eventId, body, isJson: json !== undefined, headers: own },
    bytes: body.length + (headers?.length ?? 0),
  };
}
