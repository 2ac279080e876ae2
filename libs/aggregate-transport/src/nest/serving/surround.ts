import { AggregateTransportError } from '../../errors.js';
import { endsLater, type HandlerRun } from '../../consumer/handling/event-handlers.js';
import type { Failure } from '../../consumer/handling/outcome.js';
import type { Around } from '../../transport/around.js';
import type { AggregateContext } from '../handling/aggregate.context.js';
import { isUnrecoverable } from '../handling/unrecoverable.error.js';

/** What a handler that has ended well gives to each that surrounds it. */
const HANDLED = Promise.resolve();

/**
 * Runs an attempt within `consume.around`, which is code of the application. For what it does its event alone pays.
 *
 * 1. It throws before `next`: the attempt has failed, in its interceptor. The handler does not run.
 * 2. It ends without `next`: the same, with HANDLER_NOT_CALLED. A `next` after that starts nothing.
 * 3. It calls `next` twice: one run, and its promise twice.
 * 4. It ends before the handler: the attempt waits for the handler.
 * 5. It throws after `next`: the attempt has failed, but an error of the handler is the one that is told.
 * 6. It catches the handler's error: the attempt has failed all the same.
 *
 * Never throws, never rejects.
 */
export function surround(
  around: Around,
  context: AggregateContext,
  run: (context: AggregateContext) => HandlerRun,
): HandlerRun {
  const surrounded = new SurroundedRun(context, run);
  let answer: unknown;
  try {
    answer = around(context, surrounded.next);
  } catch (error) {
    return surrounded.end(failureOf(error));
  }
  // The usual way, `return als.run(store, next)`, makes no promise for a handler that has ended.
  return answer === HANDLED ? surrounded.end(undefined) : whenAnswered(answer, surrounded);
}

async function whenAnswered(answer: unknown, surrounded: SurroundedRun): Promise<Failure | undefined> {
  let failure: Failure | undefined;
  try {
    await answer;
  } catch (error) {
    failure = failureOf(error);
  }
  return surrounded.end(failure);
}

/** One attempt and its first `next`. Before it: `waiting`; then `called`; and `over`, when `around` has ended. */
class SurroundedRun {
  #mode: 'waiting' | 'called' | 'over' = 'waiting';
  #run: HandlerRun = undefined;

  constructor(
    private readonly context: AggregateContext,
    private readonly start: (context: AggregateContext) => HandlerRun,
  ) {}

  readonly next = (): Promise<void> => {
    if (this.#mode === 'waiting') {
      this.#mode = 'called';
      this.#run = this.#start();
    }
    return told(this.#run);
  };

  /** `around` has ended, with a failure of its own or without. Settles when the handler has ended, too. */
  end(failure: Failure | undefined): HandlerRun {
    const wasCalled = this.#mode === 'called';
    this.#mode = 'over';
    if (!wasCalled) return (this.#run = failure ?? notCalled());
    const run = this.#run;
    if (!endsLater(run)) return joined(run, failure);
    // Who waits for the handler no longer, as a timeout does, has no use for its result.
    if (failure !== undefined) this.context.abandon(failure.error);
    return run.then((failed) => joined(failed, failure));
  }

  #start(): HandlerRun {
    if (this.context.mayStart()) return this.start(this.context);
    const error = new AggregateTransportError(
      'LEASE_LOST',
      'the lease ended before the handler could start; it was not started',
    );
    return { stage: 'handler', error, unrecoverable: false };
  }
}

/** For the application; it may leave the promise alone, so its rejection is heard here. */
function told(run: HandlerRun): Promise<void> {
  if (run === undefined) return HANDLED;
  const promise = Promise.resolve(run).then(tell);
  promise.catch(() => undefined);
  return promise;
}

function tell(failure: Failure | undefined): void {
  if (failure !== undefined) throw failure.error;
}

/** The handler's own failure counts first. Either may say that no retry can help. */
function joined(handlers: Failure | undefined, arounds: Failure | undefined): Failure | undefined {
  if (handlers === undefined || arounds === undefined) return handlers ?? arounds;
  return { ...handlers, unrecoverable: handlers.unrecoverable || arounds.unrecoverable };
}

function failureOf(error: unknown): Failure {
  return { stage: 'interceptor', error, unrecoverable: isUnrecoverable(error) };
}

function notCalled(): Failure {
  const error = new AggregateTransportError(
    'HANDLER_NOT_CALLED',
    'expected consume.around to call next and to return its promise, found that it ended without a call, so the handler ' +
      'did not run; correct it',
  );
  return { stage: 'interceptor', error, unrecoverable: false };
}
