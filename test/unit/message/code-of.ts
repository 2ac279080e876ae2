import { AggregateTransportError } from '#library/errors.js';

/** The error a call ends with; fails if it is none of ours, or if there is none. */
export function errorOf(run: () => unknown): AggregateTransportError {
  try {
    run();
  } catch (error) {
    if (error instanceof AggregateTransportError) return error;
    throw new Error(`expected an AggregateTransportError, found ${String(error)}`, { cause: error });
  }
  throw new Error('expected an error, found none');
}

export function codeOf(run: () => unknown): string {
  return errorOf(run).code;
}
