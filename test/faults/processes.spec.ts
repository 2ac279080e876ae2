import { spawn } from 'node:child_process';
import { expect, test } from '@jest/globals';

test('three processes keep every promise while they are killed, frozen and cut off', async () => {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = spawn(process.execPath, ['dist/test/faults/run.js', '--profile', 'short'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    const keep = (chunk: Buffer): void => {
      text += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('exit', (status) => resolve({ code: status, output: text }));
  });
  // The whole output is the message of a red run: it names the seed and where the journals are.
  if (code !== 0) throw new Error(output);
  expect(output).toMatch(/"orderViolations":0,"lost":0,"overlaps":0/);
}, 90_000);
