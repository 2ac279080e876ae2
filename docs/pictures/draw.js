// npm run pictures: draws the pictures of README and pages. With --run it runs the demo first and keeps its output in
// verdict.txt; without, it draws the output that is kept. With --to FOLDER they are drawn there.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { overtaking, overtakingStill } from './overtaking.js';
import { verdict } from './verdict.js';

const COMMAND = 'npm run demo -- --break';
const file = (name) => fileURLToPath(new URL(name, import.meta.url));

if (process.argv.includes('--run')) {
  const demo = fileURLToPath(new URL('../../dist/apps/demo/src/demo.js', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [demo, '--break'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`expected the demo to end with 0, found ${status}:\n${stdout}${stderr}`);
  writeFileSync(file('verdict.txt'), stdout);
}
const to = process.argv.indexOf('--to');
const folder = to < 0 ? file('.') : process.argv[to + 1];
writeFileSync(join(folder, 'overtaking.svg'), overtaking);
writeFileSync(join(folder, 'overtaking-still.svg'), overtakingStill);
writeFileSync(join(folder, 'verdict.svg'), verdict(COMMAND, readFileSync(file('verdict.txt'), 'utf8')));
