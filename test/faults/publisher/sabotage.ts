import type { PublisherRule } from '#library/sabotage.js';
import type { CheckerName } from './finding.js';
import type { FaultKind } from './nemesis-plan.js';
import { IMPATIENT, type PublisherSetup } from './scenario.js';

export interface Sabotage {
  /** At least one of these must turn red. */
  readonly checkers: readonly CheckerName[];
  /** What brings it to light. */
  readonly faults: readonly FaultKind[];
  readonly setup?: Partial<PublisherSetup>;
  /** It shows in long queues only. */
  readonly longQueues?: true;
}

/** The publisher's rules that a test build can switch off. */
export const SABOTAGES: Readonly<Record<PublisherRule, Sabotage>> = {
  'publisher-pipelines': { checkers: ['order', 'hole'], faults: ['cut', 'server-kill', 'no-responders'] },
  'publisher-drops-dedup-id': { checkers: ['copy'], faults: ['acks-lost', 'lag'] },
  'publisher-skips-after-refusal': { checkers: ['hole'], faults: ['oversize', 'stream-full'] },
  'publisher-forgets-unknown': {
    checkers: ['order', 'wire'],
    faults: ['server-freeze', 'blackhole-c2s'],
    setup: { ...IMPATIENT, giveUpAfterMs: 1_000 },
  },
  'publisher-fills-unopened-batch': { checkers: ['wire'], faults: ['cut', 'lag'], longQueues: true },
  'publisher-passes-checks': { checkers: ['order'], faults: ['burst', 'cut'], setup: { laterShare: 0.2 } },
  'publisher-skips-waiting-calls': {
    checkers: ['hole'],
    faults: ['oversize', 'stream-full', 'burst'],
    setup: { laterShare: 0.2 },
  },
};
