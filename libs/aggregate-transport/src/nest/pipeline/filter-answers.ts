import { from, isObservable, type Observable, type ObservableInput } from 'rxjs';
import type { Failure } from '../../consumer/handling/outcome.js';
import { failureOf } from '../handling/attempt-end.js';
import type { AttemptTrace } from '../handling/method-runs.js';
import { whenComplete } from '../handling/observable-end.js';
import type { ExceptionFilters } from './exception-filters.js';
import type { PipelineArgs } from './execution-host.js';

/** What the filters make of one attempt's error. They are asked once: what they throw themselves is final. */
export class FilterAnswers {
  #asked: { readonly error: unknown } | undefined;

  constructor(
    private readonly filters: ExceptionFilters,
    private readonly args: PipelineArgs,
  ) {}

  /**
   * Subscribes once. Settles when the stream has completed, or what answers its error has. That must be a stream, or
   * what rxjs can make one of. The filters are asked in the context of the error.
   */
  ofStream(stream: Observable<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      stream.subscribe({
        complete: resolve,
        error: (error: unknown) => {
          try {
            from(this.#ask(error) as ObservableInput<unknown>).subscribe({
              complete: resolve,
              error: reject,
            });
          } catch (thrown) {
            reject(thrown);
          }
        },
      });
    });
  }

  /** The failure of an attempt that has thrown; undefined if a filter has made a success of it. */
  async failureOf(error: unknown, trace: AttemptTrace): Promise<Failure | undefined> {
    if (this.#asked !== undefined) return failureOf(trace, error, this.#asked);
    try {
      const answer = await this.#ask(error);
      if (isObservable(answer)) await whenComplete(answer);
      return undefined;
    } catch (answered) {
      return failureOf(trace, answered, this.#asked);
    }
  }

  #ask(error: unknown): unknown {
    this.#asked = { error };
    return this.filters.answer(error, this.args);
  }
}
