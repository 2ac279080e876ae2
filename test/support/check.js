// Runs the checks of `npm run check` side by side and prints what each said; ends with 1 if one failed.
// Caches make the second run the fast one: tsc, eslint and prettier look only at what has changed.
import { spawn } from 'node:child_process';

const CHECKS = [
  ['format:check'],
  ['lint'],
  ['voice'],
  ['build'],
  ['jest', '--', 'test/unit', '--maxWorkers=2'],
];

function run(args) {
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', ...args], { shell: process.platform === 'win32' });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.once('exit', (code) => resolve({ name: args[0], code, output }));
  });
}

const startedAt = performance.now();
const results = await Promise.all(CHECKS.map(run));
for (const { name, code, output } of results) {
  if (code !== 0 || name === 'jest') console.log(`${name}:\n${output}`);
}
const failed = results.filter(({ code }) => code !== 0).map(({ name }) => name);
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
console.log(failed.length === 0 ? `all checks passed in ${seconds} s` : `failed: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
