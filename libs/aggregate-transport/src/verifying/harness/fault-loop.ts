import { setTimeout as scheduled } from 'node:timers/promises';

/** What the loop needs to know of a planned fault. */
interface PacedFault {
  /** How long the next one waits. */
  readonly pauseMs: number;
  /** The next one does not wait for this one's end. */
  readonly overlaps: boolean;
}

/** One planned fault after the other for so long; resolves when the last one has ended. */
export async function loopFaults<F extends PacedFault>(
  ms: number,
  plan: (tick: number) => F,
  begin: (fault: F) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const until = performance.now() + ms;
  for (let tick = 0; performance.now() < until; tick++) {
    const fault = plan(tick);
    const done = begin(fault);
    underWay.add(done);
    void done.finally(() => underWay.delete(done));
    if (!fault.overlaps) await done;
    await scheduled(fault.pauseMs);
  }
  await Promise.all(underWay);
}
