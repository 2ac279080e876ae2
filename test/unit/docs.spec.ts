import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { packageOf } from '#library/cli/add-on.js';
import { COMMANDS } from '#library/cli/commands.js';
import { fnv1a32 } from '#library/message/partitioning.js';
import { subjectOf, tokenOf } from '#library/message/subject.js';
import { failsLiveness, failsReadiness, type HealthProblemCode } from '#library/observe/health-problem.js';
import { alarmsOf, GAP, mayRead, textsOf, treesOf, unionOf } from '../support/source-texts.js';

const README = readFileSync('README.md', 'utf8');
const OPERATIONS = readFileSync('docs/operations.md', 'utf8');
const sources = treesOf('libs/aggregate-transport/src');

/** The rows of the table whose head begins with these columns, cell by cell. */
function tableOf(page: string, ...columns: readonly string[]): string[][] {
  const lines = page.split('\n');
  const cellsOf = (line: string): string[] =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim());
  const head = lines.findIndex(
    (line) => line.startsWith('|') && columns.every((column, index) => cellsOf(line)[index] === column),
  );
  if (head < 0) return [];
  const rows = lines.slice(head + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end < 0 ? undefined : end).map(cellsOf);
}

/** Beginnings of sections and paragraphs of docs/operations.md that tell what is, and nothing to do. */
const NO_RECIPES = ['Other recipes', 'What happens', 'What you see'];

function codeIn(cell = ''): string {
  return /^`(.+)`$/.exec(cell)?.[1] ?? cell;
}

test.each([
  ['README.md', 5],
  ['docs/recipes.md', 1],
  ['docs/postgres.md', 6],
  ['docs/shapes.md', 2],
])('%s takes its examples from code that is compiled', (page, least) => {
  const regions = [...readFileSync(page, 'utf8').matchAll(/<!-- (\S+)#(\w+) -->\n\n```ts\n([\s\S]*?)```/g)];
  expect(regions.length).toBeGreaterThanOrEqual(least);
  for (const [, file = '', name = '', shown = ''] of regions) {
    const source = readFileSync(file, 'utf8');
    const region = new RegExp(`// #region ${name}\n([\\s\\S]*?)[ ]*// #endregion`).exec(source)?.[1];
    expect(shown).toBe(region);
  }
});

describe('docs/operations.md', () => {
  test('explains every health code, and no other, with what it makes fail', () => {
    const rows = tableOf(OPERATIONS, 'code', 'meaning', 'healthy', 'ready', 'live');
    const told = rows.map(([code, , healthy, ready, live]) => [codeIn(code), healthy, ready, live]);
    const declared = unionOf(sources.get('observe/health-problem.ts')!, 'HealthProblemCode');
    const codes = declared as HealthProblemCode[];
    const down = (isDown: boolean): string => (isDown ? 'down' : '');
    const expected = codes.map((code) => [
      ...[code, 'down'],
      ...[down(failsReadiness(code)), down(failsLiveness(code))],
    ]);
    expect(told.sort()).toEqual(expected.sort());
  });

  test('tells no recipe that no test walks, and the list of walks has no other', () => {
    const head = OPERATIONS.slice(OPERATIONS.indexOf('## Backup and restore'));
    const sections = [...head.matchAll(/^## (.*)$/gm)].map(([, name]) => name!);
    // Bold beginnings of paragraphs, except those that only describe.
    const told = [...head.matchAll(/^\*\*(.+?)\*\*/gm)].map(([, name]) => name!.replace(/\.$/, ''));
    const rows = [['lost, or restored alone'], ['key'], ['reason']].flatMap((columns) =>
      tableOf(head, ...columns).map(([name]) => name!),
    );
    const recipes = new Set([...sections, ...told, ...rows].filter((name) => !NO_RECIPES.includes(name)));
    const walked = tableOf(readFileSync('docs/proof/recipes.md', 'utf8'), 'recipe');
    expect(walked.map(([name]) => name).toSorted()).toEqual([...recipes].toSorted());
    const specs = walked.flatMap(([, names = '']) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
    );
    expect(specs.length).toBeGreaterThanOrEqual(walked.length);
    expect(specs.filter((name) => !existsSync(join('test', `${name}.spec.ts`)))).toEqual([]);
  });

  describe('the log', () => {
    const told = tableOf(OPERATIONS, 'text', 'meaning', 'do').map(([text]) => codeIn(text));

    test('shows no text that the library does not say', () => {
      const said = [...sources.values()].flatMap(textsOf);
      expect(told.length).toBeGreaterThan(30);
      expect(told.filter((text) => !said.some((one) => mayRead(one, text)))).toEqual([]);
    });

    test('explains every warning and error that the library logs', () => {
      const alarms = [...sources]
        .filter(([path]) => !/^(testing|cli)\//.test(path))
        .flatMap(([, tree]) => alarmsOf(tree))
        // Of the others the text is made elsewhere.
        .filter((text) => text.replaceAll(GAP, '').trim().split(' ').length > 3);
      expect(alarms.length).toBeGreaterThan(25);
      expect(alarms.filter((alarm) => !told.some((text) => mayRead(alarm, text)))).toEqual([]);
    });
  });
});

test('the checks of texts turn red', () => {
  const alarm = `${GAP}: ${GAP} failed in its ${GAP} (attempt ${GAP}), again in ${GAP} ms`;
  for (const shown of ['failed in its decode', '(attempt 3), again in', ', again in 100 ms'])
    expect([shown, mayRead(alarm, shown)]).toEqual([shown, true]);
  for (const shown of ['failed in their decode', 'decode', 'stopped again in 100 ms'])
    expect([shown, mayRead(alarm, shown)]).toEqual([shown, false]);
  expect(mayRead('no gap here', 'no gap there')).toBe(false);
});

test('every command that pages and texts name is one the command line has', () => {
  const known = new Set(COMMANDS.map(({ name }) => name));
  const isOfOtherPackage = (area: string): boolean => packageOf(area) !== undefined;
  const texts = [...pagesOf('docs').map(read), README, ...[...sources.values()].flatMap(textsOf)];
  const named = texts.flatMap((text) => [
    ...text.matchAll(/npx aggregate-transport ([a-z]+)(?: ([a-z]+)\b)?/g),
  ]);
  expect(named.length).toBeGreaterThan(5);
  const unknown = named
    .filter(([, area = '', verb = '']) => !known.has(area) && !known.has(`${area} ${verb}`))
    .filter(([, area = '']) => !isOfOtherPackage(area))
    .map(([text]) => text);
  expect(unknown).toEqual([]);
});

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

function read(page: string): string {
  return readFileSync(page, 'utf8');
}

function pagesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join(folder, path));
}

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

test('no page links to a file or a heading that does not exist', () => {
  const broken: string[] = [];
  for (const page of ['README.md', 'CHANGELOG.md', 'bench/README.md', ...pagesOf('docs')]) {
    for (const [, link = ''] of read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = link.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      const isThere =
        existsSync(file) &&
        (anchor === undefined ||
          !file.endsWith('.md') ||
          [...read(file).matchAll(/^#+ (.+)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor));
      if (!isThere) broken.push(`${page}: ${link}`);
    }
  }
  expect(broken).toEqual([]);
});
