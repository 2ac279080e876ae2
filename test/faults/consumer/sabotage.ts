import type { ConsumerRule } from '#library/sabotage.js';
import type { CheckerName, Finding } from '../oracle/finding.js';
import type { FaultKind } from './nemesis-plan.js';
import { checkPoison } from './poison.js';
import { checkRegression } from './regression.js';
import type { ConsumerSetup } from './scenario.js';
import type { World } from './world.js';

export interface Sabotage {
  /** At least one of these must turn red. */
  readonly checkers: readonly CheckerName[];
  /** What brings it to light. */
  readonly faults: readonly FaultKind[];
  /** The server delivers again what waits in lanes. */
  readonly shortAckWait?: boolean;
  readonly consumers?: Partial<ConsumerSetup>;
  /** What comes at the end. */
  readonly epilogue?: (world: World) => Promise<Finding[]>;
}

/** Lanes hold events for longer than the server takes to write down what was acked. */
const SLOW = { maxHandlerMs: 30 };

/** The rules that a test build can switch off. A checker that was never seen red is no checker. */
export const SABOTAGES: Readonly<Record<ConsumerRule, Sabotage>> = {
  'pull-outlives-lease': { checkers: ['C10'], faults: ['freeze', 'quiet'] },
  'retry-by-nak': { checkers: ['C6'], faults: ['roll', 'quiet'] },
  'no-takeover': { checkers: ['C1'], faults: ['kill', 'cut'] },
  'acks-not-repeated': { checkers: ['C1'], faults: ['double-kill'], consumers: SLOW },
  'takeover-by-new-consumer': { checkers: ['C8'], faults: ['roll', 'kill'] },
  'no-fence': { checkers: ['C1', 'C9'], faults: ['freeze', 'kill', 'blackhole-both'], shortAckWait: true },
  'no-gate': { checkers: ['C1', 'C3'], faults: ['foreign-pull', 'quiet'] },
  'acks-unordered': { checkers: ['C5'], faults: ['deaf', 'quiet'] },
  'no-deadline': { checkers: ['C2'], faults: ['block', 'freeze'] },
  'lanes-forgotten': { checkers: ['C2'], faults: ['hang-lapse'] },
  'late-outcome-counts': { checkers: ['C1', 'C5'], faults: ['hang-lapse'] },
  'release-early': { checkers: ['C2'], faults: ['roll-hanging'] },
  'no-suspects': { checkers: ['C11'], faults: ['quiet'], epilogue: checkPoison },
  'delivery-count-decides': {
    checkers: ['C3', 'C9'],
    faults: ['hang-lapse', 'cut', 'cut'],
    shortAckWait: true,
  },
  'token-stands-still': { checkers: ['C2'], faults: ['kill', 'roll'] },
  'regression-unnoticed': { checkers: ['C12'], faults: ['quiet'], epilogue: checkRegression },
  'copies-without-id': { checkers: ['C4'], faults: ['deaf-publisher', 'cut-publisher'] },
};

/** Makes Node load the switches in place of the constant "no" of the published library. */
export const SABOTAGE_CONDITION = '--conditions=aggregate-transport-sabotage';
