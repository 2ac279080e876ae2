// The whole test suite, in steps that follow each other. Most files work: three side by side on two processors. Those
// that kill servers or owners wait more than they work: four. Beside them some run once more over the other client.
// Those that are busy for long, and bound it, come last, one by one. Prints one sum.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

const folder = mkdtempSync(join(tmpdir(), 'tally-'));
let runs = 0;

/** Resolves with how many tests passed and failed; a run that ends without a tally counts as a failed one. */
function run({ args, client }) {
  return new Promise((resolve) => {
    const tally = join(folder, String(++runs));
    const env = { ...process.env, TEST_TALLY: tally };
    if (client !== undefined) env['AGGREGATE_CLIENT'] = client;
    const child = spawn(process.execPath, [...JEST, '--forceExit', ...args], { stdio: 'inherit', env });
    child.once('exit', (code) => {
      try {
        const { passed, failed } = JSON.parse(readFileSync(tally, 'utf8'));
        resolve({ passed, failed: code === 0 ? failed : Math.max(1, failed) });
      } catch {
        resolve({ passed: 0, failed: 1 });
      }
    });
  });
}

const sum = { passed: 0, failed: 0 };
const seconds = [];

async function runLine(parts) {
  for (const part of parts) {
    const startedAt = performance.now();
    const { passed, failed } = await run(part);
    sum.passed += passed;
    sum.failed += failed;
    seconds.push(`${part.name} ${Math.round((performance.now() - startedAt) / 1_000)}`);
  }
}

for (const lines of STEPS) await Promise.all(lines.map(runLine));
rmSync(folder, { recursive: true, force: true });
console.log(`\nseconds: ${seconds.join(', ')}`);
console.log(`${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 ? 0 : 1;
