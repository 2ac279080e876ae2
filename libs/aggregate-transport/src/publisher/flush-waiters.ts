interface Waiter {
  readonly lastId: number;
  open: number;
  readonly resolve: () => void;
}

/** Lets callers wait until each event up to an id has an outcome. Ids rise in call order. */
export class FlushWaiters {
  #waiters: Waiter[] = [];

  /** Waits for the `open` events up to `lastId` that have no outcome yet. */
  wait(lastId: number, open: number): Promise<void> {
    if (open === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ lastId, open, resolve }));
  }

  noteOutcome(id: number): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => {
      if (id > waiter.lastId || --waiter.open > 0) return true;
      waiter.resolve();
      return false;
    });
  }
}
