import { describe, expect, test } from '@jest/globals';
import { JUDGED, type JudgedPromise } from '#library/judging/finding.js';
import { judgeHistory } from '#library/judging/judge-history.js';
import { type Example, goodHistory, run } from './example.js';

const SECOND = { token: 2, process: 'second' };

function brokenBy(change: (history: Example) => void): JudgedPromise[] {
  const history = goodHistory();
  change(history);
  return [...new Set(judgeHistory(history).findings.map(({ promise }) => promise))].sort();
}

test('a history that keeps every promise is green, and its evidence is counted', () => {
  expect(judgeHistory(goodHistory())).toEqual({
    findings: [],
    repeats: 1,
    ownerChanges: 1,
    staleOverlaps: 0,
    staleStarts: 0,
    refusedEffects: 0,
  });
});

/** Each is a lie that a broken transport would tell, with the promises that it breaks. */
const LIES: readonly [string, readonly JudgedPromise[], (history: Example) => void][] = [
  [
    'an event is stored twice',
    ['fencing', 'publish-order'],
    (history) => {
      history.stored = [...history.stored, { aggregateId: 'l', number: 2, sequence: 9 }];
      history.runs.push(run(2, 4_200, { ...SECOND, aggregateId: 'l', sequence: 9 }));
    },
  ],
  [
    'two events are stored in the wrong order',
    ['publish-order', 'unknown-event'],
    (history) => {
      history.stored = history.stored.map((event) =>
        event.aggregateId === 'l' ? { ...event, number: 3 - event.number } : event,
      );
    },
  ],
  [
    'an event that was confirmed is not stored',
    ['nothing-lost', 'publish-order'],
    (history) => {
      history.published = [
        ...history.published,
        { aggregateId: 'l', number: 3, outcome: 'stored', sequence: 9 },
      ];
      history.stored = [...history.stored, { aggregateId: 'l', number: 3, sequence: 10 }];
    },
  ],
  [
    'an event that was refused is stored',
    ['publish-order'],
    (history) => {
      history.published = history.published.map((one) =>
        one.sequence === 8 ? { ...one, outcome: 'refused', sequence: undefined } : one,
      );
    },
  ],
  [
    'a handler gets an event that is not stored',
    ['unknown-event'],
    (history) => {
      history.stored = history.stored.filter(({ sequence }) => sequence !== 8);
      history.published = history.published.map((one) =>
        one.sequence === 8 ? { ...one, outcome: 'unknown', sequence: undefined } : one,
      );
    },
  ],
  [
    'an event is never handled',
    ['nothing-lost'],
    (history) => (history.runs = history.runs.filter(({ sequence }) => sequence !== 8)),
  ],
  [
    'an event is passed over',
    ['fencing', 'nothing-lost', 'order'],
    (history) => (history.runs = history.runs.filter(({ sequence }) => sequence !== 3)),
  ],
  [
    'an event overtakes the one before it',
    ['fencing', 'order'],
    (history) => {
      history.runs = history.runs.filter(({ sequence }) => sequence !== 6);
      history.runs.push(run(6, 4_045.2, { ...SECOND, end: 4_045.8 }));
      history.runs = history.runs.map((one) =>
        one.number === 5 && one.token === 2 ? { ...one, start: 4_046, end: 4_049 } : one,
      );
    },
  ],
  [
    'an event starts while the one before it runs',
    ['one-owner', 'order'],
    (history) => {
      history.runs = history.runs.map((one) => (one.sequence === 3 ? { ...one, end: 52 } : one));
    },
  ],
  [
    'the next event starts though one has failed',
    ['fencing', 'nothing-lost', 'order'],
    (history) => (history.runs = history.runs.filter(({ start }) => start !== 26)),
  ],
  [
    'an owner repeats what it has handled itself',
    ['fencing', 'repeats'],
    (history) => history.runs.push(run(6, 4_070, SECOND)),
  ],
  [
    'a new owner repeats although nothing had happened to the one before',
    ['repeats'],
    (history) => (history.disturbances = []),
  ],
  [
    'an orderly end repeats',
    ['repeats'],
    (history) => (history.disturbances = [{ kind: 'stop', process: 'first', from: 60, to: 70 }]),
  ],
  [
    'a new owner leaves a hole',
    ['fencing', 'nothing-lost', 'order'],
    (history) =>
      (history.runs = history.runs.filter(
        ({ number, token, aggregateId }) => aggregateId === 'l' || token === 1 || number === 6,
      )),
  ],
  [
    'two processes have one token',
    ['fencing', 'one-owner', 'repeats'],
    (history) => (history.runs = history.runs.map((one) => ({ ...one, token: 1 }))),
  ],
  [
    'an owner starts an event after its successor has begun',
    ['one-owner'],
    (history) => history.runs.push(run(5, 4_080, { outcome: undefined })),
  ],
  [
    'two handlers of one aggregate run, and nothing was broken',
    ['one-owner'],
    (history) => {
      history.disturbances = [{ kind: 'kill', process: 'first', from: 51, to: 51 }];
      history.runs.push(run(6, 4_063, { ...SECOND, token: 3, outcome: undefined }));
    },
  ],
  ['events are left', ['at-rest'], (history) => (history.rest = { unsettled: 3, parked: 0 })],
  ['aggregates are parked', ['at-rest'], (history) => (history.rest = { unsettled: 0, parked: 1 })],
];

