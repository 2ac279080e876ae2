import { getJson } from './http.js';
import type { Progress } from './progress.js';

const LOOK_EVERY_MS = 100;
/** Longer than any backoff the run can cause: a stalled run ends with a verdict, not never. */
const PATIENCE_MS = 60_000;

/** Waits until billing has handled `total` events, or nothing moves any more. Resolves with how many it has. */
export async function whenHandled(billingUrl: string, total: number, progress: Progress): Promise<number> {
  let handled = 0;
  let movedAt = Date.now();
  while (handled < total && Date.now() - movedAt < PATIENCE_MS) {
    const now = ((await getJson(`${billingUrl}/witness/handled`)) as { handled: number }).handled;
    if (now !== handled) movedAt = Date.now();
    handled = now;
    progress.update(handled);
    if (handled < total) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return handled;
}
