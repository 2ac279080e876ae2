import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';
import { parse as parseYaml } from 'yaml';
import { packageOf } from '#library/cli/add-on.js';
import { readCommandLine } from '#library/cli/command-line.js';
import { ACCESS_FLAGS } from '#library/cli/command/access-flags.js';
import type { Surroundings } from '#library/cli/command/command.js';
import { COMMANDS } from '#library/cli/commands.js';
import { checkUse, parse as parsePostgres } from '#postgres/cli/arguments.js';
import { faultsOf } from '../../support/compile-shown.js';
import { codeBlocks } from '../../support/pages.js';

/** A block that is a part of a file that is compiled. */
const REGION = /^(\S+)#(\w+)$/;
/** A block that is a whole file that is compiled. */
const FILE = /^\S+\.ts$/;
/** A block of another library's code, which is not installed here, with the reason. */
const FOREIGN = /^not compiled: .+/;

/** A command of the library, up to what a shell would do with its output. */
const COMMAND = /npx aggregate-transport ((?:'[^']*'|"[^"]*"|[^|&;>'"])*)/g;

const blocks = codeBlocks('ts');

test('blocks that name a file show what stands in it', () => {
  const shown = blocks.filter(({ comment }) => REGION.test(comment));
  expect(shown.length).toBeGreaterThan(10);
  for (const { page, line, code, comment } of shown) {
    const [, file = '', name = ''] = REGION.exec(comment)!;
    const region = new RegExp(`// #region ${name}\n([\\s\\S]*?)[ ]*// #endregion`).exec(
      readFileSync(file, 'utf8'),
    );
    expect([page, line, code]).toEqual([page, line, region?.[1]]);
  }
});

test('blocks that name a whole file show all of it', () => {
  for (const { page, line, code, comment } of blocks.filter((block) => FILE.test(block.comment)))
    expect([page, line, code]).toEqual([page, line, readFileSync(comment, 'utf8')]);
});

test('every other block of TypeScript compiles', () => {
  const others = blocks.filter(({ comment }) => ![REGION, FILE, FOREIGN].some((kind) => kind.test(comment)));
  expect(others.length).toBeGreaterThan(10);
  expect(faultsOf(others)).toEqual([]);
}, 120_000);

test('blocks that are not compiled parse', () => {
  const parsed = [...blocks.filter(({ comment }) => FOREIGN.test(comment)), ...codeBlocks('js')];
  const compilerOptions = { experimentalDecorators: true, module: ts.ModuleKind.ESNext };
  const faults = parsed.flatMap(({ page, line, code }) =>
    (ts.transpileModule(code, { reportDiagnostics: true, compilerOptions }).diagnostics ?? []).map(
      ({ messageText }) => `${page}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    ),
  );
  expect(faults).toEqual([]);
});

test('a block that does not compile is named with its page and line', () => {
  const block = { page: 'docs/wrong.md', language: 'ts', comment: '' };
  const wrong =
    "const id: number = 7;\nawait publisher.publish({ aggregateId: id, type: 'OrderPlaced', payload: { customer: '' } });\n";
  const faults = faultsOf([
    { ...block, line: 10, code: wrong },
    { ...block, line: 20, code: 'nameOfNothing();\n' },
    { ...block, line: 30, code: 'declared();\n', comment: 'given: declare function declared(): void;' },
  ]);
  expect(faults).toEqual([
    expect.stringMatching(/^docs\/wrong\.md:11: /),
    expect.stringMatching(/^docs\/wrong\.md:20: Cannot find name 'nameOfNothing'/),
  ]);
}, 120_000);

test.each([
  ['json', (code: string) => JSON.parse(code) as unknown],
  ['yaml', (code: string) => parseYaml(code) as unknown],
])('every block of %s can be read', (language, read) => {
  const faults = codeBlocks(language).flatMap(({ page, line, code }) => {
    try {
      read(code);
      return [];
    } catch (error) {
      return [`${page}:${line}: ${(error as Error).message}`];
    }
  });
  expect(faults).toEqual([]);
});

describe('commands', () => {
  const lines = codeBlocks('sh', 'bash').flatMap(({ page, line, code }) =>
    code
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((text, index) => ({ at: `${page}:${line + index}`, text: text.replace(/(^|\s)#.*$/, '').trim() })),
  );

  test('of the library are understood', () => {
    const asked = lines.flatMap(({ at, text }) =>
      [...text.matchAll(COMMAND)].map(([, words = '']) => ({ at, words })),
    );
    expect(asked.length).toBeGreaterThan(40);
    const faults = asked.flatMap(({ at, words }) => {
      try {
        understand(wordsOf(words));
        return [];
      } catch (error) {
        return [`${at}: ${words}: ${(error as Error).message}`];
      }
    });
    expect(faults).toEqual([]);
  });

  test('of npm name scripts that there are', () => {
    // A page about a service that was created names the scripts of that service.
    const scripts = Object.assign(
      {},
      ...['package.json', 'libs/create-aggregate-service/template/package.json'].map(
        (file) => (JSON.parse(readFileSync(file, 'utf8')) as { scripts: object }).scripts,
      ),
    ) as Record<string, string>;
    const named = lines.flatMap(({ at, text }) =>
      [...text.matchAll(/npm (?:run )?((?:test|[\w:-]+)(?=\s|$))/g)].map(([all, script = '']) => ({
        at,
        all,
        script,
      })),
    );
    const run = named.filter(({ all }) => /^npm (?:run |test)/.test(all));
    expect(run.length).toBeGreaterThan(5);
    expect(run.filter(({ script }) => scripts[script] === undefined)).toEqual([]);
  });
});

/** What a shell makes of a line without variables. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? '',
  );
}

function understand(words: readonly string[]): void {
  const other = packageOf(words[0]);
  if (other === 'nestjs-aggregate-transport-postgres') {
    const { values, positionals } = parsePostgres(words, ACCESS_FLAGS);
    checkUse(words[0] ?? '', positionals.slice(1), values, ACCESS_FLAGS);
  }
  if (other !== undefined) return;
  const { command, input } = readCommandLine(words, COMMANDS);
  // It understands values, too, and asks no server before it is carried out.
  command?.prepare(input, { terminal: {}, clock: {} } as unknown as Surroundings);
}
