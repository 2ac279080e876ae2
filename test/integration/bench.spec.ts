import { expect, test } from '@jest/globals';
import { runScript } from '../support/run-script.js';

test('the benches still run, small: every contender does its work and loses nothing', async () => {
  const { code, output } = await runScript('dist/bench/run.js', ['--smoke']);
  expect(output).not.toContain('ERROR');
  expect(code).toBe(0);
  for (const suite of ['publish', 'consume', 'latency', 'event-loop', 'subject-depth', 'handler-stage'])
    expect(output).toContain(`## ${suite}:`);
}, 60_000);
