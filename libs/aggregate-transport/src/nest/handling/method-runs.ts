import { Observable, Subject, takeUntil } from 'rxjs';
import type { FailureStage } from '../../consumer/handling/outcome.js';

/** How far an attempt came and what stopped it; written by the wrapped handler method. */
export interface AttemptTrace {
  stage: FailureStage;
  /** What the handler threw, before any filter or proxy rewrote it. */
  thrown: { readonly error: unknown } | undefined;
  /**
   * Settles when the method that runs has ended; undefined while none runs. An interceptor may end the pipeline
   * earlier, and may call the method again.
   */
  running: Promise<unknown> | undefined;
}

/** Resolves when no method of the attempt runs any more. */
export async function whenMethodEnded(trace: AttemptTrace): Promise<void> {
  while (trace.running !== undefined) await trace.running.then(nothing, nothing);
}

function nothing(): void {
  // How the method ended is in the trace.
}

/**
 * The method's Observable, which counts as running from its subscription to its end.
 *
 * An interceptor that gives up unsubscribes, but what the Observable has begun may continue: the promise in
 * `from(promise)` cannot be stopped. So an Observable that has not emitted yet is kept until its first value, its error
 * or its completion. One that has emitted ends with its subscriber.
 */
export function watchRun(source: Observable<unknown>, trace: AttemptTrace): Observable<unknown> {
  return new Observable((subscriber) => {
    const stop = new Subject<void>();
    let hasEmitted = false;
    let end = nothing;
    const running = new Promise<void>((resolve) => (end = resolve));
    trace.running = running;
    const ended = (): void => {
      if (trace.running === running) trace.running = undefined;
      end();
    };
    source.pipe(takeUntil(stop)).subscribe({
      next: (value) => {
        hasEmitted = true;
        subscriber.next(value);
        if (subscriber.closed) stop.next();
      },
      error: (error: unknown) => {
        trace.thrown = { error };
        ended();
        subscriber.error(error);
      },
      complete: () => {
        trace.stage = 'interceptor';
        ended();
        subscriber.complete();
      },
    });
    return () => {
      if (hasEmitted) stop.next();
    };
  });
}
