/**
 * Checks that no delivery is missing. The server numbers a reader's deliveries 1, 2, 3, …. If a number is not the next
 * one, a delivery went elsewhere or was lost with a connection. Later events would overtake it.
 */
export class Gate {
  #next = 1;

  /** Starts over: the next delivery must carry this number plus one. */
  expectAfter(delivered: number): void {
    this.#next = delivered + 1;
  }

  /** True if this delivery is the next one. */
  admits(consumerSequence: number): boolean {
    return consumerSequence === this.#next;
  }

  /** The delivery was admitted. */
  advance(): void {
    this.#next++;
  }

  /** True if the server has sent what was received and no more. A heartbeat after a lost tail says otherwise. */
  agreesWith(delivered: number): boolean {
    return delivered === this.#next - 1;
  }

  get expected(): number {
    return this.#next;
  }
}
