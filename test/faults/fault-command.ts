import { spawn } from 'node:child_process';

/**
 * Runs `test:faults` with these arguments in a process of its own, and resolves with what it printed.
 * A red run rejects with the whole output: it names the seed and where the journals are.
 */
export async function runFaultCommand(...args: string[]): Promise<string> {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = spawn(process.execPath, ['dist/test/faults/run.js', ...args], {
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
  if (code !== 0) throw new Error(output);
  return output;
}
