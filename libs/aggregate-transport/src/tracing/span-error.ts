import { CodedError, describeError, stackOf } from '../errors.js';
import { type Span, STATUS_ERROR } from './api.js';
import { ATTRIBUTE } from './attributes.js';

const MAX_TEXT = 1_000;
const MAX_STACK = 8_000;
const MAX_TYPE = 100;

/** Writes an error into a span: its kind, its text and its stack. Never a payload of ours. */
export function recordError(span: Span, error: unknown): void {
  const type = errorTypeOf(error);
  const message = describeError(error).slice(0, MAX_TEXT);
  const stack = stackOf(error)?.slice(0, MAX_STACK);
  span.setAttribute(ATTRIBUTE.errorType, type);
  span.recordException({ name: type, message, ...(stack === undefined ? {} : { stack }) });
  span.setStatus({ code: STATUS_ERROR, message });
}

/** The code of our own errors, else the class of what was thrown. */
function errorTypeOf(error: unknown): string {
  try {
    if (error instanceof CodedError) return (error as { code: string }).code;
    const { name } = (error as { constructor?: { name?: unknown } } | null)?.constructor ?? {};
    return typeof name === 'string' && name !== '' ? name.slice(0, MAX_TYPE) : '_OTHER';
  } catch {
    return '_OTHER';
  }
}
