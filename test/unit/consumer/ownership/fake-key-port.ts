import type { KeyPort, StoredValue } from '#library/records/key-port.js';

/** One key with compare-and-set, as the server keeps it. Shared by the processes of a test. */
export class FakeKeyPort<T> implements KeyPort<T> {
  readonly maxBytes = 1_048_576;
  value: T | undefined;
  revision = 0;
  readonly writes: T[] = [];
  /** While it is set, every request fails with it. */
  failure: Error | undefined;
  #hints: ((value: T | undefined) => void)[] = [];

  async read(): Promise<StoredValue<T>> {
    await this.#answer();
    return { value: this.value, revision: this.revision };
  }

  async write(value: T, revision: number): Promise<number | undefined> {
    await this.#answer();
    if (revision !== this.revision) return undefined;
    this.writes.push(value);
    this.value = value;
    this.revision++;
    this.announce(value);
    return this.revision;
  }

  /** An operator deletes the key; its tombstone has a revision. */
  delete(): void {
    this.value = undefined;
    this.revision++;
    this.announce(undefined);
  }

  /** A write is announced. It may be refused. */
  announce(value: T | undefined): void {
    for (const hint of this.#hints) hint(value);
  }

  onHint(callback: (value: T | undefined) => void): void {
    this.#hints.push(callback);
  }

  close(): void {
    this.#hints = [];
  }

  async #answer(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failure !== undefined) throw this.failure;
  }
}
