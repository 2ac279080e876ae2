import { spawn } from 'node:child_process';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';

/** Runs a built script in a process of its own; resolves with how it ended and all that it printed. */
export function runScript(
  script: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    diesWithParent(child);
    let output = '';
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('exit', (code) => resolve({ code, output }));
  });
}
