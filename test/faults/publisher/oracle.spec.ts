import { describe, expect, test } from '@jest/globals';
import type { StoredEvent } from '../oracle/stored.js';
import { CHECKERS, type CheckerName } from './finding.js';
import { historyOf } from './history.js';
import type { DriverLine, PublisherLine } from './journal-lines.js';
import { faultsOnBatches, judge } from './oracle.js';

// A checker that was never seen red is no checker: each is shown a history with one lie in it.

const KEY = 'key-1';
const call = (n: number): PublisherLine => ({ what: 'call', key: KEY, n, again: false });
const ok = (n: number, seq: number): PublisherLine[] => [
  { what: 'result', key: KEY, n, outcome: 'stored', seq },
  { what: 'ok', key: KEY, n, seq, duplicate: false },
];
const fail = (n: number, code: string): PublisherLine[] => [
  { what: 'result', key: KEY, n, outcome: 'failed', code },
  { what: 'fail', key: KEY, n, code },
];
const unknown = (n: number): PublisherLine[] => [
  { what: 'result', key: KEY, n, outcome: 'unknown', code: 'OUTCOME_UNKNOWN' },
  { what: 'unknown', key: KEY, n, code: 'OUTCOME_UNKNOWN' },
];
const end = (
  published: number,
  failed: number,
  more: Partial<PublisherLine & { what: 'end' }> = {},
): PublisherLine => ({
  ...{ what: 'end', flushed: true, pending: 0, published, failed },
  ...more,
});
const stored = (n: number, seq: number): StoredEvent => ({ key: KEY, n, seq, slot: 0 });
const sent = (n: number, life = 1): DriverLine => ({
  what: 'sent',
  life,
  link: 1,
  key: KEY,
  n,
});
type How = 'stored' | 'unavailable' | 'not-stored' | 'refused';
const answer = (n: number, how: How = 'stored'): DriverLine => ({
  ...{ what: 'answer', life: 1, key: KEY, n, answer: how },
});
const told: DriverLine = { what: 'told', life: 1, key: KEY };

interface Story {
  readonly lives?: readonly (readonly PublisherLine[])[];
  readonly wire?: readonly DriverLine[];
  readonly stored?: readonly StoredEvent[];
  /** How the last life ended; those before it were killed. */
  readonly how?: string;
  readonly expected?: boolean;
}

/** The checkers that turn red. */
function red({
  lives = [],
  wire = [],
  stored: inStream = [],
  how = 'code 0',
  expected = true,
}: Story): CheckerName[] {
  const journals = new Map(lives.map((lines, index) => [index + 1, lines]));
  const exits = lives.map((_, index): DriverLine => ({
    ...{ what: 'exit', life: index + 1 },
    how: index === lives.length - 1 ? how : 'SIGKILL',
    expected: index === lives.length - 1 ? expected : true,
  }));
  const { findings } = judge(historyOf([...wire, ...exits], journals, inStream));
  return [...new Set(findings.map(({ checker }) => checker))];
}

const GOOD = [call(1), call(2), ...ok(1, 5), call(3), ...ok(2, 8), ...ok(3, 9), end(3, 0)];

