import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import type { World } from '../consumer/world.js';
import { historySoFar, type StoryOptions, tell, type Told } from './tell.js';

const KEY = 'account';
const EVENTS = 60;
const LEASE_TTL_MS = 1_500;
/** The first owner writes its position often enough that one write is on its way when the network holds it. */
const FIRST = { commitEveryMs: 150, maxHandlerMs: 5, steadyHandlers: true };
/** The second one dies in its first repeat, and has written nothing but its claim. */
const SECOND = { commitEveryMs: 5, maxHandlerMs: 1_500, steadyHandlers: true };
const THIRD = { commitEveryMs: 5, maxHandlerMs: 2, steadyHandlers: true };
const HELD_FOR_MS = 600;
const ARRIVED_AFTER_MS = 150;

/**
 * A position that an owner sent is held by the network until its successor has begun to repeat:
 *
 * 1. A handles all events and writes its position. The network holds the last write, and A with it.
 * 2. B takes the partition and starts the first event that is not settled.
 * 3. The held write arrives.
 * 4. B dies. C continues.
 *
 * If the late write counted, C would begin after events that A had handled and B had begun to repeat: a skip forward.
 */
export function tellLateCommits(options: StoryOptions): Promise<Told> {
  return tell({
    options,
    processes: 3,
    consumers: { partitions: 1, leaseTtlMs: LEASE_TTL_MS },
    act,
    proof: ({ positions }, { evidence }) => {
      const late = positions.filter(({ epoch, outcome }) => epoch === 1 && outcome === 'refused');
      if (late.length === 0) return 'expected the late write to be refused, found no refused one';
      return evidence.replays > 0 ? undefined : 'expected repeats, found none';
    },
  });
}

async function act(world: World): Promise<void> {
  const { fleet, load, tap, journal } = world.parts;
  const [first, second, third] = fleet.slots;
  if (first === undefined || second === undefined || third === undefined) return;
  const startsOf = (worker: string): number =>
    historySoFar(world).attempts.filter((attempt) => attempt.worker === worker).length;
  await first.spawn({ setup: FIRST });
  for (let event = 0; event < EVENTS; event++) load.publish(KEY);
  await eventually('the first position', async () => ((await tap.positions.position(0))?.high ?? 0) > 0);
  journal.write({ what: 'fault', kind: 'blackhole-c2s', on: true, slot: first.index });
  first.proxy.blackhole('c2s');
  await delay(HELD_FOR_MS);
  journal.write({ what: 'fault', kind: 'freeze', on: true, slot: first.index });
  first.freeze();
  await second.spawn({ setup: SECOND });
  await eventually('the first repeat', () => startsOf(second.worker) > 0);
  first.proxy.heal();
  await delay(ARRIVED_AFTER_MS);
  journal.write({ what: 'fault', kind: 'kill', on: true, slot: second.index });
  await second.kill();
  await first.kill();
  await third.spawn({ setup: THIRD });
}
