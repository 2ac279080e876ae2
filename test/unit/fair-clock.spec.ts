import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import { fairClockForAll } from '../support/fair-clock.js';

const clock = fairClockForAll();

test('a fair clock is never faster than time, and waiting is time for it, too', async () => {
  const share = clock().shareFromNow();
  const [fair, real] = [clock().now(), performance.now()];
  await delay(500);
  const [fairMs, realMs] = [clock().now() - fair, performance.now() - real];
  expect(fairMs).toBeLessThanOrEqual(realMs);
  expect(fairMs).toBeGreaterThan(0);
  expect(share()).toBeGreaterThan(0);
  expect(share()).toBeLessThanOrEqual(1);
});

test('it goes slower while every processor has more to do than it can', async () => {
  const busy = Array.from(
    { length: 3 * availableParallelism() },
    () => new Worker('for (;;);', { eval: true }),
  );
  try {
    await Promise.all(busy.map((worker) => once(worker, 'online')));
    const share = clock().shareFromNow();
    await delay(1_000);
    expect(share()).toBeLessThan(0.9);
  } finally {
    await Promise.all(busy.map((worker) => worker.terminate()));
  }
});
