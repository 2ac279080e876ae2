import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';

interface Step {
  readonly run?: string;
}

interface Job {
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly (string | number)[]>> };
  readonly steps: readonly Step[];
}

const FOLDER = '.github/workflows';
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
const SPECS = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.spec.ts'))
  .map((path) => join('test', path));
const FAULTS = readdirSync('test/faults', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join('test/faults', path), 'utf8'))
  .join('\n');

const jobs = readdirSync(FOLDER).flatMap((file) => {
  const workflow = parse(readFileSync(join(FOLDER, file), 'utf8')) as { jobs: Record<string, Job> };
  return Object.entries(workflow.jobs).map(([name, job]) => ({ name: `${file} ${name}`, job }));
});

/** What a line asks for and the repository does not have. */
function missingFor(line: string): string[] {
  const [command = '', first = '', ...rest] = line.trim().split(/\s+/);
  if (command === '.ci/run') return isExecutable(command) ? [] : [command];
  if (command === 'node' && first.endsWith('.js')) return existsSync(first) ? [] : [first];
  if (command !== 'npm' || first !== 'run') return [];
  const [script = '', ...given] = rest.filter((word) => word !== '--');
  if (scripts[script] === undefined) return [`script ${script}`];
  if (script === 'jest') return given.filter((word) => word.startsWith('test/') && !hasSpecs(word));
  if (script === 'test:faults') return unknownOfFaults(given);
  if (script === 'bench') return given.filter((name) => !existsSync(`bench/suites/${name}.ts`));
  return [];
}

function isExecutable(file: string): boolean {
  accessSync(file, constants.X_OK);
  return true;
}

const hasSpecs = (pattern: string): boolean => SPECS.some((path) => new RegExp(pattern).test(path));

function unknownOfFaults(words: readonly string[]): string[] {
  return words.filter((word, index) => {
    if (word.startsWith('--')) return !new RegExp(`\\b${word.slice(2)}: \\{ type:`).test(FAULTS);
    if (words[index - 1] === '--part') return !existsSync(join('test/faults', word, 'run.ts'));
    return false;
  });
}

/** The lines of a job, once for each value of its matrix that they name. */
function linesOf({ steps, strategy }: Job): string[] {
  const lines = steps.flatMap(({ run = '' }) => run.split('\n').flatMap((line) => line.split('&&')));
  return lines.flatMap((line) => {
    const name = /\$\{\{ matrix\.(\w+) \}\}/.exec(line)?.[1];
    const plain = (value: string | number): string =>
      line.replaceAll(`\${{ matrix.${name} }}`, String(value)).replaceAll(/\$\{\{.*?\}\}/g, '');
    return name === undefined ? [plain('')] : (strategy?.matrix[name] ?? []).map(plain);
  });
}

test.each(jobs)('every command of $name is one that the repository has, and the job ends', ({ job }) => {
  const lines = linesOf(job);
  expect(lines.flatMap(missingFor)).toEqual([]);
  expect(job['timeout-minutes']).toBeGreaterThan(0);
  const used = [...JSON.stringify(job).matchAll(/\$\{\{[^}]*?matrix\.(\w+)/g)].map(([, name]) => name!);
  expect(used.filter((name) => job.strategy?.matrix[name] === undefined)).toEqual([]);
});

test('the check of commands turns red', () => {
  expect(missingFor('npm run no-such-script')).toEqual(['script no-such-script']);
  expect(missingFor('npm run jest -- test/no-such-spec')).toEqual(['test/no-such-spec']);
  expect(missingFor('npm run test:faults -- --no-such 3 --part nowhere')).toEqual(['--no-such', 'nowhere']);
  expect(missingFor('node no-such.js')).toEqual(['no-such.js']);
  expect(missingFor('npm run bench -- no-such-bench')).toEqual(['no-such-bench']);
});

test('every push is tried on each Node, server and client that are promised, and by the first command of the README', () => {
  const jobOf = (name: string): Job => jobs.find((one) => one.name === `ci.yml ${name}`)!.job;
  expect(jobOf('combinations').strategy!.matrix).toEqual({
    node: [20, 22, 24],
    server: ['2.10', '2.15'],
    client: ['nats', 'nats-io'],
  });
  expect(jobOf('test').strategy!.matrix).toEqual({ node: [20, 22, 24] });
  const first = /^(npm ci --omit.*?)\s+#/m.exec(readFileSync('README.md', 'utf8'))![1];
  expect(jobOf('demo').steps.map(({ run }) => run)).toContain(first);
});
