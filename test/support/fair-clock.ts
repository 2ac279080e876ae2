import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll } from '@jest/globals';

/**
 * Units of work in one burst. A burst is longer than a turn of the scheduler, so it waits as others do. A unit is
 * shorter, so the quickest one shows what the processor can do, however busy the machine is.
 */
const UNITS = 12;
const PAUSE_MS = 120;
/** The clock never runs slower than this share of the time: it must not stop for a machine that hangs. */
const SLOWEST = 0.05;

const BURSTS = `
const { parentPort, workerData: { cell, units, pauseMs, slowest } } = require('node:worker_threads');
const withheld = new Float64Array(cell);
let quickest = Infinity;
let kept = 0;
function unit() {
  const startedAt = performance.now();
  for (let n = 0; n < 150_000; n++) kept = (kept * 31 + n) | 0;
  const tookMs = performance.now() - startedAt;
  quickest = Math.min(quickest, tookMs);
}
function burst() {
  for (let n = 0; n < units; n++) unit();
}
for (let n = 0; n < 10; n++) burst();
let endedAt = performance.now();
(function turn() {
  const dueAt = performance.now() + pauseMs;
  setTimeout(() => {
    const startedAt = performance.now();
    burst();
    const now = performance.now();
    // Later than due, and longer than the work takes: so much slower is everything else meanwhile.
    const tookMs = now - startedAt + Math.max(0, startedAt - dueAt - 1);
    const share = Math.max(slowest, Math.min(1, (units * quickest) / tookMs));
    withheld[0] += (1 - share) * (now - endedAt);
    endedAt = now;
    turn();
  }, pauseMs);
})();
parentPort.postMessage('ready');
`;

/**
 * A clock for promises about time. A thread does the same small work again and again. While that takes longer than its
 * quickest turn, this clock goes slower by as much. So a busy machine breaks no bound. A timer that is too long still
 * does: waiting costs no processor.
 */
export class FairClock {
  readonly #withheld: Float64Array;
  readonly #worker: Worker;

  private constructor(cell: SharedArrayBuffer, worker: Worker) {
    this.#withheld = new Float64Array(cell);
    this.#worker = worker;
  }

  static async start(): Promise<FairClock> {
    const cell = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
    const workerData = { cell, units: UNITS, pauseMs: PAUSE_MS, slowest: SLOWEST };
    const worker = new Worker(BURSTS, { eval: true, workerData });
    worker.unref();
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    return new FairClock(cell, worker);
  }

  /** Milliseconds since some moment, less those that the machine withheld. */
  readonly now = (): number => performance.now() - this.#withheld[0]!;

  /** For times that others took: tells which share of the time since now this clock has gone. */
  shareFromNow(): () => number {
    const [fair, real] = [this.now(), performance.now()];
    return () => (this.now() - fair) / (performance.now() - real);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** A fair clock for all tests of a file. Call at the top. */
export function fairClockForAll(): () => FairClock {
  let clock: FairClock | undefined;
  beforeAll(async () => {
    clock = await FairClock.start();
  });
  afterAll(async () => {
    await clock?.stop();
  });
  return () => {
    if (clock === undefined) throw new Error('expected the clock to be used within a test');
    return clock;
  };
}
