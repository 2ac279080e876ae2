import { describe, expect, test } from '@jest/globals';
import type { ParkReason } from '#library/message/park-reason.js';
import {
  decideOutcome,
  type Disposition,
  type FailedAttempt,
  type Failure,
  type FailurePolicy,
  type FailureStage,
  type OnExhausted,
  type Outcome,
} from '#library/consumer/handling/outcome.js';
import { BLOCKS_AGGREGATE } from '#library/errors.js';
import { hostileErrors, NONSENSE } from '../../../support/hostile.js';

const retry = { attempts: 3, firstDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0 };

const block: Outcome = { kind: 'block', delayMs: 5_000 };
const halt: Outcome = { kind: 'halt' };
const park = (reason: ParkReason): Outcome => ({ kind: 'park', reason });
const skip = (reason: ParkReason): Outcome => ({ kind: 'skip', reason });
const failureOf = (stage: FailureStage, unrecoverable = false): Failure => ({
  stage,
  error: new Error('x'),
  unrecoverable,
});

type Row = [
  stage: FailureStage,
  attempt: number,
  onExhausted: OnExhausted,
  unrecoverable: boolean,
  outcome: Outcome,
];

const table: Row[] = [
  // A guard says nothing about the event: it never exhausts it, not even at the thousandth attempt.
  ['guard', 1, 'park', false, block],
  ['guard', 1, 'skip', false, block],
  ['guard', 1, 'halt', false, block],
  ['guard', 1_000, 'halt', false, block],
  ['guard', 1_000, 'park', true, block],
  // What fails the same way every time is exhausted at once, and says why.
  ['decode', 1, 'park', true, park('UNDECODABLE')],
  ['decode', 1, 'skip', true, skip('UNDECODABLE')],
  ['decode', 1, 'block', true, block],
  ['decode', 1, 'halt', false, halt],
  ['route', 1, 'park', true, park('UNHANDLED_TYPE')],
  ['route', 1, 'block', true, block],
  ['pipe', 1, 'park', false, park('REJECTED')],
  ['pipe', 1, 'skip', false, skip('REJECTED')],
  ['pipe', 1, 'block', false, block],
  ['pipe', 2, 'halt', true, halt],
  ['crash', 1, 'park', true, park('CRASHED')],
  ['crash', 1, 'skip', true, skip('CRASHED')],
  ['crash', 1, 'block', true, block],
  ['crash', 1, 'halt', true, halt],
  // A handler is tried again until its attempts are used up, unless it says that no retry can help.
  ['handler', 1, 'park', false, { kind: 'retry', delayMs: 100 }],
  ['handler', 2, 'halt', false, { kind: 'retry', delayMs: 200 }],
  ['handler', 3, 'park', false, park('EXHAUSTED')],
  ['handler', 3, 'skip', false, skip('EXHAUSTED')],
  ['handler', 3, 'block', false, block],
  ['handler', 3, 'halt', false, halt],
  // So is what an interceptor does around it: it says as little about the event.
  ['interceptor', 1, 'block', false, { kind: 'retry', delayMs: 100 }],
  ['interceptor', 3, 'halt', false, halt],
  ['interceptor', 1, 'halt', true, halt],
  ['handler', 4, 'park', false, park('EXHAUSTED')],
  ['handler', 1, 'park', true, park('UNRECOVERABLE')],
  ['handler', 1, 'skip', true, skip('UNRECOVERABLE')],
  ['handler', 1, 'block', true, block],
  ['handler', 1, 'halt', true, halt],
];

test.each(table)('%s, attempt %i, onExhausted %s, unrecoverable %s', (...row) => {
  const [stage, attempt, onExhausted, unrecoverable, outcome] = row;
  expect(decideOutcome(failureOf(stage, unrecoverable), { attempt }, { retry, onExhausted }, 0)).toEqual(
    outcome,
  );
});

test('one attempt means no retry', () => {
  const policy: FailurePolicy = { retry: { ...retry, attempts: 1 }, onExhausted: 'block' };
  expect(decideOutcome(failureOf('handler'), { attempt: 1 }, policy, 0)).toEqual(block);
});

