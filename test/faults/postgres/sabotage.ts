import type { ChainRule } from '#library/sabotage.js';
import type { PostgresRule } from '#postgres/sabotage.js';
import type { CheckerName } from './finding.js';
import type { Special } from './nemesis-plan.js';
import { tellLateOwner } from './late-owner.js';
import type { WorldOptions } from './world.js';

/** A rule of either library on the way from row to row. */
export type RowRule = PostgresRule | ChainRule;

/** What brings a broken rule to light: random faults, the special ones that show it, or a story of its own. */
export interface Sabotage {
  /** At least one of these must turn red. */
  readonly checkers: readonly CheckerName[];
  /** The only faults; all if undefined. */
  readonly faults?: readonly Special[];
  readonly world?: Partial<WorldOptions>;
  readonly story?: typeof tellLateOwner;
}

/** Many sessions for few aggregates. */
const CROWDED = { shop: { sessions: 10, aggregates: 3, pauseMs: 40, maxConnections: 10 } };

export const SABOTAGES: Readonly<Record<RowRule, Sabotage>> = {
  'add-without-lock': { checkers: ['stored-order'], faults: ['exhausted'], world: CROWDED },
  'rows-below-unseen': { checkers: ['stored-once', 'left-over'], faults: ['restart-immediate', 'exhausted'] },
  'no-look-up': { checkers: ['stored-once'], faults: ['relay-away', 'relay-frozen', 'late-copies'] },
  'chain-without-expectation': {
    checkers: ['stored-once', 'stored-order'],
    faults: ['late-copies', 'relay-frozen'],
  },
  'marked-before-receipt': { checkers: ['stored-once'], faults: ['late-copies', 'relay-away'] },
  'inbox-without-token': { checkers: ['one-owner'], story: tellLateOwner },
  'inbox-without-position': { checkers: ['applied-once'], faults: ['handler-within', 'handler-late'] },
};
