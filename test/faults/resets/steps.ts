/** Who is stopped at a step. */
export type By = 'command' | 'replica';

const BOTH: readonly By[] = ['command', 'replica'];

/** Every step of a reset at which a process is stopped, and who comes there. */
export const RESET_STEPS: Readonly<Record<string, readonly By[]>> = {
  'repartition: begun': ['command'],
  'repartition: draining': ['replica'],
  'repartition: partition drained': ['replica'],
  'repartition: switched': BOTH,
  'repartition: layout opened': ['replica'],
  'adopt: letter removed': ['replica'],
  'adopt: marker written': ['replica'],
  // Only where no replica runs: the command drains what has no owner.
  'drain: lease taken': ['command'],
  'drain: position marked': ['command'],
};

/** Every step of a deletion. */
export const DELETE_STEPS: Readonly<Record<string, readonly By[]>> = {
  'repartition: begun': ['command'],
  'repartition: draining': ['replica'],
  'repartition: partition drained': ['replica'],
  'repartition: switched': BOTH,
  'delete: replica retired': ['replica'],
  'delete: replicas gone': ['command'],
  'delete: letters removed': ['command'],
  'delete: positions removed': ['command'],
  'delete: leases removed': ['command'],
  'delete: complete': ['command'],
};

/** Every step of the command that purges or edits an aggregate, or copies the topic. */
export const REPAIR_STEPS: Readonly<Record<string, readonly string[]>> = {
  purge: ['purge: unparked', 'purge: noted', 'purge: events purged', 'purge: letters purged'],
  edit: ['edit: stored', 'edit: taken'],
  copy: ['copy: event stored'],
};

/** Steps of these begin here only. */
export const OWN_STEP = /^(delete: |adopt: letter|purge: |edit: |copy: )/;