describe('a history is red in which', () => {
  test.each(LIES)('%s', (_name, promises, lie) => {
    expect(brokenBy(lie)).toEqual([...promises].sort());
  });

  test('any promise is broken: each has been seen red', () => {
    expect(new Set(LIES.flatMap(([, promises]) => promises))).toEqual(new Set(Object.keys(JUDGED)));
  });
});

describe('what nothing can prevent is excused', () => {
  const frozen = { kind: 'freeze', process: 'first', from: 52, to: 4_080 };

  test('a handler of a frozen process runs on beside its successor, and its effect is refused', () => {
    const history = goodHistory();
    history.disturbances = [frozen];
    history.runs = history.runs.map((one) =>
      one.sequence === 4 && one.token === 1 ? { ...one, end: 4_081 } : one,
    );
    expect(judgeHistory(history)).toMatchObject({ findings: [], staleOverlaps: 3, refusedEffects: 1 });
  });

  test('one handler starts right after a freeze, and no second one', () => {
    const history = goodHistory();
    history.disturbances = [frozen];
    history.runs.push(run(5, 4_082, { outcome: 'failed' }));
    expect(judgeHistory(history)).toMatchObject({ findings: [], staleStarts: 1 });
    history.runs.push(run(5, 4_090, { outcome: 'failed' }));
    expect(judgeHistory(history).findings.map(({ promise }) => promise)).toContain('one-owner');
  });

  test('a call without an outcome may be stored, or not', () => {
    for (const number of [2, 3]) {
      const history = goodHistory();
      const unknown = { aggregateId: 'l', number, outcome: 'unknown' as const, sequence: undefined };
      history.published = [...history.published.filter(({ sequence }) => sequence !== 8), unknown];
      expect(judgeHistory(history).findings).toEqual([]);
    }
  });

  test('an aggregate is parked, its first event fails again, and is replayed', () => {
    const history = goodHistory();
    history.runs = history.runs.flatMap((one) =>
      one.number === 5 && one.token === 2
        ? [
            { ...one, outcome: 'failed' as const },
            run(5, 4_056, { ...SECOND, end: 4_057, outcome: 'failed' }),
            run(5, 4_058, { ...SECOND, end: 4_059 }),
          ]
        : [one],
    );
    expect(judgeHistory(history).findings).toEqual([]);
  });
});

test('a finding names the aggregate and both events', () => {
  const history = goodHistory();
  history.runs = history.runs.filter(({ sequence }) => sequence !== 3);
  const found = judgeHistory(history).findings.find(({ promise }) => promise === 'order');
  expect(found).toMatchObject({ aggregateId: 'k', numbers: [3, 4] });
  expect(found?.text).toContain('k: started 4 (sequence 4) in first, token 1');
});
