import { setTimeout as scheduled } from 'node:timers/promises';
import type { Disturbance } from '../judging/run-history.js';
import { STILL_MS } from './fault-kinds.js';
import { nowMs } from './harness/journal.js';

const BEAT_EVERY_MS = 200;

/** Notes when the server itself, or this machine, is too slow for the leases of a run: that is no fault of ours. */
export class Pulse {
  readonly disturbances: Disturbance[] = [];
  #isOver = false;

  constructor(private readonly ping: () => Promise<void>) {}

  async run(): Promise<void> {
    while (!this.#isOver) {
      const from = nowMs();
      await this.ping().catch(() => undefined);
      await scheduled(BEAT_EVERY_MS);
      const to = nowMs();
      if (to - from - BEAT_EVERY_MS > STILL_MS)
        this.disturbances.push({ kind: 'slow-server', process: undefined, from, to });
    }
  }

  end(): void {
    this.#isOver = true;
  }
}
