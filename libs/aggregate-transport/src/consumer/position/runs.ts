import type { RunStep } from '../../records/position-record.js';

/** So many raises may stand whose earlier events are not all settled: a record must stay small. */
const MAX_STEPS = 64;

/**
 * The run of each event. The replay of one aggregate lets the run of its partition grow, and other aggregates must not
 * notice:
 *
 * 1. An owner handles event 7 of another aggregate under run 3. The effect keeps position (3, 7).
 * 2. The run grows to 4. The owner dies before a commit says that 7 is settled.
 * 3. Its successor handles 7 again. Under run 4 a guard would let it through, as a new event.
 *
 * So the run grows for events above a sequence: the last one that any owner may have started. Immutable.
 */
export class Runs {
  constructor(
    /** Of the events above all steps. */
    readonly run: number,
    readonly steps: readonly RunStep[] = [],
  ) {}

  /** No further raise fits. */
  get isFull(): boolean {
    return this.steps.length >= MAX_STEPS;
  }

  of(sequence: number): number {
    for (const [through, run] of this.steps) if (sequence <= through) return run;
    return this.run;
  }

  /** Events above `through` are of the next run. */
  raised(through: number): Runs {
    const last = this.steps.at(-1)?.[0] ?? -1;
    // No event lies between two equal steps.
    const steps = through > last ? [...this.steps, [through, this.run] as const] : this.steps;
    return new Runs(this.run + 1, steps);
  }

  /** Every event up to here is settled, so no step is needed for one. */
  settled(through: number): Runs {
    const first = this.steps[0];
    if (first === undefined || first[0] > through) return this;
    return new Runs(
      this.run,
      this.steps.filter(([end]) => end > through),
    );
  }
}
