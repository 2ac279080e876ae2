import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { treesOf, unionOf } from '../../support/source-texts.js';

const PAGE = readFileSync('docs/board.md', 'utf8');
const SOURCES = 'libs/aggregate-transport-board/src';

test('docs/board.md explains every error code, and no other', () => {
  const source = treesOf(SOURCES).get('errors.ts')!;
  const told = [...PAGE.matchAll(/^\| `(BOARD_[A-Z_]+)` /gm)].map(([, code]) => code);
  expect(told.toSorted()).toEqual([...unionOf(source, 'AggregateBoardErrorCode')].toSorted());
});

test('docs/board.md names every option of the module, and no other', () => {
  const options = [
    ...readFileSync(`${SOURCES}/options.ts`, 'utf8').matchAll(/^ {2}readonly (\w+)\??:/gm),
    ...readFileSync(`${SOURCES}/nest/aggregate-board.module.ts`, 'utf8').matchAll(/^ {2}readonly (\w+)\?:/gm),
  ].map(([, name]) => name!);
  const told = [...PAGE.matchAll(/^\| `([a-z]\w+)` /gm)].map(([, name]) => name!);
  expect(told.toSorted()).toEqual(options.toSorted());
});

test('docs/board.md names every flag of the command, and no other of the board', () => {
  const usage = readFileSync(`${SOURCES}/cli/arguments.ts`, 'utf8');
  for (const flag of PAGE.match(/--[a-z][\w-]+/g) ?? []) expect(usage).toContain(flag);
});

test('docs/board.md says the limits that are in force', () => {
  const limitIn = (file: string, name: string): string =>
    new RegExp(`${name} = ([\\d_]+);`)
      .exec(readFileSync(`${SOURCES}/${file}`, 'utf8'))![1]!
      .replaceAll('_', '');
  expect(PAGE).toContain(`At most ${limitIn('live/live-views.ts', 'MAX_VIEWERS')} pages`);
  expect(PAGE).toContain(`${limitIn('commands/running-commands.ts', 'MAX_RUNNING')} commands run at once`);
  expect(PAGE).toContain(`:${limitIn('cli/arguments.ts', 'DEFAULT_PORT')}/`);
  expect(limitIn('operations/parked-lists.ts', 'MAX_LISTED')).toBe('20000');
});
