import { AggregateTransportError } from '../../errors.js';
import type { Failure } from '../../consumer/handling/outcome.js';
import type { AggregateContext } from './aggregate.context.js';
import { type AttemptTrace, whenMethodEnded } from './method-runs.js';
import { isUnrecoverable } from './unrecoverable.error.js';

/** The failure of a pipeline that has ended with `error`. What was thrown first is what is told. */
export function failureOf(
  trace: AttemptTrace,
  error: unknown,
  witnessed: { readonly error: unknown } | undefined,
): Failure {
  const original = trace.thrown ?? witnessed ?? { error };
  return {
    stage: trace.stage,
    error: original.error,
    unrecoverable: isUnrecoverable(original.error) || isUnrecoverable(error),
  };
}

/**
 * The pipeline has ended and the method runs. The pipeline has not seen how the method ends, so it cannot have
 * swallowed its error. A method that fails now has failed. One that succeeds leaves the pipeline's own failure, if any.
 */
export async function afterMethod(
  context: AggregateContext,
  failure: Failure | undefined,
): Promise<Failure | undefined> {
  const { trace } = context;
  context.abandon(
    new AggregateTransportError(
      'HANDLER_TIMED_OUT',
      'expected the handler to end before its interceptors, found that one of them gave up first; ' +
        'its lane waits until it settles',
      { cause: failure?.error },
    ),
  );
  await whenMethodEnded(trace);
  const unrecoverable = failure?.unrecoverable === true;
  if (trace.thrown !== undefined) {
    const { error } = trace.thrown;
    return { stage: 'handler', error, unrecoverable: unrecoverable || isUnrecoverable(error) };
  }
  return failure && { ...failure, stage: 'interceptor' };
}
