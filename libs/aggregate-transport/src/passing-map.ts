/** Entries that come before the table is left, or as many as it holds, if those are more. Fewer: more copies. */
const LEAST_ENTRIES_A_TABLE = 512;

/**
 * A map whose entries come and go all the time, for years.
 *
 * The engine's own map links each table that it leaves to the next one. Once a table is old, the collector takes all
 * later ones for alive, with every key and value they held. That ends when it looks at old memory as a whole. So this
 * map leaves a table before the engine does, and without a link.
 */
export class PassingMap<K, V> {
  #entries = new Map<K, V>();
  #left = LEAST_ENTRIES_A_TABLE;

  get size(): number {
    return this.#entries.size;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  set(key: K, value: V): void {
    if (--this.#left < 0) this.#leaveTable();
    this.#entries.set(key, value);
  }

  /** True if there was such an entry. */
  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries = new Map();
    this.#left = LEAST_ENTRIES_A_TABLE;
  }

  /** In the order they were set. Entries may be deleted meanwhile; those that are set meanwhile may be missing. */
  keys(): IterableIterator<K> {
    return this.#entries.keys();
  }

  /** As {@link keys}. */
  values(): IterableIterator<V> {
    return this.#entries.values();
  }

  /** As {@link keys}. */
  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#entries.entries();
  }

  #leaveTable(): void {
    this.#entries = new Map(this.#entries);
    this.#left = Math.max(LEAST_ENTRIES_A_TABLE, this.#entries.size);
  }
}
