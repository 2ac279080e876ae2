import { isObservable } from 'rxjs';
import type { AggregateContext } from '../handling/aggregate.context.js';
import { isUnrecoverable } from '../handling/unrecoverable.error.js';
import type { HandlerRun } from '../../consumer/handling/event-handlers.js';
import type { Failure } from '../../consumer/handling/outcome.js';
import { callPlain, type PlainMethod } from './plain-method.js';
import { whenComplete } from '../handling/observable-end.js';

/** Runs an event without Nest: never throws, never rejects. */
export interface DirectWay {
  run(context: AggregateContext): HandlerRun;
}

/** The way of a handler for which a pipeline would do nothing. */
export class PlainCall implements DirectWay {
  constructor(private readonly plain: PlainMethod) {}

  run(context: AggregateContext): HandlerRun {
    return callDirectly(this.plain, context);
  }
}

/**
 * Calls a handler's method without Nest. Settles when the method has ended: at once, or when its promise has settled
 * and its Observable has completed. A lazy thenable, such as a query builder, runs once. Never throws, never rejects.
 * The lease needs no question here: the consumer has asked it in this very turn, or `surround` has.
 */
export function callDirectly(plain: PlainMethod, context: AggregateContext): HandlerRun {
  try {
    return whenEnded(callPlain(plain, context));
  } catch (error) {
    return failed(error);
  }
}

function whenEnded(result: unknown): HandlerRun {
  if (result === null || (typeof result !== 'object' && typeof result !== 'function')) return undefined;
  // For a promise this makes none; of any other thenable it calls `then` once.
  if (typeof (result as { then?: unknown }).then === 'function')
    return Promise.resolve(result).then(whenValueEnded, failed);
  return whenValueEnded(result);
}

/** A handler may give its Observable in a promise. */
function whenValueEnded(value: unknown): HandlerRun {
  try {
    return isObservable(value) ? whenComplete(value).then(handled, failed) : undefined;
  } catch (error) {
    return failed(error);
  }
}

function handled(): undefined {
  return undefined;
}

function failed(error: unknown): Failure {
  return { stage: 'handler', error, unrecoverable: isUnrecoverable(error) };
}