describe('green is', () => {
  test('call order, each event once, each call told once', () => {
    const wire = [
      sent(1),
      answer(1),
      sent(2),
      sent(2),
      answer(2, 'unavailable'),
      sent(2),
      answer(2),
      sent(3),
      answer(3),
    ];
    expect(red({ lives: [GOOD], wire, stored: [stored(1, 5), stored(2, 8), stored(3, 9)] })).toEqual([]);
  });

  test('a refusal with all behind it, then later calls', () => {
    const lives = [
      [call(1), call(2), call(3), ...fail(1, 'PUBLISH_REJECTED'), ...fail(2, 'PREDECESSOR_REJECTED')],
      [...fail(3, 'PREDECESSOR_REJECTED'), call(4), ...ok(4, 1), end(1, 3)],
    ];
    expect(
      red({ lives: [lives.flat()], wire: [sent(1), answer(1, 'refused'), sent(4)], stored: [stored(4, 1)] }),
    ).toEqual([]);
  });

  test('a full stream that refuses each copy of an event, then later calls', () => {
    const lives = [[call(1), call(2), ...fail(1, 'PUBLISH_REJECTED'), ...fail(2, 'PREDECESSOR_REJECTED')]];
    lives.push([call(3), ...ok(3, 1), end(1, 2)]);
    const wire = [sent(1), sent(1), answer(1, 'not-stored'), answer(1, 'not-stored'), sent(3)];
    expect(red({ lives: [lives.flat()], wire, stored: [stored(3, 1)] })).toEqual([]);
  });

  test('an unknown outcome, stored or not, and later events behind it', () => {
    const lines = [
      call(1),
      ...unknown(1),
      call(2),
      ...fail(2, 'PREDECESSOR_UNKNOWN'),
      call(3),
      ...ok(3, 7),
      end(1, 2),
    ];
    const wire = [sent(1), told, sent(3), answer(3)];
    expect(red({ lives: [lines], wire, stored: [stored(3, 7)] })).toEqual([]);
    expect(red({ lives: [lines], wire, stored: [stored(1, 6), stored(3, 7)] })).toEqual([]);
  });

  test('an open call of a killed life that the next life publishes again', () => {
    const lives = [
      [call(1), call(2), ...ok(1, 1)],
      [call(2), ...ok(2, 2), end(1, 0)],
    ];
    expect(red({ lives, stored: [stored(1, 1), stored(2, 2)] })).toEqual([]);
  });

  test('a call that was never queued, with any event stored after it', () => {
    const lines = [call(1), call(2), ...fail(1, 'ABORTED'), ...ok(2, 1), end(1, 1)];
    expect(red({ lives: [lines], stored: [stored(2, 1)] })).toEqual([]);
  });
});

describe('order is red for', () => {
  test('an event that is stored after a later one', () => {
    const lines = [call(1), call(2), ...ok(2, 1), ...ok(1, 2), end(2, 0)];
    expect(red({ lives: [lines], stored: [stored(2, 1), stored(1, 2)] })).toEqual(['order']);
  });

  test('an unknown event that is stored after a later one', () => {
    const lines = [call(1), ...unknown(1), call(2), ...ok(2, 1), end(1, 1)];
    expect(red({ lives: [lines], stored: [stored(2, 1), stored(1, 2)] })).toEqual(['order']);
  });

  test('a receipt with a wrong sequence', () => {
    expect(red({ lives: [[call(1), ...ok(1, 2), end(1, 0)]], stored: [stored(1, 1)] })).toEqual(['order']);
  });

  test('an event that is stored though it was refused', () => {
    const lines = [call(1), ...fail(1, 'PUBLISH_REJECTED'), end(0, 1)];
    expect(red({ lives: [lines], stored: [stored(1, 1)] })).toEqual(['order']);
  });

  test('an event that was never called', () => {
    expect(red({ lives: [[call(1), ...ok(1, 1), end(1, 0)]], stored: [stored(1, 1), stored(2, 2)] })).toEqual(
      ['order'],
    );
  });
});

describe('hole is red for', () => {
  test('an event that is missing between stored ones though it was confirmed', () => {
    expect(red({ lives: [GOOD], stored: [stored(1, 5), stored(3, 9)] })).toEqual(['hole']);
  });

  test('an event stored behind one that failed, called before that was known', () => {
    const lines = [call(1), call(2), ...fail(1, 'PUBLISH_REJECTED'), ...ok(2, 1), end(1, 1)];
    expect(red({ lives: [lines], stored: [stored(2, 1)] })).toEqual(['hole']);
  });

  test('an event stored behind an unknown one that is not, called before that was known', () => {
    const lines = [call(1), call(2), ...unknown(1), ...ok(2, 1), end(1, 1)];
    expect(red({ lives: [lines], stored: [stored(2, 1)] })).toEqual(['hole']);
  });
});

