import type { Slot } from './slot.js';

/** Which replica owns which partition, as far as its handlers have told: faults are aimed at owners. */
export class Owners {
  readonly #owners = new Map<number, { slot: Slot; token: number }>();

  note(slot: Slot, partition: number, token: number): void {
    if (token > (this.#owners.get(partition)?.token ?? 0)) this.#owners.set(partition, { slot, token });
  }

  of(partition: number): Slot | undefined {
    return this.#owners.get(partition)?.slot;
  }
}
