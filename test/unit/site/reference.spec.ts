import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { DEFAULTS } from '#library/transport/options.js';
import { bothSides } from '../../../website/reference/options-page.js';
import { PAGES } from '../../../website/reference/pages.js';

/** `{ a: { b: 1 } }` as `[['a.b', 1]]`. */
function flatten(value: object, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === 'object' && inner !== null
      ? flatten(inner, `${prefix}${key}.`)
      : [[prefix + key, inner]],
  );
}

test.each(Object.entries(PAGES))('%s says what the sources say', async (path, page) => {
  expect(readFileSync(path, 'utf8')).toBe(await page());
});

describe('docs/reference/options.md', () => {
  test('names every default', () => {
    const page = readFileSync('docs/reference/options.md', 'utf8');
    const rows = [...page.matchAll(/^\| \[`([\w.]+)`\]\(#\w+\) +\| `(.*?)` /gm)];
    const told = rows.map(([, option, value = '']) => [option, value.replace(/(?<=\d)_(?=\d)/g, '')]);
    const expected = flatten(DEFAULTS)
      .filter(([, value]) => value !== undefined)
      .map(([option, value]) => [option, typeof value === 'string' ? `'${value}'` : String(value)]);
    expect(expected.length).toBeGreaterThan(35);
    expect(told.toSorted()).toEqual(expected.toSorted());
  });

  test('tells of each option that the libraries take, and of no other', () => {
    for (const { told, known } of bothSides()) expect(told.toSorted()).toEqual(known.toSorted());
  });
});
