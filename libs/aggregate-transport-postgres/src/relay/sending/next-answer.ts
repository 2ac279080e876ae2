/** Shares one request among all that ask before it is sent: each is told what is true after its question. */
export class NextAnswer<T> {
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<T> | undefined;

  constructor(private readonly request: () => Promise<T>) {}

  ask(): Promise<T> {
    this.#next ??= this.#afterRunning();
    return this.#next;
  }

  async #afterRunning(): Promise<T> {
    await this.#running;
    this.#next = undefined;
    const answer = this.request();
    this.#running = answer.catch(() => undefined);
    return answer;
  }
}
