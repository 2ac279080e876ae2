/** Who is stopped at a step of a change of layout. */
export type By = 'command' | 'replica';

const BOTH: readonly By[] = ['command', 'replica'];

/** Every step at which a process may be stopped, and who comes there. */
export const STEPS: Readonly<Record<string, readonly By[]>> = {
  'repartition: begun': ['command'],
  'repartition: draining': ['replica'],
  'repartition: partition drained': ['replica'],
  'repartition: position prepared': BOTH,
  'repartition: switched': BOTH,
  'repartition: layout opened': ['replica'],
  'repartition: cancelled': ['command'],
  // Only where no replica runs: the command drains what has no owner.
  'drain: lease taken': ['command'],
  'drain: position marked': ['command'],
};

/** Steps that are taken once for each partition. */
export const PER_PARTITION = /drained|prepared|taken|marked/;

/** The steps of a change of layout. */
export const LAYOUT_STEP = /^(repartition|drain): /;
