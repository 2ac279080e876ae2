/**
 * Watches the handlers of one stream: an event of an aggregate must start as the next version of what was handled, and
 * only when the one before has ended. A repeat of the last one counts apart: at-least-once allows it.
 */
export class OrderWitness {
  violations = 0;
  repeats = 0;
  readonly #last = new Map<string, number>();
  readonly #running = new Set<string>();

  /** An event begins; versions of an aggregate rise by one, from 1. */
  begin(aggregateId: string, version: number): void {
    const last = this.#last.get(aggregateId) ?? 0;
    const isRepeat = version === last;
    if (isRepeat) this.repeats++;
    if (this.#running.has(aggregateId) || (version !== last + 1 && !isRepeat)) this.violations++;
    this.#running.add(aggregateId);
  }

  /** It has ended, and was handled. */
  end(aggregateId: string, version: number): void {
    this.#running.delete(aggregateId);
    this.#last.set(aggregateId, version);
  }

  /** It has ended with a failure: it must come again before anything newer. */
  failed(aggregateId: string): void {
    this.#running.delete(aggregateId);
  }
}
