import { AsyncResource } from 'node:async_hooks';
import type { CallHandler, NestInterceptor } from '@nestjs/common';
import { from, isObservable, Observable, type Subscriber, throwError } from 'rxjs';
import type { ExecutionHost } from './execution-host.js';

/** What the last interceptor's `next` leads to. */
export interface MethodCalls {
  /** A call is on its way: {@link call} or {@link callOff} follows. */
  announce(): void;
  /** Never throws. */
  call(): Promise<unknown>;
  callOff(): void;
}

const READY = Promise.resolve();

/**
 * The interceptors around one event. Nest makes an Observable and a promise for each step of the way; here a step is
 * one of them. What an interceptor can see stays as it is there:
 *
 * 1. `next.handle()` calls nothing. Each subscription to its stream calls what follows, again if need be.
 * 2. It calls in the `AsyncLocalStorage` context of `handle()`, wherever the subscription is made.
 * 3. The next interceptor is called within the subscription. Its stream is subscribed to in a later microtask.
 * 4. The parameters are filled in a later microtask, and the method is called in another. After an end of the
 *    subscription none of this begins.
 * 5. What an interceptor returns may be anything that rxjs can read, or a promise of it.
 */
export class InterceptorChain {
  constructor(
    private readonly interceptors: readonly NestInterceptor[],
    private readonly host: ExecutionHost,
    private readonly method: MethodCalls,
  ) {}

  /** The stream of the first interceptor. Never rejects: what is thrown comes as the stream's error. */
  async start(): Promise<Observable<unknown>> {
    try {
      return from(await this.#intercept(0));
    } catch (error) {
      return throwError(() => error);
    }
  }

  /** Calls what stands at a place of the chain, for a subscriber. Its answer is heard in the subscriber's context. */
  callAt(index: number, scope: AsyncResource, subscriber: Subscriber<unknown>): void {
    const failed = (error: unknown): void => subscriber.error(error);
    if (index === this.interceptors.length) {
      this.method.announce();
      const called = scope.runInAsyncScope(this.#callMethodLater, this, subscriber);
      called.then((value) => emit(value, subscriber), failed);
    } else {
      const answered = scope.runInAsyncScope(this.#intercept, this, index);
      answered.then((stream) => forward(stream, subscriber), failed);
    }
  }

  // Async, so that what an interceptor throws counts as its answer.
  async #intercept(index: number): Promise<Observable<unknown>> {
    const interceptor = this.interceptors[index] as NestInterceptor;
    return interceptor.intercept(this.host, new NextStep(this, index + 1));
  }

  /** The microtask has a context of its own, a copy of the scope's: what is entered there, a repeat does not see. */
  #callMethodLater(subscriber: Subscriber<unknown>): Promise<unknown> {
    return READY.then(() => {
      if (!subscriber.closed) return this.method.call();
      this.method.callOff();
      return undefined;
    });
  }
}

class NextStep implements CallHandler {
  constructor(
    private readonly chain: InterceptorChain,
    private readonly index: number,
  ) {}

  handle(): Observable<unknown> {
    const { chain, index } = this;
    const scope = new AsyncResource('AggregateInterceptor');
    return new Observable((subscriber) => chain.callAt(index, scope, subscriber));
  }
}

function emit(value: unknown, subscriber: Subscriber<unknown>): void {
  if (subscriber.closed) return;
  if (isObservable(value)) {
    value.subscribe(subscriber);
    return;
  }
  subscriber.next(value);
  subscriber.complete();
}

/** As rxjs's `mergeAll`: the end is told when the stream's finalizers have run, an error before that. */
function forward(stream: Observable<unknown>, subscriber: Subscriber<unknown>): void {
  if (subscriber.closed) return;
  let isComplete = false;
  try {
    const inner = from(stream).subscribe({
      next: (value) => subscriber.next(value),
      error: (error: unknown) => subscriber.error(error),
      complete: () => (isComplete = true),
    });
    subscriber.add(inner);
    inner.add(() => {
      if (isComplete) subscriber.complete();
    });
  } catch (error) {
    subscriber.error(error);
  }
}
