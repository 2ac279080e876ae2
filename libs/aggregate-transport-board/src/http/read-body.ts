import type { IncomingMessage } from 'node:http';
import { AggregateBoardError } from '../errors.js';

/** A command names a group and an aggregate; nothing is longer. */
const MAX_BYTES = 16_384;

/** @throws BOARD_REQUEST_INVALID */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BYTES) throw invalid(`at most ${MAX_BYTES} bytes`);
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
  } catch {
    throw invalid('JSON');
  }
}

function invalid(expected: string): AggregateBoardError {
  return new AggregateBoardError(
    'BOARD_REQUEST_INVALID',
    `expected a body of ${expected}, found another one`,
  );
}
