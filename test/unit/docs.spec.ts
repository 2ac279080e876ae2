import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { fnv1a32 } from '#library/message/partitioning.js';
import { subjectOf, tokenOf } from '#library/message/subject.js';
import { DEFAULTS } from '#library/transport/options.js';

const README = readFileSync('README.md', 'utf8');

/** `{ a: { b: 1 } }` as `[['a.b', 1]]`. */
function flatten(value: object, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    typeof inner === 'object' && inner !== null
      ? flatten(inner, `${prefix}${key}.`)
      : [[prefix + key, inner]],
  );
}

describe('README', () => {
  const regions = [...README.matchAll(/<!-- (\S+)#(\w+) -->\n\n```ts\n([\s\S]*?)```/g)];

  test('takes its examples from code that is compiled', () => {
    expect(regions.length).toBeGreaterThanOrEqual(4);
    for (const [, file = '', name = '', shown = ''] of regions) {
      const source = readFileSync(file, 'utf8');
      const region = new RegExp(`// #region ${name}\n([\\s\\S]*?)[ ]*// #endregion`).exec(source)?.[1];
      expect(shown).toBe(region);
    }
  });

  test('names every default, and no other option', () => {
    const table = README.slice(README.indexOf('<!-- defaults -->'), README.indexOf('Coming from the plan'));
    const rows = [...table.matchAll(/^\| `([\w.]+)` +\| `(.*?)` /gm)].map(([, option, value]) => [
      option,
      value,
    ]);
    const expected = flatten(DEFAULTS).map(([option, value]) => [
      option,
      typeof value === 'string' ? `'${value}'` : String(value),
    ]);
    expect(rows).toEqual(expected);
  });
});

test('the defaults told in the comments of options.ts are the defaults', () => {
  const source = readFileSync('libs/aggregate-transport/src/nest/options.ts', 'utf8');
  const defaults = new Map(flatten(DEFAULTS));
  const told = [...source.matchAll(/@default (\S+)(?: \*\/|\n {3}\*\/)\n {2}(\w+)\?:/g)];
  expect(told.length).toBeGreaterThanOrEqual(20);
  for (const [, text = '', option = ''] of told) {
    const key = [...defaults.keys()].find((name) => name === option || name.endsWith(`.${option}`));
    const value = key === undefined ? undefined : defaults.get(key);
    expect([option, text]).toEqual([option, typeof value === 'string' ? `'${value}'` : groupDigits(value)]);
  }
});

function groupDigits(value: unknown): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '_');
}

test('the vectors in docs/wire-format.md are what the library computes', () => {
  const page = readFileSync('docs/wire-format.md', 'utf8');
  const rows = [...page.matchAll(/^\| `(.+?)` +\| `(.+?)` +\| `0x(.+?)` +\| `(.+?)` +\|$/gm)];
  expect(rows.length).toBeGreaterThanOrEqual(3);
  for (const [, id = '', token = '', hash = '', subject = ''] of rows) {
    expect([tokenOf(id), fnv1a32(token).toString(16).padStart(8, '0'), subjectOf('orders', token)]).toEqual([
      token,
      hash,
      subject,
    ]);
  }
});

test('no page links to a file that does not exist', () => {
  for (const page of [
    'README.md',
    'docs/architecture.md',
    'docs/guarantees.md',
    'docs/operations.md',
    'docs/wire-format.md',
    'docs/decisions/0001-partition-bits-in-the-subject.md',
  ]) {
    const links = [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
      ([, link = '']) => link,
    );
    for (const link of links)
      expect([page, link, existsSync(join(dirname(page), link))]).toEqual([page, link, true]);
  }
});
