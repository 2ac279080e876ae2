interface Waiter {
  readonly lastId: number;
  open: number;
  readonly resolve: () => void;
}

/** Callers that wait until every event up to some id has its outcome; ids rise in call order. */
export class FlushWaiters {
  #waiters: Waiter[] = [];

  /** `open` events up to `lastId` are without an outcome. */
  wait(lastId: number, open: number): Promise<void> {
    if (open === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ lastId, open, resolve }));
  }

  settled(id: number): void {
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => {
      if (id > waiter.lastId || --waiter.open > 0) return true;
      waiter.resolve();
      return false;
    });
  }
}
