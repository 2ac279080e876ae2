import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { DEFAULTS } from '#library/transport/options.js';
import { describedCodes } from '../../../website/reference/errors-page.js';
import { bothSides } from '../../../website/reference/options-page.js';
import { machinePictures } from '../../../website/reference/machines-page.js';
import { filesWithModes, machineOf, machines } from '../../../website/reference/machines.js';
import { PAGES } from '../../../website/reference/pages.js';
import { treesOf, unionOf } from '../../support/source-texts.js';

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

describe('docs/reference/errors.md', () => {
  const page = readFileSync('docs/reference/errors.md', 'utf8');

  test.each([
    ['libs/aggregate-transport/src', 'AggregateTransportErrorCode', 50],
    ['libs/aggregate-transport-postgres/src', 'AggregatePostgresErrorCode', 20],
  ])('explains every code of %s, and says what to do', (folder, union, least) => {
    const codes = unionOf(treesOf(folder).get('errors.ts')!, union);
    expect(codes.length).toBeGreaterThan(least);
    const told = describedCodes({ file: `${folder}/errors.ts`, union });
    expect(told.map(({ code }) => code)).toEqual(codes);
    for (const code of codes) expect(page).toContain(`\n#### \`${code}\`\n`);
  });

  test('explains no other', () => {
    const told = [...page.matchAll(/^#### `(\w+)`$/gm)].map(([, code]) => code!);
    const sources = ['libs/aggregate-transport/src', 'libs/aggregate-transport-postgres/src'].map((folder) =>
      readFileSync(`${folder}/errors.ts`, 'utf8'),
    );
    expect(told.filter((code) => !sources.some((source) => source.includes(`| '${code}'`)))).toEqual([]);
  });
});

test('a code without a docstring, or without what to do, turns the page red', () => {
  const folder = mkdtempSync(join(tmpdir(), 'codes-'));
  const file = join(folder, 'errors.ts');
  writeFileSync(file, "export type Code =\n  // start\n  /** When. Do: this. */\n  | 'A'\n  | 'B';\n");
  expect(() => describedCodes({ file, union: 'Code' })).toThrow('at the code B');
  writeFileSync(
    file,
    "export type Code =\n  // start\n  /** When. Do: this. */\n  | 'A'\n  /** When. */\n  | 'B';\n",
  );
  expect(() => describedCodes({ file, union: 'Code' })).toThrow('at the code B');
  rmSync(folder, { recursive: true });
});

describe('state machines', () => {
  test('each class that enters modes is drawn, from its table, and no other picture is left', () => {
    const drawn = machinePictures();
    expect(filesWithModes().length).toBeGreaterThan(10);
    expect(drawn.map(([path]) => path.replace(/^.*\//, '')).toSorted()).toEqual(
      readdirSync('docs/reference/machines').toSorted(),
    );
    for (const [path, svg] of drawn) expect([path, readFileSync(path, 'utf8')]).toEqual([path, svg]);
  });

  test('each mode has a meaning, and is entered somewhere unless the machine starts in it', () => {
    const untold = machines().flatMap(({ name, modes }) =>
      modes.filter(({ text }) => text === '').map((mode) => `${name}: ${mode.name}`),
    );
    expect(untold).toEqual([]);
    for (const { file, start, modes } of machines()) {
      const source = readFileSync(file, 'utf8');
      for (const { name, from } of modes) {
        expect([file, name, source.includes(`'${name}'`) || name === start]).toEqual([file, name, true]);
        expect(modes.map((mode) => mode.name)).toEqual(expect.arrayContaining([...from]));
      }
    }
  });

  test('a class without a table turns it red', () => {
    expect(() => machineOf('some.ts', "class Some {\n  #mode = 'a';\n  #enter() {}\n}\n")).toThrow(
      'MAY_COME_FROM',
    );
  });
});
