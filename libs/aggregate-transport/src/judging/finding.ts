import type { HandlerRun } from './run-history.js';

/** What is judged, and the promise that each name stands for. */
export const JUDGED = {
  'publish-order': 'an aggregate is stored in the order of its calls, each event once, and outcomes are true',
  'unknown-event': 'a handler gets stored events, and nothing else',
  order: 'an event starts after its predecessor has been handled, and nothing is passed over',
  repeats: 'an event is handled again only by a new owner, after the one before was disturbed',
  'one-owner': 'a fencing token belongs to one process, and an aggregate has one handler at a time',
  fencing: 'a store that refuses lower fencing tokens takes the effects of an aggregate in order',
  'nothing-lost': 'each stored event is handled',
  'at-rest': 'at the end everything is settled, and nothing is parked',
} as const;

/** The promises that a history is judged by; docs/verify.md explains each. */
export type JudgedPromise = keyof typeof JUDGED;

/** A broken promise. */
export interface OrderFinding {
  /** The promise that was broken. */
  readonly promise: JudgedPromise;
  /** What was found, in one line. */
  readonly text: string;
  /** Undefined if it is about no single aggregate. */
  readonly aggregateId: string | undefined;
  /** The numbers of the events it is about, in the order in which they should be. */
  readonly numbers: readonly number[];
}

/** Writes down findings of one promise. */
export type Find = (aggregateId: string | undefined, numbers: readonly number[], text: string) => void;

/** What `judge` finds of one promise. */
export function findingsOf(promise: JudgedPromise, judge: (find: Find) => void): OrderFinding[] {
  const findings: OrderFinding[] = [];
  judge((aggregateId, numbers, text) => findings.push({ promise, text, aggregateId, numbers }));
  return findings;
}

export function describeRun({ number, sequence, token, process, start, end, outcome }: HandlerRun): string {
  const until = end === Infinity ? 'no end' : end.toFixed(1);
  const how = outcome ?? 'not ended';
  return `${number} (sequence ${sequence}) in ${process}, token ${token}, ${start.toFixed(1)} to ${until} ms, ${how}`;
}
