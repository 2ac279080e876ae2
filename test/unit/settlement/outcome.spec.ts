import { expect, test } from '@jest/globals';
import {
  decideOutcome,
  type FailureStage,
  type OnExhausted,
  type Outcome,
} from '#library/settlement/outcome.js';

const retry = { attempts: 3, firstDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0 };

const block: Outcome = { kind: 'block', delayMs: 5_000 };
const halt: Outcome = { kind: 'halt' };

type Row = [
  stage: FailureStage,
  attempt: number,
  onExhausted: OnExhausted,
  unrecoverable: boolean,
  outcome: Outcome,
];

const table: Row[] = [
  // A guard says nothing about the event: it never exhausts it, not even at the thousandth attempt.
  ['guard', 1, 'block', false, block],
  ['guard', 1, 'halt', false, block],
  ['guard', 1_000, 'halt', false, block],
  ['guard', 1, 'halt', true, block],
  // What fails the same way every time is exhausted at once.
  ['decode', 1, 'block', true, block],
  ['decode', 1, 'halt', true, halt],
  ['decode', 1, 'halt', false, halt],
  ['pipe', 1, 'block', false, block],
  ['pipe', 1, 'halt', false, halt],
  ['pipe', 2, 'halt', true, halt],
  // A handler is tried again until its attempts are used up, unless it says that no retry can help.
  ['handler', 1, 'block', false, { kind: 'retry', delayMs: 100 }],
  ['handler', 2, 'halt', false, { kind: 'retry', delayMs: 200 }],
  ['handler', 3, 'block', false, block],
  ['handler', 3, 'halt', false, halt],
  ['handler', 4, 'block', false, block],
  // So is what an interceptor does around it: it says as little about the event.
  ['interceptor', 1, 'block', false, { kind: 'retry', delayMs: 100 }],
  ['interceptor', 3, 'halt', false, halt],
  ['interceptor', 1, 'halt', true, halt],
  ['handler', 1, 'block', true, block],
  ['handler', 1, 'halt', true, halt],
];

test.each(table)('%s, attempt %i, onExhausted %s, unrecoverable %s', (...row) => {
  const [stage, attempt, onExhausted, unrecoverable, outcome] = row;
  const failure = { stage, error: new Error('x'), unrecoverable };
  expect(decideOutcome(failure, attempt, { retry, onExhausted }, 0)).toEqual(outcome);
});

test('one attempt means no retry', () => {
  const policy = { retry: { ...retry, attempts: 1 }, onExhausted: 'block' as const };
  expect(decideOutcome({ stage: 'handler', error: 1, unrecoverable: false }, 1, policy, 0)).toEqual(block);
});

test("the wait of a retry has the policy's jitter", () => {
  const policy = { retry: { ...retry, jitter: 0.5 }, onExhausted: 'block' as const };
  expect(decideOutcome({ stage: 'handler', error: 1, unrecoverable: false }, 1, policy, 0.5)).toEqual({
    kind: 'retry',
    delayMs: 75,
  });
});
