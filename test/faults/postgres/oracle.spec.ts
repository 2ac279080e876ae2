import { describe, expect, test } from '@jest/globals';
import type { CheckerName } from './finding.js';
import type { EffectRow, History } from './history.js';
import { isAtRest, judge } from './oracle.js';

const RUN = 2n ** 48n;

/** Two aggregates, three transactions, and all effects: the second event of `a` was handled by a new owner. */
function good(): {
  -readonly [K in keyof History]: History[K] extends readonly (infer T)[] ? T[] : History[K];
} {
  return {
    orders: [
      { aggregate: 'a', n: 1, events: ['a1', 'a2'] },
      { aggregate: 'a', n: 2, events: ['a3'] },
      { aggregate: 'b', n: 1, events: ['b1'] },
    ],
    stored: [
      { aggregate: 'a', event: 'a1', sequence: 1 },
      { aggregate: 'b', event: 'b1', sequence: 2 },
      { aggregate: 'a', event: 'a2', sequence: 3 },
      { aggregate: 'a', event: 'a3', sequence: 4 },
    ],
    effects: [effect('a', 1, 'a1'), effect('a', 2, 'a2', 2), effect('a', 3, 'a3', 2), effect('b', 1, 'b1')],
    ...{ waiting: 0, stopped: 0, parked: 0, deaths: [] },
  };
}

// eslint-disable-next-line max-params -- one line for each row of a history
function effect(aggregate: string, n: number, event: string, token = 1, run = 0): EffectRow {
  return { aggregate, n, event, position: BigInt(run) * RUN + BigInt(n), token, outcome: 'done' };
}

function redOf(history: History): CheckerName[] {
  return [...new Set(judge(history).map(({ checker }) => checker))].sort();
}

test('finds nothing in a history that keeps every promise', () => {
  expect(judge(good())).toEqual([]);
  expect(isAtRest(good())).toBe(true);
});

test('takes a second run from the first event on, repeats, and a run that a reset has cut short', () => {
  const history = good();
  history.effects = [
    effect('a', 1, 'a1'),
    { ...effect('a', 2, 'a1', 2), outcome: 'repeat' },
    ...['a1', 'a2', 'a3'].map((event, index) => effect('a', index + 3, event, 3, 1)),
    effect('b', 1, 'b1', 3, 1),
  ];
  expect(judge(history)).toEqual([]);
});

describe('finds', () => {
  const wrong: [string, CheckerName[], (history: ReturnType<typeof good>) => void][] = [
    [
      'an event that is not in the stream',
      ['stored-once', 'applied-order'],
      ({ stored }) => stored.splice(2, 1),
    ],
    [
      'an event that is stored twice',
      ['stored-once'],
      ({ stored }) => stored.push({ aggregate: 'a', event: 'a2', sequence: 9 }),
    ],
    [
      'events of one transaction in another order',
      ['stored-order', 'applied-order'],
      ({ stored }) => {
        stored[0] = { aggregate: 'a', event: 'a2', sequence: 1 };
        stored[2] = { aggregate: 'a', event: 'a1', sequence: 3 };
      },
    ],
    [
      'transactions of one aggregate in another order',
      ['stored-order'],
      ({ orders }) => {
        orders[0] = { aggregate: 'a', n: 2, events: ['a1', 'a2'] };
        orders[1] = { aggregate: 'a', n: 1, events: ['a3'] };
      },
    ],
    [
      'an event of a transaction that was rolled back',
      ['rolled-back', 'left-over'],
      ({ stored }) => stored.push({ aggregate: 'c', event: 'c1', sequence: 9 }),
    ],
    [
      'an effect that is committed twice',
      ['applied-once'],
      ({ effects }) => effects.push(effect('a', 4, 'a2', 2)),
    ],
    [
      'an effect that is committed twice in the second run',
      ['applied-once', 'left-over'],
      ({ effects }) => effects.push(effect('a', 4, 'a1', 2, 1), effect('a', 5, 'a1', 2, 1)),
    ],
    [
      'effects in another order than the stream',
      ['applied-order'],
      ({ effects }) => {
        effects[1] = effect('a', 3, 'a2', 2);
        effects[2] = effect('a', 2, 'a3', 2);
      },
    ],
    [
      'a run that does not begin at the first event',
      ['applied-order', 'left-over'],
      ({ effects }) => effects.shift(),
    ],
    ['an effect that is missing', ['left-over'], ({ effects }) => effects.splice(2, 1)],
    [
      'an older owner that commits after a newer one',
      ['one-owner'],
      ({ effects }) => (effects[2] = effect('a', 3, 'a3', 1)),
    ],
    [
      'an older owner that commits after a newer one has seen a repeat',
      ['one-owner'],
      ({ effects }) => {
        effects[1] = { ...effect('a', 2, 'a1', 2), outcome: 'repeat' };
        effects[2] = effect('a', 3, 'a2', 1);
        effects.push(effect('a', 4, 'a3', 2));
      },
    ],
    ['a row that waits', ['left-over'], (history) => (history.waiting = 1)],
    ['an aggregate of the outbox that is stopped', ['left-over'], (history) => (history.stopped = 1)],
    ['a letter that is left', ['left-over'], (history) => (history.parked = 1)],
    ['a process that ended by itself', ['process'], ({ deaths }) => deaths.push('relay-0 ended by itself')],
  ];
  test.each(wrong)('%s', (_name, checkers, change) => {
    const history = good();
    change(history);
    expect(redOf(history)).toEqual(checkers.toSorted());
  });
});

test('is not at rest while a row waits, an event is not stored or an effect is missing', () => {
  expect(isAtRest({ ...good(), waiting: 1 })).toBe(false);
  expect(isAtRest({ ...good(), stored: good().stored.slice(1) })).toBe(false);
  expect(isAtRest({ ...good(), effects: good().effects.slice(1) })).toBe(false);
});
