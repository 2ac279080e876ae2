// The whole test suite, two files side by side. Those that kill servers or owners, or wait for times, follow in pairs
// of their own: they wait more than they work. Those with several busy processes each run alone. Some tests run once
// more over the other NATS client. Prints one sum.
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
const ALONE = [
  'test/faults/(long|replicas|repartition)/',
  'test/faults/parking/parked-races\\.spec',
  'test/faults/publisher/outbox\\.spec',
  'test/faults/stories/(failover|processes)\\.spec',
];
const IN_PAIRS = [
  'test/faults/',
  'test/integration/fuzz/',
  'test/integration/bad-input/servers\\.spec',
  'test/integration/nest-features/(long-outage|one-at-a-time)\\.spec',
  'test/integration/stream/(cluster|group-status|permissions|readers)\\.spec',
  'test/integration/(batching|connection-ends|edited-readers|full-positions|health-matrix|losses)\\.spec',
  'test/integration/(mixed-handlers|order-under-load|parking|poison-event|positions|quiet-log)\\.spec',
  'test/integration/(refused-publishes|retention-near|settings-watch)\\.spec',
];
const PARTS = [
  { args: ['--maxWorkers=2', '--testPathIgnorePatterns', '/node_modules/', ...IN_PAIRS, '--'] },
  { args: ['--maxWorkers=2', '--testPathIgnorePatterns', '/node_modules/', ...ALONE, '--', ...IN_PAIRS] },
  { args: ['--runInBand', ...ALONE] },
];
/** Every other part runs over the client `nats`. With AGGREGATE_CLIENT set, all parts run over that one. */
const OVER_THE_OTHER = [
  [
    '--maxWorkers=2',
    'test/contract/nats-server\\.spec',
    'test/integration/(expected-sequence|first-path|groups|history|parked-cli|parking|repartition|shapes|start-up)\\.spec',
    'test/integration/stream/(keys|permissions|publish-ways|readers)\\.spec',
  ],
  ['--runInBand', 'stories/order-survives-faults', '-t', 'on 2.15, order survives a connection cut'],
];
if (process.env['AGGREGATE_CLIENT'] === undefined)
  PARTS.push(...OVER_THE_OTHER.map((args) => ({ args, client: 'nats-io' })));

/** Resolves with how many tests passed and failed; a run that ends without a tally counts as a failed one. */
function run({ args, client }, tallyFile) {
  return new Promise((resolve) => {
    const env = { ...process.env, TEST_TALLY: tallyFile };
    if (client !== undefined) env['AGGREGATE_CLIENT'] = client;
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
for (const [index, part] of PARTS.entries()) {
  const { passed, failed } = await run(part, join(folder, String(index)));
  sum.passed += passed;
  sum.failed += failed;
}
rmSync(folder, { recursive: true, force: true });
console.log(`\n${sum.passed} passed, ${sum.failed} failed`);
process.exitCode = sum.failed === 0 ? 0 : 1;
