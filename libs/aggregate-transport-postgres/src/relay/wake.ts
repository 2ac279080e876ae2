/** Lets one loop wait for the next reason to turn. A reason that comes before the wait ends it at once. */
export class Wake {
  #isSet = false;
  #resolve: (() => void) | undefined;

  set(): void {
    this.#isSet = true;
    this.#resolve?.();
    this.#resolve = undefined;
  }

  async next(): Promise<void> {
    if (!this.#isSet) await new Promise<void>((resolve) => (this.#resolve = resolve));
    this.#isSet = false;
  }
}
