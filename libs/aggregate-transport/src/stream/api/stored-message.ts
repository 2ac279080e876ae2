import { parseHeaders } from '../../message/headers.js';
import { API_ERROR, type JetStreamApi } from './jetstream-api.js';

/** A message as `STREAM.MSG.GET` answers it; headers and body in base64. */
export interface RawMessage {
  seq: number;
  subject: string;
  /** When the server stored it, RFC 3339 with up to nine digits of a second. */
  time: string;
  hdrs?: string;
  data?: string;
}

/** Which message of a stream is asked for. */
export type MessageQuestion =
  | { readonly seq: number }
  /** The first message at or after `seq` whose subject matches. */
  | { readonly seq: number; readonly next_by_subj: string }
  | { readonly last_by_subj: string };

/**
 * One message of a stream, from its leader; undefined if there is none.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function findMessage(
  api: JetStreamApi,
  stream: string,
  which: MessageQuestion,
  timeoutMs?: number,
): Promise<RawMessage | undefined> {
  const call = `STREAM.MSG.GET.${stream}`;
  const found = await api.find<{ message: RawMessage }>(call, which, API_ERROR.messageNotFound, timeoutMs);
  return found?.message;
}

/** The header block of a message as text, the server's own headers included. */
export function headerBlockOf({ hdrs }: RawMessage): string {
  return Buffer.from(hdrs ?? '', 'base64').toString('utf8');
}

export function headersOf(message: RawMessage): Record<string, string> {
  return parseHeaders(headerBlockOf(message));
}

export function bodyOf({ data }: RawMessage): Uint8Array {
  return Buffer.from(data ?? '', 'base64');
}
