import { describeError, errorFields, hasCode } from '../../errors.js';
import type { LogAt } from '../../log.js';

/** Why events cannot become letters at the moment. Logged once, until one can again. */
export class LetterRefusal {
  #why: string | undefined;

  constructor(
    /** For log texts: topic, group and partition. */
    private readonly name: string,
    private readonly log: LogAt<'partition'>,
  ) {}

  /** Undefined if events can become letters. */
  get why(): string | undefined {
    return this.#why;
  }

  note(error: unknown): void {
    if (hasCode(error, 'LEASE_LOST') || this.#why !== undefined) return;
    this.#why = describeError(error);
    const text = `${this.name}: a parked event could not be stored, its aggregate waits: ${this.#why}`;
    this.log.write('letter-refused', errorFields(error), text);
  }

  clear(): void {
    this.#why = undefined;
  }
}
