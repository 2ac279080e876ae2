import { spawn } from 'node:child_process';
import { expect, test } from '@jest/globals';

test('a publisher keeps every promise while it is killed and frozen, its server too, and everything between', async () => {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve) => {
    const args = ['dist/test/faults/run.js', '--part', 'publisher', '--profile', 'short', '--replicas', '1'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
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
  expect(output).toMatch(
    /"orderViolations":0,"holes":0,"copies":0,"unsettled":0,"lost":0,"unhandledRejections":0/,
  );
}, 120_000);
