/** The checkers of the way from row to row. */
export const CHECKERS = {
  'stored-once': 'every event of a committed row is in the stream once',
  'stored-order': "an aggregate's events are stored in the order of its transactions",
  'rolled-back': 'nothing of a transaction that did not commit is in the stream',
  'applied-once': 'the effect of every stored event is committed once in each run of the group',
  'applied-order': "an aggregate's effects are committed in the order of the stream, from the first event on",
  'one-owner': 'no older owner commits after a newer one has handled an event of the aggregate',
  'left-over': 'at the end the outbox is empty, nothing is stopped or parked, and all is applied',
  process: 'no process ends by itself',
} as const;
export type CheckerName = keyof typeof CHECKERS;

export interface Finding {
  readonly checker: CheckerName;
  readonly text: string;
}
