import { Catch, type ExceptionFilter } from '@nestjs/common';
import { describeError } from '../../errors.js';
import { notePassing } from './nest-error-log.js';

/** Errors kept. More of them within one attempt are too many to say which was whose. */
const KEPT = 16;

/**
 * Sees every error that leaves a handler's pipeline, before any filter rewrites it. Nest asks each exception filter
 * whether an error is its own. This one sees the error and always says no, so the filters of the service work as if it
 * were not there. Nest names no event with the question. So an error counts as an attempt's own only if that is beyond
 * doubt; see {@link errorSince}.
 */
export class ErrorWitness {
  /** To be added to the handler's method, after all other filters: Nest asks the last one first. */
  readonly filter: ExceptionFilter = this.#makeFilter();
  readonly #errors: unknown[] = [];
  #seen = 0;

  /** Errors seen so far: the mark an attempt notes when it begins. */
  get seen(): number {
    return this.#seen;
  }

  /**
   * What stopped the attempt that began at the mark. Its own error was seen since, so a single one is its own. Of
   * several any will do if all say the same. Undefined if that cannot be told.
   */
  errorSince(mark: number): { readonly error: unknown } | undefined {
    const count = this.#seen - mark;
    if (count === 0 || count > this.#errors.length) return undefined;
    const candidates = this.#errors.slice(-count);
    const [first] = candidates;
    const text = describeError(first);
    return candidates.every((error) => describeError(error) === text) ? { error: first } : undefined;
  }

  #makeFilter(): ExceptionFilter {
    const question = { [Symbol.hasInstance]: (error: unknown) => this.#see(error) };
    class WitnessFilter implements ExceptionFilter {
      catch(): void {
        // Never called: it claims no error.
      }
    }
    Catch(question as never)(WitnessFilter);
    return new WitnessFilter();
  }

  #see(error: unknown): false {
    notePassing(error);
    this.#seen++;
    this.#errors.push(error);
    if (this.#errors.length > KEPT) this.#errors.shift();
    return false;
  }
}
