import { describe, expect, test } from '@jest/globals';
import { type Goal, judge } from '../../../bench/goal.js';
import { measure } from '../../../bench/measure.js';
import { numberText } from '../../../bench/number-text.js';
import type { Section } from '../../../bench/section.js';
import { svgOf } from '../../../bench/svg.js';
import { goalsTable, markdown, tableOf } from '../../../bench/table.js';

const section: Section = {
  id: 'some',
  title: 'rates of <some>',
  metrics: [
    { key: 'rate', unit: 'events/s', better: 'more' },
    { key: 'lost', unit: 'lost', better: 'less' },
  ],
  baseline: 'raw',
  contenders: [
    {
      name: 'raw',
      samples: [
        { rate: 100, lost: 0 },
        { rate: 200, lost: 0 },
        { rate: 50, lost: 0 },
      ],
    },
    {
      name: 'ours',
      samples: [
        { rate: 80, lost: 0 },
        { rate: 150, lost: 0 },
        { rate: 45, lost: 1 },
      ],
    },
  ],
  notes: ['A note.'],
};
const ratioGoal: Goal = {
  text: 'ours',
  section: 'some',
  contender: 'ours',
  metric: 'rate',
  against: 'raw',
  atLeast: 0.8,
};

describe('a goal', () => {
  test('about a ratio takes the median of the ratios, not the ratio of the medians', () => {
    expect(judge(ratioGoal, [section])).toMatchObject({ measured: 0.8, verdict: 'met' });
    expect(judge({ ...ratioGoal, atLeast: 0.81 }, [section]).verdict).toBe('missed');
  });

  test('about what must never happen looks at the worst round', () => {
    const never: Goal = {
      text: '',
      section: 'some',
      contender: 'ours',
      metric: 'lost',
      of: 'worst',
      atMost: 0,
    };
    expect(judge(never, [section])).toMatchObject({ measured: 1, verdict: 'missed' });
    expect(judge({ ...never, of: 'median' }, [section]).verdict).toBe('met');
  });

  test('about what was not run is not met', () => {
    expect(judge({ ...ratioGoal, section: 'other' }, [section]).verdict).toBe('not measured');
    expect(judge({ ...ratioGoal, contender: 'unknown' }, [section]).verdict).toBe('not measured');
    expect(judge({ ...ratioGoal, metric: 'p99' }, [section]).verdict).toBe('not measured');
  });
});

test('a table tells median, lowest and highest of each contender, and the ratio round by round', () => {
  const table = tableOf(section);
  expect(table).toContain('| ours |  80 (45–150) | 0 (0–1) | 0.80 (0.75–0.90) |');
  expect(table).toContain('A note.');
  expect(goalsTable([judge(ratioGoal, [section])])).toContain('≥ 0.80');
});

test('the columns of a table are as wide as their widest cell', () => {
  expect(
    markdown([
      ['', 'rate'],
      ['ours', '1'],
    ]),
  ).toBe('|      | rate |\n| ---- | ---: |\n| ours |    1 |');
});

test.each([
  [Number.NaN, '–'],
  [0, '0'],
  [0.0123, '0.012'],
  [0.756, '0.76'],
  [12.34, '12.3'],
  [1234.5, '1 235'],
  [123_456, '123 500'],
])('%p is written as %p', (value, text) => {
  expect(numberText(value)).toBe(text);
});

describe('a picture', () => {
  const svg = svgOf(section);

  test('has a bar for each contender, as long as its median is large', () => {
    const widths = [...svg.matchAll(/<rect x="270"[^>]* width="([\d.]+)"/g)].map(([, width]) =>
      Number(width),
    );
    expect(widths).toEqual([210, 168]);
    expect(svg).toContain('>ours</text>');
  });

  test('escapes what a title may contain, and survives a contender without a value', () => {
    expect(svg).toContain('rates of &lt;some&gt;');
    const empty = svgOf({ ...section, contenders: [{ name: 'none', samples: [] }] });
    expect(empty).not.toContain('NaN');
    expect(empty).not.toContain('Infinity');
  });
});

test('contenders take turns, the first rounds do not count, and each round of one has its sample', async () => {
  const ran: string[] = [];
  const contender = (name: string) => ({
    name,
    run: (round: number) => {
      ran.push(`${name}${round}`);
      return Promise.resolve({ rate: round });
    },
  });
  const comparison = { ...section, contenders: [contender('raw'), contender('ours')], maxRounds: 2 };
  const result = await measure(comparison, 5, { step: () => undefined });
  expect(ran).toEqual(['raw-1', 'ours-1', 'raw0', 'ours0', 'raw1', 'ours1']);
  expect(result.contenders[1]).toEqual({ name: 'ours', samples: [{ rate: 0 }, { rate: 1 }] });
});
