/** The publisher's checkers. */
export const CHECKERS = {
  order: 'stored order is call order, receipts are true, what was refused is not stored',
  hole: 'nothing is stored after an event that is missing',
  copy: 'nothing is stored twice',
  lost: 'what was confirmed is stored',
  wire: 'n+1 leaves only when n has a definite answer',
  unsettled: 'every call gets its outcome, once, and flush waits for it',
  results: 'results$ tells every outcome once, as the call does',
  counters: 'pending, published and failed agree with the outcomes',
  process: 'no unhandled rejection, no crash',
} as const;
export type CheckerName = keyof typeof CHECKERS;

/** A broken promise, in words that lead to the lines of the journals. */
export interface Finding {
  readonly checker: CheckerName;
  readonly text: string;
}
