import { AsyncResource } from 'node:async_hooks';

const OPTIONS = { requireManualDestroy: true } as const;

function resourceOf(name: string): AsyncResource {
  return new AsyncResource(name, OPTIONS);
}

function attemptResource(): AsyncResource {
  return resourceOf('AggregateAttempt');
}

/**
 * Starts each attempt in the `AsyncLocalStorage` context that the server was started in. Otherwise an attempt would
 * begin in the context of what triggered it: of another event, or of the request that opened the connection.
 *
 * Each attempt has a resource of its own, made inside the kept one. Up to Node 22 `enterWith` writes into the resource
 * that runs. A shared resource would carry what the first guard enters to all later events.
 */
export class AttemptContexts {
  #start = resourceOf('AggregateServer');

  /** The context of this call is the one that attempts start in from now on. */
  capture(): void {
    this.#start = resourceOf('AggregateServer');
  }

  /** Calls the method of `self` with `argument`, in a context of its own. */
  run<S, A, R>(method: (this: S, argument: A) => R, self: S, argument: A): R {
    return this.#start.runInAsyncScope(attemptResource).runInAsyncScope(method, self, argument);
  }
}
