import { RpcException } from '@nestjs/microservices';
import { describeError } from '../../errors.js';

/** Marks the error across two copies of this library in one process, where `instanceof` would fail. */
const MARK = Symbol.for('aggregate-transport.unrecoverable');

/**
 * Thrown by a handler to say that no retry can help: the event counts as exhausted at once.
 * It reaches the transport whole, because an RpcException whose `getError` returns itself is not rewritten.
 */
export class UnrecoverableError extends RpcException {
  /** Tells it across two copies of this library in one process. */
  readonly [MARK] = true;
  /** The name of the class, which stacks show. */
  override readonly name = 'UnrecoverableError';

  constructor(override readonly cause: unknown) {
    super(describeError(cause));
  }

  /** The error itself, so that Nest hands it on whole. */
  override getError(): this {
    return this;
  }
}

export function isUnrecoverable(error: unknown): boolean {
  try {
    return typeof error === 'object' && error !== null && MARK in error;
  } catch {
    // A proxy that refuses to be asked.
    return false;
  }
}
