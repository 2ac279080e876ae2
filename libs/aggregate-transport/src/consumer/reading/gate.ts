/**
 * Checks that no delivery is missing. On one connection the server numbers a consumer's deliveries
 * 1, 2, 3, …; a number that is not the next one means that a delivery went elsewhere or was lost with
 * a connection, and that later events would overtake it.
 */
export class Gate {
  #next = 1;

  /** Starts over: the next delivery must carry this number plus one. */
  expectAfter(deliveredConsumerSequence: number): void {
    this.#next = deliveredConsumerSequence + 1;
  }

  /** True if this delivery is the next one. */
  admits(consumerSequence: number): boolean {
    if (consumerSequence !== this.#next) return false;
    this.#next++;
    return true;
  }

  /** True if the server has sent what we have received and no more. A heartbeat after a lost tail says otherwise. */
  agreesWith(deliveredConsumerSequence: number): boolean {
    return deliveredConsumerSequence === this.#next - 1;
  }

  get expected(): number {
    return this.#next;
  }
}
