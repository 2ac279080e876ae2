import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { packageOf } from '#library/cli/add-on.js';
import { COMMANDS } from '#library/cli/commands.js';
import { fnv1a32 } from '#library/message/partitioning.js';
import { subjectOf, tokenOf } from '#library/message/subject.js';
import { failsLiveness, failsReadiness, type HealthProblemCode } from '#library/observe/health-problem.js';
import { GAP, mayRead, textsOf, treesOf, unionOf } from '../support/source-texts.js';

const README = readFileSync('README.md', 'utf8');
const MAX_README_LINES = 150;
const HEALTH = readFileSync('docs/operations/health.md', 'utf8');
/** Where an operator reads what to do. */
const REPAIRS = ['backup', 'deploys', 'groups', 'letters', 'repairs', 'topics'].map((name) =>
  readFileSync(`docs/operations/${name}.md`, 'utf8'),
);
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

/** Beginnings of paragraphs of docs/operations that tell what is, and nothing to do. */
const NO_RECIPES = ['What happens', 'What you see'];

function codeIn(cell = ''): string {
  return /^`(.+)`$/.exec(cell)?.[1] ?? cell;
}

/** The recipes of a page: its sections, bold beginnings of paragraphs, and rows of what is lost. */
function recipesOf(page: string): string[] {
  const sections = [...page.matchAll(/^## (.*)$/gm)].map(([, name]) => name!);
  const told = [...page.matchAll(/^\*\*(.+?)\*\*/gm)].map(([, name]) => name!.replace(/\.$/, ''));
  const rows = [['lost, or restored alone'], ['key'], ['reason']].flatMap((columns) =>
    tableOf(page, ...columns).map(([name]) => name!),
  );
  return [...(sections.length > 0 ? sections : [/^# (.*)$/m.exec(page)![1]!]), ...told, ...rows];
}

const RECIPES = pagesOf('docs/recipes');
const MIGRATIONS = pagesOf('docs/migrating');

test.each([
  ['README.md', 2],
  ['docs/publishing.md', 1],
  ['docs/testing.md', 1],
  ['docs/postgres.md', 6],
  ['docs/shapes.md', 2],
  ...RECIPES.map((page): [string, number] => [page, 1]),
  ...MIGRATIONS.map((page): [string, number] => [page, 1]),
])('%s takes its examples from code that is compiled', (page, least) => {
  const shown = [...read(page).matchAll(/<!-- (\S+)#(\w+) -->\n\n```(?:ts|js|python|go)\n([\s\S]*?)```/g)];
  expect(shown.length).toBeGreaterThanOrEqual(least);
  for (const [, file = '', name = '', code = ''] of shown) {
    const region = new RegExp(`(?://|#) #region ${name}\n([\\s\\S]*?)[ ]*(?://|#) #endregion`).exec(
      read(file),
    )?.[1];
    expect(code.trimEnd()).toBe(region?.trimEnd());
  }
});

test('get-started.md shows the files of a created service as they are', () => {
  const blocks = [...read('docs/get-started.md').matchAll(/<!-- (\S+\.ts) -->\n\n```ts\n([\s\S]*?)```/g)];
  const sources = 'libs/create-aggregate-service/template/src';
  const shownFiles = blocks.map(([, file = '']) => file);
  const files = readdirSync(sources).filter((name) => name !== 'main.ts');
  expect(shownFiles.toSorted()).toEqual(files.map((name) => `${sources}/${name}`).toSorted());
  for (const [, file = '', shown] of blocks) expect(shown).toBe(read(file));
});

test('the README is read in five minutes, and its test command is the one that .ci/run calls', () => {
  expect(README.trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_README_LINES);
  expect(README).toMatch(/^npm ci && npm test {3}#/m);
  expect(readFileSync('.ci/run', 'utf8')).toMatch(/^npm test$/m);
});

test.each(RECIPES)(
  '%s says when to use it, what one gets, pays and does not get, and which test runs it',
  (page) => {
    const text = read(page);
    for (const part of ['Use when', 'You get', 'You pay', 'It does not'])
      expect(text).toContain(`\n**${part}**`);
    expect(text).toMatch(/\[The test\]\(\S+\.spec\.ts\)/);
    expect(read('docs/recipes.md')).toContain(`](${page.replace('docs/', '')})`);
  },
);

describe('docs/operations', () => {
  test('explains every health code, and no other, with what it makes fail', () => {
    const rows = tableOf(HEALTH, 'code', 'meaning', 'healthy', 'ready', 'live');
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
    const recipes = new Set(REPAIRS.flatMap(recipesOf).filter((name) => !NO_RECIPES.includes(name)));
    const walked = tableOf(readFileSync('docs/proof/recipes.md', 'utf8'), 'recipe');
    expect(walked.map(([name]) => name).toSorted()).toEqual([...recipes].toSorted());
    const specs = walked.flatMap(([, names = '']) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
    );
    expect(specs.length).toBeGreaterThanOrEqual(walked.length);
    expect(specs.filter((name) => !existsSync(join('test', `${name}.spec.ts`)))).toEqual([]);
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
  const others = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'examples/README.md'];
  for (const page of [...others, 'bench/README.md', ...pagesOf('docs')]) {
    for (const [, link = ''] of read(page).matchAll(/(?:\]\(|(?:src|srcset)=")(?!https?:)([^)"\s]+)[)"]/g)) {
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
