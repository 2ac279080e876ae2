import { AggregateTransportError } from './errors.js';

/** How an {@link EffectCollector} applies effects. */
export interface EffectCollectorOptions<Effect> {
  /**
   * Applies all of these effects or none: one transaction. A rejection means that none was applied. Effects come again
   * after a crash, so the transaction guards each one, for example with `ctx.position`.
   */
  readonly apply: (effects: readonly Effect[]) => Promise<unknown>;
  /** Effects per transaction at most, 1 to 10 000; larger ones hold their locks for longer. Default 100. */
  readonly maxSize?: number;
  /** Transactions at once, 1 to 1 000; those above the size of the connection pool only wait in it. Default 4. */
  readonly concurrency?: number;
}

const DEFAULT_MAX_SIZE = 100;
const LARGEST_MAX_SIZE = 10_000;
const DEFAULT_CONCURRENCY = 4;
const LARGEST_CONCURRENCY = 1_000;

interface Collected<Effect> {
  readonly effect: Effect;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Applies the effects of many handlers in few transactions. Handlers of different aggregates run side by side, so what
 * they write can share one commit. A handler awaits {@link add}, so its aggregate still takes one event after another.
 *
 * 1. Effects that are added in one turn, or while all transactions are under way, wait together.
 * 2. The next transaction takes up to `maxSize` of them, in the order in which they were added.
 * 3. If it fails, each of its effects is applied alone, in the same order. Only the culprit's handler fails, with its
 *    own error.
 *
 * Nothing waits for a transaction to fill up. At most `consume.concurrency` handlers wait here per topic and group.
 */
export class EffectCollector<Effect> {
  readonly #apply: (effects: readonly Effect[]) => Promise<unknown>;
  readonly #maxSize: number;
  readonly #concurrency: number;
  #waiting: Collected<Effect>[] = [];
  #running = 0;
  #isScheduled = false;

  /** @throws AggregateTransportError `OPTIONS_INVALID` if a number is out of its range, or `apply` is no function. */
  constructor({
    apply,
    maxSize = DEFAULT_MAX_SIZE,
    concurrency = DEFAULT_CONCURRENCY,
  }: EffectCollectorOptions<Effect>) {
    if (typeof apply !== 'function') throw invalid('apply', 'a function', typeof apply);
    this.#apply = apply;
    this.#maxSize = checked('maxSize', maxSize, LARGEST_MAX_SIZE);
    this.#concurrency = checked('concurrency', concurrency, LARGEST_CONCURRENCY);
  }

  /**
   * Resolves when the transaction with this effect is committed. Rejects with the error of `apply` for this effect
   * alone. Effects of one caller are applied in the order of their calls if it awaits each one.
   */
  add(effect: Effect): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ effect, resolve, reject });
      if (this.#isScheduled || this.#running === this.#concurrency) return;
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.#start();
      });
    });
  }

  #start(): void {
    while (this.#waiting.length > 0 && this.#running < this.#concurrency) {
      this.#running++;
      void this.#run(this.#waiting.splice(0, this.#maxSize));
    }
  }

  async #run(group: readonly Collected<Effect>[]): Promise<void> {
    try {
      await this.#apply(group.map(({ effect }) => effect));
      for (const { resolve } of group) resolve();
    } catch (error) {
      if (group.length === 1) group[0]?.reject(error);
      else for (const one of group) await this.#applyAlone(one);
    }
    this.#running--;
    this.#start();
  }

  async #applyAlone({ effect, resolve, reject }: Collected<Effect>): Promise<void> {
    try {
      await this.#apply([effect]);
      resolve();
    } catch (error) {
      reject(error);
    }
  }
}

function checked(option: string, value: unknown, largest: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= largest)
    return value as number;
  throw invalid(option, `a whole number from 1 to ${largest}`, String(value));
}

function invalid(option: string, expected: string, found: string): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected ${option} of an EffectCollector to be ${expected}, found ${found}`,
  );
}
