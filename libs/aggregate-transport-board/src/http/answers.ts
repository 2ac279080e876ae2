import type { ServerResponse } from 'node:http';
import type { AggregateBoardErrorCode } from '../errors.js';
import type { Failure } from '../failure.js';

/** Everything comes from this origin, and no text becomes code or markup. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

const STATUS: Readonly<Partial<Record<AggregateBoardErrorCode, number>>> = {
  BOARD_FORBIDDEN: 403,
  BOARD_REQUEST_INVALID: 400,
  BOARD_NOT_FOUND: 404,
  BOARD_BUSY: 503,
};
/** What the source says: the NATS server, or a record on it. */
const BAD_GATEWAY = 502;

export interface Answer {
  readonly status?: number;
  readonly type: string;
  readonly text: string;
  /** @default not stored */
  readonly cache?: string;
  readonly cookies?: readonly string[];
  readonly location?: string;
}

export function answer(
  response: ServerResponse,
  { status = 200, type, text, cache, cookies = [], location }: Answer,
): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  response.setHeader('cache-control', cache ?? 'no-store');
  response.setHeader('content-type', `${type}; charset=utf-8`);
  if (location !== undefined) response.setHeader('location', location);
  if (cookies.length > 0) response.setHeader('set-cookie', [...cookies]);
  response.statusCode = status;
  response.end(text);
}

export function answerJson(response: ServerResponse, value: unknown, status = 200): void {
  answer(response, { status, type: 'application/json', text: JSON.stringify(value) });
}

export function answerFailure(response: ServerResponse, failure: Failure): void {
  answerJson(response, failure, STATUS[failure.code as AggregateBoardErrorCode] ?? BAD_GATEWAY);
}

/** Begins a stream of events. */
export function beginEvents(response: ServerResponse): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  response.setHeader('content-type', 'text/event-stream; charset=utf-8');
  response.setHeader('cache-control', 'no-store, no-transform');
  // Proxies that gather answers first would show nothing.
  response.setHeader('x-accel-buffering', 'no');
  response.statusCode = 200;
  response.flushHeaders();
}
