import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';

const READ_EVERY_MS = 150;

/**
 * Polls for what must be read from all journals. That costs more than a look at a variable, and workers' proxies live
 * in this process. Without a pause between two looks they come to a halt, and leases run out.
 */
export function whenRead(what: string, condition: () => boolean, withinMs?: number): Promise<void> {
  return eventually(
    what,
    async () => {
      await delay(READ_EVERY_MS);
      return condition();
    },
    withinMs,
  );
}
