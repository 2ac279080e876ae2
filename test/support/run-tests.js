// The whole test suite, in steps that follow each other. Most files work: three side by side on two processors. Those
// that kill servers or owners wait more than they work: four. Beside them some run once more over the other client.
// Those that are busy for long, and bound it, come last, one by one. Prints one sum.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const JEST = [
  '--disable-warning=ExperimentalWarning',
  '--experimental-vm-modules',
  'node_modules/jest/bin/jest.js',
];
/** Busy processes of their own, and bounds on how long they take. */
const BUSY = [
  'test/faults/(long|replicas|repartition)/',
  'test/faults/parking/parked-races\\.spec',
  'test/faults/publisher/outbox\\.spec',
  'test/faults/stories/(failover|processes)\\.spec',
];
const WAITING = [
  'test/faults/',
  'test/integration/fuzz/',
  'test/integration/(access/ways-in|bad-input/servers)\\.spec',
  'test/integration/nest-features/(long-outage|one-at-a-time)\\.spec',
  'test/integration/stream/(cluster|group-status|permissions|readers)\\.spec',
  'test/integration/(batching|connection-ends|edited-readers|full-positions|health-matrix|losses)\\.spec',
  'test/integration/(mixed-handlers|order-under-load|parking|poison-event|positions|quiet-log)\\.spec',
  'test/integration/(refused-publishes|retention-near|settings-watch)\\.spec',
];
const ignored = (paths) => ['--testPathIgnorePatterns', '/node_modules/', ...paths, '--'];
/** Every other part runs over the client `nats`. With AGGREGATE_CLIENT set, all parts run over that one. */
const OTHER_CLIENT = [
  {
    name: 'other client',
    client: 'nats-io',
    args: [
      '--maxWorkers=1',
      'test/contract/nats-server\\.spec',
      'test/integration/(expected-sequence|first-path|groups|parking|start-up)\\.spec',
      'test/integration/stream/(keys|permissions|publish-ways|readers)\\.spec',
    ],
  },
  {
    name: 'other client, cut',
    client: 'nats-io',
    args: ['--runInBand', 'stories/order-survives-faults', '-t', 'on 2.15, order survives a connection cut'],
  },
];
/** Parts, each a run of Jest. Those of a line follow each other; the lines of a step run beside each other. */
const STEPS = [
  [[{ name: 'working', args: ['--maxWorkers=3', ...ignored(WAITING)] }]],
  [
    [{ name: 'waiting', args: ['--maxWorkers=4', ...ignored(BUSY), ...WAITING] }],
    process.env['AGGREGATE_CLIENT'] === undefined ? OTHER_CLIENT : [],
  ],
  [[{ name: 'busy', args: ['--runInBand', ...BUSY] }]],
];

/** What a random test finds another seed may not find: it stays red, also if it is green alone. */
const isRandom = (path) => path.startsWith('test/faults/') || /seed/i.test(readFileSync(path, 'utf8'));
/** More than these are no accident of a busy machine. */
const MOST_AGAIN = 4;

const folder = mkdtempSync(join(tmpdir(), 'tally-'));
let runs = 0;

/** Resolves with the results of each file. A run that ends without a tally, or badly without a reason, has failed. */
function run({ args, client }) {
  return new Promise((resolve) => {
    const tally = join(folder, String(++runs));
    const env = { ...process.env, TEST_TALLY: tally };
    if (client !== undefined) env['AGGREGATE_CLIENT'] = client;
    const child = spawn(process.execPath, [...JEST, '--forceExit', ...args], { stdio: 'inherit', env });
    child.once('exit', (code) => {
      let files = [];
      try {
        files = JSON.parse(readFileSync(tally, 'utf8'));
      } catch {
        // Counted below.
      }
      const isExplained = code === 0 ? files.length > 0 : files.some(({ failed }) => failed > 0);
      if (!isExplained) files.push({ path: '', project: '', passed: 0, failed: 1 });
      resolve(files.map((file) => ({ ...file, path: relative('.', file.path), client })));
    });
  });
}

/** A red file that draws nothing at random runs once more with nothing beside it; that is what counts. */
async function runAgain(file) {
  const { path, project, client } = file;
  const again = await run({ args: ['--runInBand', '--runTestsByPath', path], client });
  return again.find((one) => one.path === path && one.project === project) ?? file;
}

const files = [];
const seconds = [];

async function runLine(parts) {
  for (const part of parts) {
    const startedAt = performance.now();
    files.push(...(await run(part)));
    seconds.push(`${part.name} ${Math.round((performance.now() - startedAt) / 1_000)}`);
  }
}

for (const lines of STEPS) await Promise.all(lines.map(runLine));
const red = files.filter(({ failed }) => failed > 0);
const passedAlone = [];
for (const file of red.length > MOST_AGAIN ? [] : red) {
  if (file.path === '' || isRandom(file.path)) continue;
  const again = await runAgain(file);
  if (again.failed === 0) passedAlone.push(file.path);
  Object.assign(file, again);
}
rmSync(folder, { recursive: true, force: true });

console.log(`\nseconds: ${seconds.join(', ')}`);
if (passedAlone.length > 0)
  console.log(`RED BESIDE OTHERS, green alone (see above why): ${passedAlone.join(', ')}`);
const sumOf = (which) => files.reduce((sum, file) => sum + file[which], 0);
console.log(`${sumOf('passed')} passed, ${sumOf('failed')} failed`);
process.exitCode = sumOf('failed') === 0 ? 0 : 1;
