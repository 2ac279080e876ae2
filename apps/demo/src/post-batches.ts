import { postJson } from './http.js';
import type { OrderEvent } from './order-stories.js';

const BATCH = 100;
const POST_AGAIN_AFTER_MS = 100;
const POST_WITHIN_MS = 60_000;

/** Sends a batch until it is answered: the service tells a repeated event by its id. */
async function post(url: string, events: readonly OrderEvent[]): Promise<void> {
  const until = Date.now() + POST_WITHIN_MS;
  for (;;) {
    try {
      await postJson(url, events);
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, POST_AGAIN_AFTER_MS));
    }
  }
}

/** Sends the batches one after the other, so each order's events are committed in order, at a steady rate. */
export async function postBatches(
  url: string,
  events: readonly OrderEvent[],
  perSecond: number,
): Promise<number> {
  const startedAt = performance.now();
  let sent = 0;
  for (let from = 0; from < events.length; from += BATCH) {
    const batch = events.slice(from, from + BATCH);
    await post(url, batch);
    sent += batch.length;
    const aheadMs = (sent / perSecond) * 1_000 - (performance.now() - startedAt);
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
  }
  return sent;
}
