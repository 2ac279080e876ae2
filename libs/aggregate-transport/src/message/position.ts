/**
 * Where a partition stands when nothing of it runs or is on its way: every event up to `delivered` is settled but
 * for those named. One number does not say it: aggregates settle beside each other, so behind the first event that is
 * not settled lie settled ones.
 */
export interface Position {
  /** The last event delivered, as a stream sequence. */
  readonly delivered: number;
  /** The events up to there that are not settled, as stream sequences, ascending. */
  readonly unsettled: readonly number[];
}

/** A position as it is stored: the sequences as steps from one to the next, in base 36. */
export interface StoredPosition {
  readonly delivered: number;
  readonly unsettled: string;
}

const BASE = 36;

export function storePosition({ delivered, unsettled }: Position): StoredPosition {
  let before = 0;
  const steps = unsettled.map((sequence) => {
    const step = sequence - before;
    before = sequence;
    return step.toString(BASE);
  });
  return { delivered, unsettled: steps.join(' ') };
}

export function readPosition({ delivered, unsettled }: StoredPosition): Position {
  let sequence = 0;
  const steps = unsettled === '' ? [] : unsettled.split(' ');
  return { delivered, unsettled: steps.map((step) => (sequence += Number.parseInt(step, BASE))) };
}
