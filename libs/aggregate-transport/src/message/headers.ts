import { AggregateTransportError } from '../errors.js';
import { isPlainObject } from './json.js';

/** Every header name this library writes or reads. */
export const HEADER = {
  messageId: 'Nats-Msg-Id',
  expectedStream: 'Nats-Expected-Stream',
  expectedLastSubjectSequence: 'Nats-Expected-Last-Subject-Sequence',
  batchId: 'Nats-Batch-Id',
  batchSequence: 'Nats-Batch-Sequence',
  batchCommit: 'Nats-Batch-Commit',
} as const;

const NAME = /^[!-9;-~]+$/;

function hasLineBreak(value: string): boolean {
  return value.includes('\r') || value.includes('\n');
}

/** True for a name that the server acts on. */
export function isServerHeader(name: string): boolean {
  return name.toLowerCase().startsWith('nats-');
}

/** True if a header can have this name and value. */
export function isHeader(name: string, value: unknown): boolean {
  return NAME.test(name) && typeof value === 'string' && !hasLineBreak(value);
}

/**
 * Checks the headers a service adds to its event.
 * @throws HEADER_RESERVED for a name beginning with `Nats-` (the server acts on those)
 * @throws EVENT_INVALID for a name or value a header cannot carry, or for what is no plain object
 */
export function checkUserHeaders(headers: Readonly<Record<string, string>>): void {
  // Of a Map or a Headers object nothing would be sent: its entries are no members.
  if (!isPlainObject(headers)) {
    throw new AggregateTransportError(
      'EVENT_INVALID',
      'expected event.headers to be a plain object of names and texts, found another value; nothing was sent: ' +
        'pass Object.fromEntries(headers) of a Map or a Headers object',
    );
  }
  for (const [name, value] of Object.entries(headers)) {
    if (isServerHeader(name)) {
      throw new AggregateTransportError(
        'HEADER_RESERVED',
        `expected header names of your own, found "${name}": names beginning with Nats- belong to the server; nothing was sent`,
      );
    }
    if (!isHeader(name, value)) {
      throw new AggregateTransportError(
        'EVENT_INVALID',
        `expected header "${name.replace(/[^!-~]/g, '?')}" to be printable ASCII with a one-line text as value, found another; nothing was sent`,
      );
    }
  }
}

/** The dedup id of an event. Dedup is stream-wide, so the token keeps two aggregates' equal event ids apart. */
export function messageIdOf(token: string, eventId: string): string {
  return `${token}:${eventId}`;
}

/** What stands before the dedup id in the header block of an event that has nothing else, and after it. */
export const BEFORE_ID = `NATS/1.0\r\n${HEADER.messageId}: `;
export const AFTER_ID = '\r\n\r\n';

/** The header block of an event as it goes over the wire: the dedup id, what is expected, and the service's own. */
export function encodeHeaders(
  messageId: string,
  expectedSequence: number | undefined,
  own: Readonly<Record<string, string>> | undefined,
): Uint8Array {
  let block = `NATS/1.0\r\n${HEADER.messageId}: ${messageId}\r\n`;
  if (expectedSequence !== undefined)
    block += `${HEADER.expectedLastSubjectSequence}: ${expectedSequence}\r\n`;
  if (own !== undefined) for (const [name, value] of Object.entries(own)) block += `${name}: ${value}\r\n`;
  return Buffer.from(`${block}\r\n`, 'utf8');
}

/** A header block as it goes over the wire; undefined without headers, which a message must then not have. */
export function encodeHeaderBlock(headers: ReadonlyMap<string, string>): Uint8Array | undefined {
  if (headers.size === 0) return undefined;
  let block = 'NATS/1.0\r\n';
  for (const [name, value] of headers) block += `${name}: ${value}\r\n`;
  return Buffer.from(`${block}\r\n`, 'utf8');
}

/** The inverse of {@link encodeHeaders}: all headers of a block, the server's own included. */
export function parseHeaders(block: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of block.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  return headers;
}

/** The headers of an event's block that are not the server's. */
export function ownHeadersOf(block: Uint8Array): Record<string, string> {
  const all = Object.entries(parseHeaders(Buffer.from(block).toString('utf8')));
  return Object.fromEntries(all.filter(([name]) => !isServerHeader(name)));
}

/** An event's header block with the sequence added that its aggregate's last event must have. */
export function withExpectedSequence(block: Uint8Array, sequence: number): Uint8Array {
  return withLines(block, `${HEADER.expectedLastSubjectSequence}: ${sequence}\r\n`);
}

/** Where an event stands in an atomic batch. */
export interface BatchPlace {
  readonly batchId: string;
  /** From 1. */
  readonly place: number;
  readonly isLast: boolean;
}

/** An event's header block with its place in a batch added. */
export function withBatchPlace(block: Uint8Array, place: BatchPlace): Uint8Array {
  return withLines(block, batchLinesOf(place));
}

/** The header lines of a place in a batch. */
export function batchLinesOf({ batchId, place, isLast }: BatchPlace): string {
  const commit = isLast ? `${HEADER.batchCommit}: 1\r\n` : '';
  return `${HEADER.batchId}: ${batchId}\r\n${HEADER.batchSequence}: ${place}\r\n${commit}`;
}

/** The block ends with an empty line, which moves to the end. */
function withLines(block: Uint8Array, lines: string): Uint8Array {
  return Buffer.concat([block.subarray(0, block.length - 2), Buffer.from(`${lines}\r\n`, 'latin1')]);
}
