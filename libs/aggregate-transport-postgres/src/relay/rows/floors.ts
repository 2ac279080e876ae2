/**
 * Counts unmarked rows by their floor: a stream sequence that the row cannot have been stored at or below. The lowest
 * one is how far the checkpoint may go.
 */
export class Floors {
  readonly #counts = new Map<number, number>();

  add(floor: number): void {
    this.#counts.set(floor, (this.#counts.get(floor) ?? 0) + 1);
  }

  remove(floor: number): void {
    const count = this.#counts.get(floor) ?? 0;
    if (count <= 1) this.#counts.delete(floor);
    else this.#counts.set(floor, count - 1);
  }

  /** Undefined if there is no unmarked row. Rows of one read share a floor, so there are few. */
  get lowest(): number | undefined {
    let lowest: number | undefined;
    for (const floor of this.#counts.keys()) lowest = Math.min(lowest ?? floor, floor);
    return lowest;
  }
}