test('copy is red for an event that is stored twice', () => {
  const lines = [call(1), ...ok(1, 1), end(1, 0)];
  expect(red({ lives: [lines], stored: [stored(1, 1), stored(1, 2)] })).toEqual(['copy']);
});

test('lost is red for a confirmed event that is not there, with nothing behind it', () => {
  expect(red({ lives: [GOOD], stored: [stored(1, 5), stored(2, 8)] })).toEqual(['lost']);
});

describe('a batch on the wire', () => {
  const inBatch = (n: number, id = 'b', isLast = false): DriverLine => ({
    ...(sent(n) as DriverLine & { what: 'sent' }),
    batch: { id, isFirst: n === 2, isLast },
  });
  const told = (how: How | 'opened', batch = 'b'): DriverLine => ({
    ...{ what: 'answer', life: 1, key: KEY, n: 4, answer: how, batch },
  });
  const whole = [sent(1), answer(1), inBatch(2), told('opened'), inBatch(3), inBatch(4, 'b', true)];

  test.each<[string, DriverLine[]]>([
    ['that is stored, and the next event', [...whole, told('stored'), sent(5)]],
    ['that is refused, and its events one by one', [...whole, told('refused'), sent(2), answer(2), sent(3)]],
    ['that is not stored, and its events', [...whole, told('not-stored'), sent(2), answer(2), sent(3)]],
    ['without an answer, and its first event alone', [...whole, sent(2), sent(2), answer(2), sent(3)]],
    ['whose "stored" comes late', [...whole, sent(2), answer(2), sent(3), told('stored'), sent(5)]],
    ['whose "stored" crosses a copy', [...whole, told('stored'), sent(2), sent(5)]],
    ['that is never filled', [sent(1), answer(1), inBatch(2), sent(2), told('opened'), answer(2), sent(3)]],
  ])('is green %s', (_name, wire) => {
    expect(red({ wire })).toEqual([]);
  });

  test.each<[string, DriverLine[]]>([
    ['begins while an event is open', [sent(1), inBatch(2)]],
    ['is filled before it is opened', [sent(1), answer(1), inBatch(2), inBatch(3)]],
    [
      'is filled after its first event left alone',
      [sent(1), answer(1), inBatch(2), told('opened'), sent(2), inBatch(3)],
    ],
    ['is filled out of order', [sent(1), answer(1), inBatch(2), told('opened'), inBatch(4), inBatch(3)]],
    ['holds an event that was sent before', [sent(1), answer(1), sent(2), answer(2), inBatch(2)]],
    ['is open, and the next event leaves', [...whole, sent(5)]],
    ['is not to be had now, and the next event leaves', [...whole, told('unavailable'), sent(5)]],
    [
      'is followed by its first event, of which only one copy is refused',
      [...whole, sent(2), answer(2, 'not-stored'), sent(5)],
    ],
    ['is open, and its second event leaves', [...whole, sent(3)]],
    ['is refused, and its second event leaves', [...whole, told('refused'), sent(3)]],
    [
      'is answered in the name of another, and the next event leaves',
      [...whole, told('stored', 'c'), sent(5)],
    ],
    [
      'is followed by its first event, and then its second, of which neither has an answer',
      [...whole, sent(2), sent(3)],
    ],
    ['goes back to its first event twice', [...whole, sent(2), answer(2), sent(3), sent(2)]],
  ])('is red if it %s', (_name, wire) => {
    expect(red({ wire })).toEqual(['wire']);
  });

  test('faults that came while one was under way are counted, others are not', () => {
    const fault = (kind: string, on: boolean): DriverLine => ({ what: 'fault', kind, on });
    const at = (kind: string): DriverLine[] => [fault(kind, true), fault(kind, false)];
    const counts = faultsOnBatches([
      ...at('before'),
      fault('around', true),
      ...whole.slice(0, 3),
      ...at('opening'),
      ...whole.slice(3),
      fault('around', false),
      ...at('sent'),
      told('stored'),
      ...at('after'),
    ]);
    expect([...counts]).toEqual([
      ['opening', 1],
      ['around', 1],
      ['sent', 1],
    ]);
  });
});

