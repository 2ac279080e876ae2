import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { COMMANDS } from '#library/cli/commands.js';
import { jsonLine } from '#library/cli/command/json-line.js';
import { KINDS, readJsonLines } from '../../support/json-lines.js';
import { treesOf, unionOf } from '../../support/source-texts.js';

test('each kind of line has a published shape, and there is no other', () => {
  const core = unionOf(treesOf('libs/aggregate-transport/src/cli').get('command/json-line.ts')!, 'JsonKind');
  const postgres = unionOf(
    treesOf('libs/aggregate-transport-postgres/src/cli').get('json-line.ts')!,
    'JsonKind',
  );
  expect([...core, ...postgres].toSorted()).toEqual(Object.keys(KINDS).toSorted());
});

test('each command says what it prints', () => {
  const named = Object.values(KINDS).flatMap((kind) => kind['x-commands']);
  const missing = COMMANDS.filter(
    // An MCP server speaks a protocol of its own.
    ({ name }) =>
      name !== 'mcp' && !named.some((command) => command === name || command.startsWith(`${name} --`)),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test('docs/json.md is what its script makes of the shapes', async () => {
  const script = join(process.cwd(), 'libs/aggregate-transport/schemas/make-page.js');
  const made = (await import(script)) as { pageOf(page: string): Promise<string> };
  const page = readFileSync('docs/json.md', 'utf8');
  expect(page).toBe(await made.pageOf(page));
});

test('a line of another kind, of another version, or with a field too many or too few is refused', () => {
  const line = { code: 'USAGE', message: 'unknown command' };
  expect(readJsonLines(`${jsonLine('error', line)}\n`)).toEqual([{ v: 1, kind: 'error', ...line }]);
  for (const wrong of [
    { v: 1, kind: 'errors', ...line },
    { v: 2, kind: 'error', ...line },
    { v: 1, kind: 'error', ...line, more: 1 },
    { v: 1, kind: 'error', code: 'USAGE' },
  ])
    expect(() => readJsonLines(JSON.stringify(wrong))).toThrow('expected');
});
