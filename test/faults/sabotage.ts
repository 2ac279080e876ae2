import type { SabotagedRule } from '#library/no-sabotage.js';
import type { CheckerName } from './finding.js';
import type { FaultKind } from './nemesis-plan.js';

export interface Sabotage {
  /** At least one of these must turn red. */
  readonly checkers: readonly CheckerName[];
  /** What brings it to light. */
  readonly faults: readonly FaultKind[];
  /** The server delivers again what waits in lanes. */
  readonly shortAckWait?: boolean;
}

/** The rules that a test build can switch off. A checker that was never seen red is no checker. */
export const SABOTAGES: Readonly<Record<SabotagedRule, Sabotage>> = {
  'pull-outlives-lease': { checkers: ['C10'], faults: ['freeze', 'quiet'] },
  'retry-by-nak': { checkers: ['C6'], faults: ['roll', 'quiet'] },
  'no-takeover': { checkers: ['C1'], faults: ['kill', 'cut'] },
  'no-fence': { checkers: ['C1', 'C9'], faults: ['freeze', 'kill', 'blackhole-both'], shortAckWait: true },
  'no-gate': { checkers: ['C1', 'C3'], faults: ['foreign-pull', 'quiet'] },
  'acks-unordered': { checkers: ['C5'], faults: ['deaf', 'quiet'] },
  'no-deadline': { checkers: ['C2'], faults: ['block', 'freeze'] },
  'lanes-forgotten': { checkers: ['C2'], faults: ['hang-lapse'] },
  'release-early': { checkers: ['C2'], faults: ['roll-hanging'] },
  'no-suspects': { checkers: ['C11'], faults: ['quiet'] },
};

/** Makes Node load the switches in place of the constant "no" of the published library. */
export const SABOTAGE_CONDITION = '--conditions=aggregate-transport-sabotage';
