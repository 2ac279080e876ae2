import type { ConsumerRule } from '#library/sabotage.js';
import { checkPoison } from './consumer/poison.js';
import { checkRegression } from './consumer/regression.js';
import type { Exposure } from './consumer/run-once.js';
import type { CheckerName } from './oracle/finding.js';
import { tellAloneTurns, tellDistantKiller } from './stories/killers.js';
import { tellEditedReader } from './stories/edited-reader.js';
import { tellFirstStart } from './stories/first-start.js';
import { tellLateCommits } from './stories/late-commits.js';
import { tellSkippingReader, tellSlowReturn } from './stories/placeholders.js';
import type { Story } from './stories/tell.js';

/** What brings a broken rule to light: random faults, or a story of its own. */
export type Sabotage = ({ readonly story: Story } | Exposure) & {
  /** At least one of these must turn red. */
  readonly checkers: readonly CheckerName[];
};

/** Lanes hold events when an owner dies. */
const SLOW = { maxHandlerMs: 30 };

/** The rules that a test build can switch off. A checker that was never seen red is no checker. */
export const SABOTAGES: Readonly<Record<ConsumerRule, Sabotage>> = {
  'no-claim': { checkers: ['order'], story: tellLateCommits },
  'no-compare': { checkers: ['order'], story: tellLateCommits },
  'no-gate': {
    checkers: ['order', 'nothing-lost', 'positions-tell-the-truth'],
    faults: ['foreign-pull', 'lost-answers', 'cut', 'burst-cut'],
  },
  'no-pass-over': {
    checkers: ['order', 'settled-stays-settled'],
    faults: ['lagging-replica'],
    onCluster: '2.10',
  },
  'unproven-taken-for-read': {
    checkers: ['nothing-lost', 'order'],
    story: tellEditedReader,
  },
  'no-placeholders': { checkers: ['nothing-lost', 'positions-tell-the-truth'], story: tellSlowReturn },
  'placeholder-not-waited-for': { checkers: ['order'], story: tellSkippingReader },
  'alone-per-partition': { checkers: ['poison-found'], story: tellAloneTurns },
  'start-per-partition': { checkers: ['nothing-lost'], story: tellFirstStart },
  'list-ignored': {
    checkers: ['order', 'nothing-lost', 'positions-tell-the-truth'],
    faults: ['kill'],
    consumers: SLOW,
  },
  'commit-ahead': {
    checkers: ['positions-tell-the-truth', 'order', 'nothing-lost'],
    faults: ['kill'],
    consumers: SLOW,
  },
  'settled-again': { checkers: ['settled-stays-settled'], faults: ['kill', 'roll'], consumers: SLOW },
  'no-deadline': { checkers: ['one-owner', 'order'], faults: ['block', 'freeze', 'blackhole-c2s'] },
  'lanes-forgotten': { checkers: ['one-owner'], faults: ['hang-lapse'] },
  'release-early': { checkers: ['one-owner'], faults: ['roll-hanging'] },
  'no-suspects': { checkers: ['poison-found'], faults: ['quiet'], epilogue: checkPoison },
  'window-shrinks': { checkers: ['poison-found'], story: tellDistantKiller },
  'token-stands-still': { checkers: ['fencing', 'one-owner'], faults: ['kill', 'roll'] },
  'regression-unnoticed': { checkers: ['regression-noticed'], faults: ['quiet'], epilogue: checkRegression },
  'copies-without-id': { checkers: ['publish-order'], faults: ['deaf-publisher', 'cut-publisher'] },
};
