import { runScript } from '../../support/run-script.js';

/**
 * Runs `test:faults` with these arguments and resolves with what it printed. A red run rejects with the whole output:
 * it names the seed and where the journals are.
 */
export async function runFaultCommand(...args: string[]): Promise<string> {
  const { code, output } = await runScript('dist/test/faults/run.js', args);
  if (code !== 0) throw new Error(output);
  return output;
}
