import { runExample } from './example.js';
import { runFailures } from './failures.js';

async function main(): Promise<void> {
  const servers = process.env['NATS_URL'] ?? '';
  console.log(await runExample(servers));
  console.log(await runFailures(servers));
}

void main();
