import { expect, test } from '@jest/globals';
import { runFaultCommand } from '../harness/fault-command.js';

test('three processes keep every promise while they are killed, frozen and cut off', async () => {
  const output = await runFaultCommand('--profile', 'short');
  expect(output).toMatch(/"orderViolations":0,"lost":0,"overlaps":0/);
}, 90_000);
