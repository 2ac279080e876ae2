import type { KeyPort } from '#library/records/key-port.js';

/** One key with compare-and-set, as the server keeps it. */
export class FakeKeyPort<T> implements KeyPort<T> {
  value: T | undefined;
  revision = 0;
  readonly writes: T[] = [];
  /** Whatever is set here every request fails with. */
  failure: Error | undefined;
  #hints: ((value: T) => void)[] = [];

  async read(): Promise<{ readonly value: T; readonly revision: number } | undefined> {
    await this.#answer();
    return this.value === undefined ? undefined : { value: this.value, revision: this.revision };
  }

  async write(value: T, revision: number): Promise<number | undefined> {
    await this.#answer();
    if (revision !== this.revision) return undefined;
    this.writes.push(value);
    this.value = value;
    this.revision++;
    for (const hint of this.#hints) hint(value);
    return this.revision;
  }

  onHint(callback: (value: T) => void): void {
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
