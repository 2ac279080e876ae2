interface Handling {
  readonly n: number;
  readonly token: number;
}

/**
 * What was handled of some aggregates, whose events are numbered from 1 on without a hole. Tells whether each was
 * handled, in order. Only a new claim, under a higher fencing token, may begin again, at a number that was handled
 * before. A busy machine may cost a lease. What the last commit did not tell is handled again then.
 */
export class HandledOrder {
  readonly #handled = new Map<string, Handling[]>();

  note(aggregateId: string, n: number, token: number): void {
    const handlings = this.#handled.get(aggregateId);
    if (handlings === undefined) this.#handled.set(aggregateId, [{ n, token }]);
    else handlings.push({ n, token });
  }

  last(aggregateId: string): number {
    return this.#handled.get(aggregateId)?.at(-1)?.n ?? 0;
  }

  /** Handled again. */
  get repeats(): number {
    return [...this.#handled.values()].reduce(
      (sum, handlings) => sum + handlings.length - new Set(handlings.map(({ n }) => n)).size,
      0,
    );
  }

  /** What is wrong with an aggregate of which `published` events were stored; undefined if nothing is. */
  harmTo(aggregateId: string, published: number): string | undefined {
    let last: Handling = { n: 0, token: 0 };
    for (const { n, token } of this.#handled.get(aggregateId) ?? []) {
      const isNext = n === last.n + 1;
      const beginsAgain = token > last.token && n <= last.n;
      if (token < last.token || !(isNext || beginsAgain))
        return `${aggregateId} ${n} under token ${token} came after ${last.n} under token ${last.token}`;
      last = { n, token };
    }
    return last.n === published ? undefined : `${aggregateId} ended with ${last.n} of ${published}`;
  }
}
