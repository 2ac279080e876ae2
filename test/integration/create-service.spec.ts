import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';

const folder = mkdtempSync(join(tmpdir(), 'created-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(cwd: string, ...args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

const CREATE = resolve('libs/create-aggregate-service/dist/main.js');

test('a created service compiles against the built library, and its test in memory passes', () => {
  const created = run(folder, CREATE, 'shop', '--topic', 'order-lines', '--yes', '--no-install');
  expect(created).toMatchObject({ status: 0, output: expect.stringContaining('npm run start:dev') });
  const service = join(folder, 'shop');
  // Stands for npm install: test/package does it from packed tarballs.
  symlinkSync(resolve('node_modules'), join(service, 'node_modules'), 'junction');
  expect(run(service, resolve('node_modules/typescript/lib/tsc.js'))).toEqual({ status: 0, output: '' });
  const tests = run(service, '--test', 'dist/test/order-lines.test.js');
  expect(tests.output).toMatch(/# pass 2\n# fail 0/);
}, 60_000);

test('a second service of the same name is refused, with a text and without a stack', () => {
  const { status, output } = run(folder, CREATE, 'shop', '--yes', '--no-install');
  expect(status).toBe(2);
  expect(output).toMatch(
    /^expected an empty folder, found \d+ entries in .*; choose another name, or empty it\n$/,
  );
});
