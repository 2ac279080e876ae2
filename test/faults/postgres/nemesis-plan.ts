import { between, drawn, randomFor, shuffled } from '../harness/random.js';
import { type Step, STEP_NAMES, type Target, TARGETS, type Way, WAYS } from './steps.js';

/** Faults that are not bound to one step. */
export const SPECIALS = [
  /** Both relays die after a send and stay away for longer than the duplicate window. */
  'relay-away',
  /** A relay freezes after a send, with its copies under way, for longer than the window. Another one takes over. */
  'relay-frozen',
  /** A relay dies while its copies are under way. They arrive when another one has taken over, after the window. */
  'late-copies',
  /** A relay dies, and its successor too, as soon as it has taken over. */
  'takeover-killed',
  /** A handler freezes before its transaction for longer than its lease. */
  'handler-late',
  /** A handler freezes within its transaction for longer than its lease. */
  'handler-within',
  /** The group begins again at the first event: its run is raised. */
  'reset',
  /** PostgreSQL has no connection to give. */
  'exhausted',
  /** `pg_ctl restart -m immediate` under load. */
  'restart-immediate',
] as const;
export type Special = (typeof SPECIALS)[number];

export interface StepFault {
  readonly kind: 'step';
  readonly step: Step;
  readonly target: Target;
  readonly way: Way;
  /** How long what is killed stays away, and what is frozen stands still. */
  readonly ms: number;
  /** What the process has sent to NATS is held back until the fault ends. */
  readonly holdsWire: boolean;
  /** Which of several processes it hits: from 0 up to 1. */
  readonly aim: number;
}

export type PlannedFault = StepFault | { readonly kind: Special };

/** Every step with every target and every way. */
export const COMBINATIONS = STEP_NAMES.flatMap((step) =>
  TARGETS.flatMap((target) => WAYS.map((way) => ({ step, target, way }))),
);

const PURPOSE_DECK = 31;
const PURPOSE_SPECIAL = 32;
const PURPOSE_FAULT = 33;
/** A special one comes after so many of the others. */
const SPECIAL_EVERY = 4;
/** The same for all seeds: seeds that follow each other continue in one deck. */
const DECK = shuffled(COMBINATIONS, randomFor(7, PURPOSE_DECK));
/** Longer than a lease, or than PostgreSQL keeps a silent session, once in so many. */
const LONG_SHARE = 0.3;
const SHORT_MS = [0, 700] as const;
const LONG_MS = [1_800, 3_000] as const;

/** One name for each fault, as reports count it. */
export function nameOf(fault: Pick<StepFault, 'step' | 'target' | 'way'> | Special): string {
  return typeof fault === 'string' ? fault : `${fault.step} × ${fault.target} × ${fault.way}`;
}

/** The faults of these names, each twice: its step may not come a first time. Pure. */
export function planNamed(names: readonly string[], seed: number): PlannedFault[] {
  const steps = COMBINATIONS.filter((combination) => names.includes(nameOf(combination)));
  const specials = SPECIALS.filter((special) => names.includes(special));
  const once: PlannedFault[] = [
    ...steps.map((combination, n) => stepFault(combination, randomFor(seed, PURPOSE_FAULT, n))),
    ...specials.map((kind) => ({ kind })),
  ];
  return [...once, ...once];
}

/** All faults of a seed, in their order. Pure. */
export function planFaults(seed: number, steps: number, only?: readonly Special[]): PlannedFault[] {
  if (only !== undefined) return Array.from({ length: steps }, (_, n) => ({ kind: only[n % only.length]! }));
  const faults: PlannedFault[] = [];
  for (let n = 0; n < steps; n++) {
    faults.push(stepFault(DECK[(seed * steps + n) % DECK.length]!, randomFor(seed, PURPOSE_FAULT, n)));
    const specials = Math.floor(n / SPECIAL_EVERY);
    if (n % SPECIAL_EVERY === SPECIAL_EVERY - 1)
      faults.push({
        kind: drawn(SPECIALS, specials + seed * Math.floor(steps / SPECIAL_EVERY), 1, PURPOSE_SPECIAL),
      });
  }
  return faults;
}

function stepFault(
  { step, target, way }: Pick<StepFault, 'step' | 'target' | 'way'>,
  random: () => number,
): StepFault {
  const [least, most] = random() < LONG_SHARE ? LONG_MS : SHORT_MS;
  return {
    ...{ kind: 'step', step, target, way },
    ms: between(random, least, most),
    holdsWire: step === 'relay: sent' && random() < 0.5,
    aim: random(),
  };
}