test("the wait of a retry has the policy's jitter", () => {
  const policy: FailurePolicy = { retry: { ...retry, jitter: 0.5 }, onExhausted: 'block' };
  expect(decideOutcome(failureOf('handler'), { attempt: 1 }, policy, 0.5)).toEqual({
    kind: 'retry',
    delayMs: 75,
  });
});

describe('classify', () => {
  const outcomeOf = (
    chosen: Disposition | undefined,
    stage: FailureStage,
    attempt = 1,
    onExhausted: OnExhausted = 'park',
  ): Outcome =>
    decideOutcome(
      failureOf(stage),
      { attempt, type: 'Placed' },
      { retry, onExhausted, classify: () => chosen },
      0,
    );

  test('sees the error, its stage, the attempt and the type', () => {
    const seen: FailedAttempt[] = [];
    const failure = failureOf('pipe');
    const classify = (failed: FailedAttempt): undefined => void seen.push(failed);
    decideOutcome(failure, { attempt: 2, type: 'Placed' }, { retry, onExhausted: 'park', classify }, 0);
    expect(seen).toEqual([{ error: failure.error, stage: 'pipe', attempt: 2, type: 'Placed' }]);
  });

  const atOnce: [Disposition, Outcome][] = [
    ['park', park('EXHAUSTED')],
    ['skip', skip('EXHAUSTED')],
    ['block', block],
    ['halt', halt],
  ];

  test.each(atOnce)('%s comes at once, even if attempts are left', (chosen, outcome) => {
    expect(outcomeOf(chosen, 'handler', 1, 'block')).toEqual(outcome);
  });

  test('retry is for what would be exhausted at once, too, but not for ever', () => {
    expect(outcomeOf('retry', 'pipe')).toEqual({ kind: 'retry', delayMs: 100 });
    expect(outcomeOf('retry', 'decode', 2)).toEqual({ kind: 'retry', delayMs: 200 });
    expect(outcomeOf('retry', 'pipe', 3)).toEqual(park('REJECTED'));
    expect(outcomeOf('retry', 'handler', 3, 'halt')).toEqual(halt);
  });

  test('cannot have an event retried that ends its process: no attempt would ever use itself up', () => {
    expect(outcomeOf('retry', 'crash')).toEqual(park('CRASHED'));
    expect(outcomeOf('skip', 'crash')).toEqual(skip('CRASHED'));
  });

  test('undefined leaves it to the rest of the policy', () => {
    expect(outcomeOf(undefined, 'handler')).toEqual({ kind: 'retry', delayMs: 100 });
    expect(outcomeOf(undefined, 'pipe')).toEqual(park('REJECTED'));
  });

  test("is never asked about a guard's refusal", () => {
    expect(outcomeOf('halt', 'guard')).toEqual(block);
  });

  test('is never asked about an error that says its event must wait, and no attempt is used up', () => {
    const error = Object.assign(new Error('an older owner'), { [BLOCKS_AGGREGATE]: true });
    const policy: FailurePolicy = { retry, onExhausted: 'halt', classify: () => 'park' };
    for (const attempt of [1, 3, 1_000])
      expect(decideOutcome({ ...failureOf('handler'), error }, { attempt }, policy, 0)).toEqual(block);
  });

  test('that throws, or answers anything but a disposition, decides nothing, and says what was wrong', () => {
    const throws = (error: unknown) => (): never => {
      throw error;
    };
    const broken = [
      ...hostileErrors().map((error) => throws(error)),
      ...NONSENSE.map((make) => () => make() as never),
    ];
    for (const classify of broken) {
      const policy: FailurePolicy = { retry, onExhausted: 'park', classify };
      const rejected = decideOutcome(failureOf('pipe'), { attempt: 1 }, policy, 0);
      expect(rejected).toMatchObject(park('REJECTED'));
      expect(rejected.classifierFault).toMatch(/^found /);
      expect(decideOutcome(failureOf('handler'), { attempt: 1 }, policy, 0)).toMatchObject({ kind: 'retry' });
    }
  });

  test('that answers a word is quoted, so that a typo is seen', () => {
    const policy: FailurePolicy = { retry, onExhausted: 'park', classify: () => 'parked' as never };
    expect(decideOutcome(failureOf('pipe'), { attempt: 1 }, policy, 0).classifierFault).toBe(
      'found "parked"',
    );
  });
});
