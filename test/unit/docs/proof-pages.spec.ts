import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, sep } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { CHECKERS } from '../../faults/oracle/finding.js';
import { SABOTAGES } from '../../faults/sabotage.js';

const GUARANTEES = readFileSync('docs/guarantees.md', 'utf8');
const PROMISES = readFileSync('docs/proof/promises.md', 'utf8');
const RULES = readFileSync('docs/proof/rules.md', 'utf8');
/** Switches that change who acts, and break no rule. */
const NO_RULES = ['command-goes-on-alone', 'record-unread'];
const SRC = 'libs/aggregate-transport/src';

const CHECKERS_NAMED = new Set(Object.keys(CHECKERS));

function pathsUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => path.split(sep).join('/'));
}

/** Cells of all tables of a page, without heads. */
function rowsOf(page: string): string[][] {
  return page
    .split('\n')
    .filter((line, index, lines) => {
      const isHead = lines[index + 1]?.startsWith('| --') ?? false;
      return line.startsWith('|') && !line.startsWith('| --') && !isHead;
    })
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** Sections with their rows or list items, by heading; links go by their text. */
function sectionsOf(page: string): Map<string, string> {
  return new Map(
    page
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')), section]),
  );
}

const plain = (text: string): string =>
  text
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

test('promises.md has each promise that guarantees.md makes, in the same order, and no other', () => {
  const told = sectionsOf(GUARANTEES);
  const proved = sectionsOf(PROMISES);
  let count = 0;
  for (const [heading, section] of proved) {
    const rows = rowsOf(section).map(([promise = '']) => plain(promise));
    if (heading.startsWith('What comes again')) continue;
    const items = section === '' ? [] : (told.get(heading) ?? '').split(/^### /m)[0]!.split(/^- /m).slice(1);
    expect([heading, items.map((item) => plain(item.split('\n\n')[0]!))]).toEqual([heading, rows]);
    count += rows.length;
  }
  expect(count).toBeGreaterThan(60);
});

test('each file and each test that promises.md names exists', () => {
  const sources = pathsUnder(SRC);
  const tests = pathsUnder('test');
  const rows = rowsOf(PROMISES);
  const isSource = (name: string): boolean => {
    const path = name.replace(/\/$/, '');
    return sources.some((one) => one === path || one.endsWith(`/${path}`) || one.endsWith(`/${path}.ts`));
  };
  const isTest = (name: string): boolean => {
    const checker = /^faults: (.+)$/.exec(name)?.[1];
    if (checker !== undefined) return CHECKERS_NAMED.has(checker);
    const path = name.replace(/\/$/, '');
    return (
      CHECKERS_NAMED.has(name) || tests.some((one) => one.includes(path) || basename(one).startsWith(path))
    );
  };
  const kept = rows.flatMap(([, cell = '']) => namesIn(cell).filter((name) => /[/.]/.test(name)));
  const shown = rows.flatMap(([, , cell = '']) => namesIn(cell));
  expect([kept.length, shown.length].every((count) => count > 60)).toBe(true);
  expect({
    kept: [...new Set(kept.filter((name) => !isSource(name)))],
    shown: [...new Set(shown.filter((name) => !isTest(name) && !name.startsWith('test:')))],
  }).toEqual({ kept: [], shown: [] });
});

describe('rules.md', () => {
  const rows = rowsOf(RULES);

  test('names every switch of sabotage.ts, and no other', () => {
    const source = readFileSync(`${SRC}/sabotage.ts`, 'utf8');
    const switches = [...source.matchAll(/^ {2}(?:\| )?'([a-z-]+)'/gm)].map(([, name]) => name!);
    const told = [...rows.map(([, name = '']) => namesIn(name)[0]!), ...NO_RULES];
    expect(switches.length).toBeGreaterThan(40);
    expect(told.toSorted()).toEqual(switches.toSorted());
    for (const name of NO_RULES) expect(RULES).toContain(`\`${name}\``);
  });

  test('names the checkers of the consumer rules as the fault runs judge them', () => {
    const told = new Map(rows.map(([, name = '', checkers = '']) => [namesIn(name)[0], namesIn(checkers)]));
    for (const [rule, { checkers }] of Object.entries(SABOTAGES))
      expect([rule, told.get(rule)?.toSorted()]).toEqual([rule, checkers.toSorted()]);
  });
});

test('each page of proof is reached from its first page', () => {
  const first = readFileSync('docs/proof/README.md', 'utf8');
  const pages = readdirSync('docs/proof').filter((name) => name.endsWith('.md') && name !== 'README.md');
  expect(pages.filter((name) => !first.includes(`](${name})`))).toEqual([]);
  expect(existsSync(join('docs/proof', 'promises.md'))).toBe(true);
});
