import type { SabotagedRule } from '#library/no-sabotage.js';
import type { CheckerName } from './finding.js';

/**
 * The rules that a test build can switch off, and the checkers of which at least one must then turn red.
 * A checker that was never seen red is no checker.
 */
export const SABOTAGES: Readonly<Record<SabotagedRule, readonly CheckerName[]>> = {
  'pull-outlives-lease': ['C10'],
  'retry-by-nak': ['C6'],
  'no-takeover': ['C1'],
  'no-fence': ['C1', 'C9'],
  'no-gate': ['C1', 'C3'],
  'acks-unordered': ['C5'],
  'no-deadline': ['C2'],
  'lanes-forgotten': ['C2'],
  'release-early': ['C2'],
  'no-suspects': ['C11'],
};

/** Makes Node load the switches in place of the constant "no" of the published library. */
export const SABOTAGE_CONDITION = '--conditions=aggregate-transport-sabotage';
