// The whole test suite. Tests that measure no time run side by side. All others follow one after the other: they wait for
// times that a second one beside them would stretch. Prints one sum of both.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const JEST = [
  '--disable-warning=ExperimentalWarning',
  '--experimental-vm-modules',
  'node_modules/jest/bin/jest.js',
];
const SIDE_BY_SIDE = [
  'test/unit/',
  'test/integration/postgres/',
  'test/integration/(package|public-client|nats-server|demo|bench)\\.spec',
];
const PARTS = [
  ['--maxWorkers=2', ...SIDE_BY_SIDE],
  ['--runInBand', '--testPathIgnorePatterns', '/node_modules/', ...SIDE_BY_SIDE],
];

/** Resolves with how many tests passed and failed; a run that ends without a tally counts as a failed one. */
function run(args, tallyFile) {
  return new Promise((resolve) => {
    const env = { ...process.env, TEST_TALLY: tallyFile };
    const child = spawn(process.execPath, [...JEST, '--forceExit', ...args], { stdio: 'inherit', env });
    child.once('exit', (code) => {
      try {
        const { passed, failed } = JSON.parse(readFileSync(tallyFile, 'utf8'));
        resolve({ passed, failed: code === 0 ? failed : Math.max(1, failed) });
      } catch {
        resolve({ passed: 0, failed: 1 });
      }
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), 'tally-'));
const sum = { passed: 0, failed: 0 };
for (const [index, args] of PARTS.entries()) {
  const { passed, failed } = await run(args, join(folder, String(index)));
  sum.passed += passed;
  sum.failed += failed;
}
rmSync(folder, { recursive: true, force: true });
console.log(`\n${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 ? 0 : 1;
