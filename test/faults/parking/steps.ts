import type { Trouble } from './setup.js';

/** What brings an owner to a step. */
export interface StepPlan {
  /** What the aggregate suffers from. */
  readonly trouble: Trouble;
  /** Events of the aggregate before the step. */
  readonly events: number;
  /** The operator has to ask for it: while the cause stands, or when it is fixed. */
  readonly retry?: 'in vain' | 'when fixed';
  /** An earlier owner has parked the aggregate and died. */
  readonly inherited?: boolean;
}

const PARK: StepPlan = { trouble: 'fail', events: 6 };
/** Over a quarter of `maxAckPending`. */
const DIVERT: StepPlan = { trouble: 'hang', events: 60 };
const RETRY: StepPlan = { ...PARK, retry: 'when fixed' };

/** Every step at which a process may be stopped, and how it comes there. */
export const STEPS: Readonly<Record<string, StepPlan>> = {
  'park: marker written': PARK,
  'park: letter stored': PARK,
  'park: marker says parked': PARK,
  'file: letter stored': PARK,
  'skip: letter stored': { ...PARK, trouble: 'skip' },
  'adopt: marker written': { ...PARK, inherited: true },
  'divert: marker written': DIVERT,
  'divert: head stored': DIVERT,
  'retry: begun': RETRY,
  'retry: letter handled': RETRY,
  'retry: letter noted': RETRY,
  'retry: letter removed': RETRY,
  'retry: stopped': { ...PARK, retry: 'in vain' },
  'unpark: no letter left': RETRY,
  'unpark: marker removed': RETRY,
};

/** The steps about parked aggregates. A letter is removed at an adoption after a reset: see the resets. */
export const PARKING_STEP = /^(park|file|skip|divert|retry|unpark|adopt: marker written)(: |$)/;
