import { describeError } from '../../../errors.js';
import type { ProcessMessage } from '../../../verifying/process-lines.js';
import { isUsageError } from '../../command/terminal.js';
import { followOrders } from './orders.js';

/** Becomes a replica or a publisher of a run, as the parent says in its first message. Ends with its parent. */
export async function runProcess(): Promise<void> {
  // The terminal sends it to all; the parent decides.
  process.on('SIGINT', () => undefined);
  const orders = followOrders();
  const setup = await orders.setup;
  try {
    if (setup.role === 'replica') await (await import('./replica.js')).runReplica(setup, tell);
    else await (await import('./publisher.js')).runPublisher(setup, orders, tell);
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`);
    const why = isUsageError(error) ? error.message : describeError(error);
    await told({ kind: 'failed', error: why, isUsage: isUsageError(error) });
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