describe('wire is red for', () => {
  const wires: [string, DriverLine[]][] = [
    ['without any answer', [sent(1), sent(2)]],
    ['with "not now" only', [sent(1), answer(1, 'unavailable'), sent(2)]],
    ['with one copy of two refused', [sent(1), sent(1), answer(1, 'not-stored'), sent(2)]],
    ['with a copy sent after a refusal', [sent(1), answer(1, 'not-stored'), sent(1), sent(2)]],
    ['with an answer to another event', [sent(1), answer(3), sent(2)]],
    ['with an answer to an earlier life', [sent(1, 2), answer(1), sent(2, 2)]],
  ];
  test.each(wires)('n+1 that leaves %s', (_name, wire) => {
    expect(red({ wire })).toEqual(['wire']);
  });

  test('an earlier event that leaves after a later one', () => {
    expect(red({ wire: [sent(2), answer(2), sent(1)] })).toEqual(['wire']);
  });
});

describe('unsettled is red for', () => {
  test('a call without an outcome', () => {
    const lines = [call(1), end(0, 0, { pending: 1 })];
    expect(red({ lives: [lines] })).toEqual(['unsettled']);
  });

  test('a call with two outcomes', () => {
    const lines = [call(1), ...ok(1, 1), ok(1, 1)[1]!, end(1, 0)];
    expect(red({ lives: [lines], stored: [stored(1, 1)] })).toEqual(['unsettled']);
  });

  test('a flush that does not resolve', () => {
    expect(red({ lives: [[end(0, 0, { flushed: false })]] })).toEqual(['unsettled']);
  });
});

describe('results is red for', () => {
  const [result, told1] = ok(1, 1) as [PublisherLine, PublisherLine];
  const journals: [string, PublisherLine[]][] = [
    ['an outcome that is missing there', [call(1), told1]],
    ['an outcome that comes twice', [call(1), result, result, told1]],
    [
      'another outcome than the call had',
      [call(1), { what: 'result', key: KEY, n: 1, outcome: 'unknown' }, told1],
    ],
    ['another sequence', [call(1), { what: 'result', key: KEY, n: 1, outcome: 'stored', seq: 2 }, told1]],
  ];
  test.each(journals)('%s', (_name, lines) => {
    expect(red({ lives: [[...lines, end(1, 0)]], stored: [stored(1, 1)] })).toEqual(['results']);
  });
});

test.each([
  ['published', end(2, 0)],
  ['failed', end(1, 1)],
  ['pending', end(1, 0, { pending: 1 })],
])('counters is red for a wrong %s', (_name, last) => {
  expect(red({ lives: [[call(1), ...ok(1, 1), last]], stored: [stored(1, 1)] })).toEqual(['counters']);
});

describe('process is red for', () => {
  test('an unhandled rejection', () => {
    const crash: PublisherLine = { what: 'crash', kind: 'unhandledRejection', text: 'Error' };
    expect(red({ lives: [[crash, end(0, 0)]] })).toEqual(['process']);
  });

  test('a publisher that ends by itself', () => {
    expect(red({ lives: [[{ what: 'ready' }]], how: 'code 1', expected: false })).toEqual(['process']);
  });

  test('a publisher that does not end in good order', () => {
    expect(red({ lives: [[end(0, 0)]], how: 'SIGKILL' })).toEqual(['process']);
  });
});

test('every checker has a test here', () => {
  expect(Object.keys(CHECKERS).sort()).toEqual(
    ['order', 'hole', 'copy', 'lost', 'wire', 'unsettled', 'results', 'counters', 'process'].sort(),
  );
});
