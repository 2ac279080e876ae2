import { eventually } from '../../support/eventually.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';

const CAUSE = 'stock';
const ILL = 'ill';
const WELL = 'well';
/** Longer than the owner lives after its first position, which comes with the neighbour's event. */
const SELDOM_MS = 10_000;

/**
 * Letters wait for a retry whose aggregate's earlier events come again:
 *
 * 1. The owner handles 1 and 2 and parks 3 to 5. It writes no position that says so.
 * 2. The operator asks for a retry, and the owner dies before it answers.
 * 3. Its successor finds the letters and the command, and 1 and 2 come again. They must be settled before 3 starts.
 *
 * Resolves with the promises that were broken.
 */
export async function retryBeforeRepeats(
  server: ParkingWorldOptions['server'],
  topic: string,
): Promise<readonly string[]> {
  const world = await ParkingWorld.open({ server, topic, workers: { attempts: 1, handlerMs: 30 } });
  try {
    world.crew.breakDown(CAUSE);
    const first = await world.crew.spawn({ setup: { commitEveryMs: SELDOM_MS } });
    await first.holds();
    await world.publish(WELL);
    await eventually('the neighbour to be settled', () => world.tap.positionReader.isSettled());
    for (const n of [1, 2, 3, 4, 5]) await world.publish(ILL, n === 3 ? { cause: CAUSE } : {});
    await eventually('all letters', async () => (await world.parkedState(ILL))?.letters === 3);
    first.child.signal('SIGSTOP');
    world.crew.mend(CAUSE);
    // Not answered by a frozen owner; the command stays in the marker.
    const asked = world.operator.retry({ topic, aggregateId: ILL }, { waitMs: 500 }).catch(() => undefined);
    await asked;
    await first.kill();
    const second = await world.crew.spawn();
    await second.holds();
    await world.whenAllHandled();
    await world.comesBack(ILL, false);
    const findings = await world.judge();
    if (findings.length === 0) world.forget();
    return findings;
  } finally {
    await world.close();
  }
}
