import { once } from 'node:events';
import { describeError } from '../../../errors.js';
import type { ProcessMessage, ProcessSetup } from '../../../verifying/process-lines.js';
import { isUsageError } from '../../command/terminal.js';

/** Becomes a replica or a publisher of a run, as the parent says in its first message. Ends with its parent. */
export async function runProcess(): Promise<void> {
  // The terminal sends it to all; the parent decides.
  process.on('SIGINT', () => undefined);
  const [setup] = (await once(process, 'message')) as [ProcessSetup];
  process.once('disconnect', () => process.exit(1));
  try {
    if (setup.role === 'replica') await (await import('./replica.js')).runReplica(setup, tell);
    else await (await import('./publisher.js')).runPublisher(setup, tell);
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    const error_ = isUsageError(error) ? error.message : describeError(error);
    await told({ kind: 'failed', error: error_, isUsage: isUsageError(error) });
    process.exit(1);
  }
}

function tell(message: ProcessMessage): void {
  void told(message);
}

function told(message: ProcessMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
