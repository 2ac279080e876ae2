import { expect, test } from '@jest/globals';
import { runFaultCommand } from '../harness/fault-command.js';

test('a publisher keeps every promise while it is killed and frozen, its server too, and everything between', async () => {
  const output = await runFaultCommand('--part', 'publisher', '--profile', 'short', '--replicas', '1');
  expect(output).toMatch(
    /"orderViolations":0,"holes":0,"copies":0,"unsettled":0,"lost":0,"unhandledRejections":0/,
  );
}, 120_000);
