import type { KeyPort, StoredValue } from '../../records/key-port.js';

/** A key with compare-and-set in memory, shared by all that connect to it. */
export class MemoryKey<T> {
  #stored: StoredValue<T> | undefined;
  readonly #hints = new Set<(value: T) => void>();

  connect(): KeyPort<T> {
    let own: ((value: T) => void) | undefined;
    return {
      read: () => Promise.resolve(this.#stored),
      write: (value, revision) => {
        const found = this.#stored?.revision ?? 0;
        if (revision !== found) return Promise.resolve(undefined);
        this.#stored = { value, revision: found + 1 };
        for (const hint of this.#hints) hint(value);
        return Promise.resolve(found + 1);
      },
      onHint: (callback) => {
        own = callback;
        this.#hints.add(callback);
      },
      close: () => {
        if (own !== undefined) this.#hints.delete(own);
      },
    };
  }
}
