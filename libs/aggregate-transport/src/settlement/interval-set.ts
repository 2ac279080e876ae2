/**
 * A set of whole numbers kept as sorted, disjoint, closed intervals: a long run costs two numbers.
 * Built for numbers that arrive nearly in order, as handled sequences do.
 */
export class IntervalSet {
  /** `[first0, last0, first1, last1, …]`, ascending, with a gap of at least one between intervals. */
  readonly #bounds: number[] = [];

  get intervalCount(): number {
    return this.#bounds.length / 2;
  }

  has(value: number): boolean {
    const at = this.#lastStartingAtOrBefore(value);
    return at >= 0 && value <= (this.#bounds[at + 1] ?? -1);
  }

  add(value: number): void {
    const bounds = this.#bounds;
    const at = this.#lastStartingAtOrBefore(value);
    const last = bounds[at + 1] ?? Number.NEGATIVE_INFINITY;
    if (at >= 0 && value <= last) return;
    const next = at + 2;
    const joinsBefore = at >= 0 && last + 1 === value;
    const joinsAfter = bounds[next] === value + 1;
    if (joinsBefore && joinsAfter) bounds.splice(at + 1, 2);
    else if (joinsBefore) bounds[at + 1] = value;
    else if (joinsAfter) bounds[next] = value;
    else bounds.splice(next, 0, value, value);
  }

  /** Forgets everything up to and including `value`. */
  dropThrough(value: number): void {
    const bounds = this.#bounds;
    let whole = 0;
    while (whole < bounds.length && (bounds[whole + 1] ?? 0) <= value) whole += 2;
    if (whole > 0) bounds.splice(0, whole);
    if ((bounds[0] ?? Number.POSITIVE_INFINITY) <= value) bounds[0] = value + 1;
  }

  clear(): void {
    this.#bounds.length = 0;
  }

  /** Calls back with every number of `first..last` that the set lacks, ascending. */
  missing(first: number, last: number, callback: (value: number) => void): void {
    let value = first;
    for (let at = 0; at < this.#bounds.length && value <= last; at += 2) {
      const start = this.#bounds[at] ?? 0;
      for (; value < start && value <= last; value++) callback(value);
      value = Math.max(value, (this.#bounds[at + 1] ?? 0) + 1);
    }
    for (; value <= last; value++) callback(value);
  }

  /** Index of the last interval that starts at or before `value`, or -2. */
  #lastStartingAtOrBefore(value: number): number {
    let low = 0;
    let high = this.#bounds.length / 2 - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if ((this.#bounds[2 * middle] ?? 0) <= value) low = middle + 1;
      else high = middle - 1;
    }
    return 2 * high;
  }
}
