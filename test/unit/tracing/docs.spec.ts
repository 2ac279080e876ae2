import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ATTRIBUTE, CONVENTIONS } from '#library/tracing/attributes.js';

const PAGE = readFileSync('docs/tracing.md', 'utf8');
const source = (path: string): string => readFileSync(`libs/aggregate-transport/src/${path}`, 'utf8');

/** The first cells of a table's rows, without their quotes. */
function firstCells(heading: string): string[] {
  const section = PAGE.slice(PAGE.indexOf(heading));
  return [...section.slice(0, section.indexOf('\n\n', heading.length + 4)).matchAll(/^\| `([^`]+)`/gm)].map(
    ([, cell]) => cell!,
  );
}

test('docs/tracing.md has a row for each attribute, and no other', () => {
  expect(firstCells('## Attributes').toSorted()).toEqual(Object.values<string>(ATTRIBUTE).toSorted());
});

test('every attribute is set somewhere', () => {
  const files = ['send-spans', 'process-spans', 'span-error'].map((name) => source(`tracing/${name}.ts`));
  const unset = Object.keys(ATTRIBUTE).filter(
    (name) => !files.some((text) => new RegExp(`ATTRIBUTE\\.${name}\\b`).test(text)),
  );
  expect(unset).toEqual([]);
});

test('docs/tracing.md names each outcome, and no other', () => {
  const [, union = ''] =
    /export type AttemptOutcome =([^;]+);/.exec(source('consumer/handling/lane-listener.ts')) ?? [];
  const [told = ''] = /Outcomes: [\s\S]*?\n\n/.exec(PAGE) ?? [];
  const names = (text: string, quote: string): string[] =>
    [...text.matchAll(new RegExp(`${quote}(\\w+)${quote}`, 'g'))].map(([, name]) => name!).toSorted();
  expect(names(told, '`')).toEqual(names(union, "'"));
});

test('docs/tracing.md and the glossary of names follow one release of the conventions', () => {
  expect(PAGE).toContain(`release ${CONVENTIONS}`);
});
