import { eventually } from '../../support/eventually.js';
import type { World } from '../consumer/world.js';
import type { Slot } from '../consumer/fleet.js';
import { historySoFar, type StoryOptions, tell, type Told } from './tell.js';

const SLOW_KEY = 'slow';
const SLOW_EVENTS = 10;
const BETWEEN = 40;
/** Longer than the story: the handler of the first owner never ends. */
const HANG_MS = 60_000;
const LEASE_TTL_MS = 1_000;
const SLICE_EVERY_MS = 3;
const OTHERS = Array.from({ length: 8 }, (_, index) => `other-${index}`);
const CONSUMERS = { partitions: 1, leaseTtlMs: LEASE_TTL_MS, maxHandlerMs: 2 };

/** One aggregate hangs, and its events lie between many that are settled. */
async function leaveUnsettled({ parts }: World, first: Slot): Promise<void> {
  const { load, tap, journal } = parts;
  await first.spawn();
  load.request({ hangMs: HANG_MS });
  for (let event = 0; event < SLOW_EVENTS; event++) {
    load.publish(SLOW_KEY);
    for (let n = 0; n < BETWEEN; n++) load.publish(OTHERS[n % OTHERS.length]!);
  }
  await eventually('everything else to be settled', async () => {
    const position = await tap.positions.position(0);
    return position?.unsettled.length === SLOW_EVENTS && position.high >= SLOW_EVENTS * BETWEEN;
  });
  journal.write({ what: 'fault', kind: 'kill', on: true, slot: first.index });
  await first.kill();
}

/**
 * An owner dies while it is still getting back what its predecessor left unsettled:
 *
 * 1. A leaves ten unsettled events among hundreds that are settled.
 * 2. B claims the position. Its connection is slow: it settles the first of the ten, and writes that, before it has
 * seen
 *    the others.
 * 3. B dies. C continues with what B wrote.
 */
export function tellSlowReturn(options: StoryOptions): Promise<Told> {
  return tell({
    options,
    processes: 3,
    consumers: CONSUMERS,
    act: async (world) => {
      const { fleet, journal } = world.parts;
      const [first, second, third] = fleet.slots;
      if (first === undefined || second === undefined || third === undefined) return;
      await leaveUnsettled(world, first);
      second.proxy.throttle(SLICE_EVERY_MS);
      await second.spawn();
      const hasWritten = (): boolean =>
        historySoFar(world).positions.some(
          ({ epoch, write, outcome }) => epoch === 2 && write > 1 && outcome === 'stored',
        );
      await eventually('a position of the second owner', hasWritten);
      journal.write({ what: 'fault', kind: 'kill', on: true, slot: second.index });
      await second.kill();
      await third.spawn();
    },
    proof: (history) => {
      const seen = new Set(
        history.attempts.filter(({ epoch, key }) => epoch === 2 && key === SLOW_KEY).map(({ n }) => n),
      );
      if (seen.size === 0) return 'expected the second owner to handle an unsettled event, found none';
      return seen.size < SLOW_EVENTS
        ? undefined
        : 'expected the second owner to die before it had all of them';
    },
  });
}

const PADDING = 20;
const SKIPPED = 5;
const START_SEQUENCE = /"opt_start_seq":(\d+)/;

/**
 * A reader skips events that the claimed position lists as unsettled. The owner must get them from the stream before it
 * starts anything after them. Here the first reader of the second owner is made to begin five events further on.
 */
export function tellSkippingReader(options: StoryOptions): Promise<Told> {
  let hasSkipped = false;
  return tell({
    options,
    consumers: CONSUMERS,
    act: async (world) => {
      const { fleet, load, tap, journal } = world.parts;
      const [first, second] = fleet.slots;
      if (first === undefined || second === undefined) return;
      await first.spawn();
      // Sequences of two digits, so that the text of a later start is as long.
      for (let n = 0; n < PADDING; n++) load.publish(OTHERS[0]!);
      await load.stop();
      await eventually('the padding to be settled', () => tap.positions.isSettled());
      load.request({ hangMs: HANG_MS });
      for (let n = 0; n < SLOW_EVENTS; n++) load.publish(SLOW_KEY);
      // What is published side by side may be stored in any order.
      await load.stop();
      load.publish(OTHERS[1]!);
      await eventually(
        'the last one to be settled',
        async () => ((await tap.positions.position(0))?.high ?? 0) === PADDING + SLOW_EVENTS + 1,
      );
      journal.write({ what: 'fault', kind: 'kill', on: true, slot: first.index });
      await first.kill();
      second.proxy.rewriteClient((text) =>
        hasSkipped
          ? text
          : text.replace(START_SEQUENCE, (_, from: string) => {
              hasSkipped = true;
              return `"opt_start_seq":${Number(from) + SKIPPED}`;
            }),
      );
      await second.spawn();
    },
    proof: () => (hasSkipped ? undefined : 'expected a reader to be made at a sequence, found none'),
  });
}
