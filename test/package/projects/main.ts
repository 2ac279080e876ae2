import { runAlike } from './alike-cases.js';
import { runExample } from './example.js';
import { runFailures } from './failures.js';
import { runWays } from './ways.js';

async function main(): Promise<void> {
  const servers = process.env['NATS_URL'] ?? '';
  console.log(await runExample(servers));
  console.log(await runFailures(servers));
  console.log(await runWays());
  console.log(await runAlike({ every: 4 }));
}

void main();
