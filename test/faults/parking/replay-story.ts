import { setTimeout as delay } from 'node:timers/promises';
import type { SabotagedRule } from '#library/sabotage.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { checkReplay } from './check-replay.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';
import { PARKING_GROUP } from './setup.js';
import { whenRead } from './when-read.js';

export interface ReplayStory {
  readonly server: ParkingWorldOptions['server'];
  readonly step: string;
  readonly fault: 'kill' | 'freeze';
  /** The process is stopped when it comes to the step for the n-th time. */
  readonly nth?: number;
  /** The aggregate is parked when its replay is asked for. */
  readonly isParked?: boolean;
  readonly sabotage?: SabotagedRule;
}

export interface ToldReplay {
  readonly findings: readonly string[];
  readonly stopped: boolean;
}

/** Every step of a replay at which a process may be stopped. */
export const REPLAY_STEPS = [
  'replay: taken up',
  'replay: run raised',
  'replay: begun',
  'replay: event handled',
  'replay: event noted',
];
export const REPLAY_STEP = /^replay: /;

const AGAIN = 'again';
const WELL = ['well-0', 'well-1'];
const CAUSE = 'stock';
const EVENTS = 12;
const TRICKLE_EVERY_MS = 40;
const STOPPED_WITHIN_MS = 60_000;
const THAWED_FOR_MS = 500;
let count = 0;

/**
 * The history of one aggregate is handled again while events of it and of others are published. Its owner is stopped at
 * one step, and another process continues. The command is asked once, and waits across the change of owner.
 */
export async function tellReplay(story: ReplayStory): Promise<ToldReplay> {
  const { server, step, fault, nth = 1, isParked = false, sabotage } = story;
  const topic = `replay-${fault}-${step.replaceAll(/\W+/g, '-')}-${++count}`;
  const world = await ParkingWorld.open({ server, topic, tapPositions: false });
  let isOver = false;
  try {
    const { crew } = world;
    crew.breakDown(CAUSE);
    const first = await crew.spawn({ stopAt: `${fault}:${step}#${nth}`, sabotage });
    await first.holds();
    const before = await load(world, isParked);
    const second = await crew.spawn({ sabotage });
    await second.ready();
    const trickled = trickle(world, () => isOver);
    const replayed = runCommand({
      args: [
        ...['group', 'reset', topic, PARKING_GROUP, '--to', 'start', '--aggregate', AGAIN],
        ...['--yes', '--wait', '40000', '--server', server.url],
      ],
    });
    const isStopped = (): boolean => first.isFrozen || !first.child.running;
    await eventually(`${first.name} to be stopped`, isStopped, STOPPED_WITHIN_MS).catch(() => undefined);
    const stopped = isStopped();
    crew.mend(CAUSE);
    await second.holds();
    if (fault === 'freeze') {
      await delay(THAWED_FOR_MS);
      first.child.signal('SIGCONT');
      await delay(THAWED_FOR_MS);
    }
    const { code, output } = await replayed;
    isOver = true;
    await trickled;
    await world.retryUntilLive(AGAIN);
    await world.publish(AGAIN);
    await world.whenAllHandled();
    const { stored, runs } = await world.history();
    const findings = checkReplay(stored, runs, { key: AGAIN, events: before });
    if (code !== 0) findings.push(`command: ${output}`);
    if (findings.length === 0) world.forget();
    return { findings, stopped };
  } finally {
    isOver = true;
    await world.close();
  }
}

/** Returns the events of the aggregate that are to come again. */
async function load(world: ParkingWorld, isParked: boolean): Promise<number[]> {
  const ill = isParked ? EVENTS - 3 : undefined;
  for (let n = 1; n <= EVENTS; n++) {
    await world.publish(AGAIN, n === ill ? { cause: CAUSE, trouble: 'fail' } : {});
    for (const key of WELL) await world.publish(key);
  }
  if (isParked)
    await eventually('its letters', async () => ((await world.parkedState(AGAIN))?.letters ?? 0) >= 4);
  const last = ill === undefined ? EVENTS : ill - 1;
  await whenRead('its events to be handled', () => world.handled().has(`${AGAIN} ${last}`));
  return Array.from({ length: EVENTS }, (_, index) => index + 1);
}

async function trickle(world: ParkingWorld, isOver: () => boolean): Promise<void> {
  for (let n = 0; !isOver() && n < 600; n++) {
    await world.publish(AGAIN);
    await world.publish(WELL[n % WELL.length] ?? '');
    await delay(TRICKLE_EVERY_MS);
  }
}
