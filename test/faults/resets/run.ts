import { parseArgs } from 'node:util';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { between, randomFor } from '../harness/random.js';
import { type LargeResult, resetLarge } from './large.js';
import { type Repair, type RepairInterruption, tellRepair } from './repair-story.js';
import { DELETE_STEPS, REPAIR_STEPS, RESET_STEPS } from './steps.js';
import { tellAll } from '../harness/tell-all.js';
import { type Deed, type Interruption, tellStory } from './story.js';

export const RESETS_USAGE =
  'usage: npm run test:faults -- --part resets [--rounds N] [--seed S] [--server 2.10|2.15] ' +
  '[--deed start|time|delete|repair] ' +
  '[--sabotage all] [--at-once N] [--large EVENTS]';

// Every step once per round as the last one of the command, or of a replica. And once as the one at which it is
// frozen. Ends with 0 if nothing was found; with --sabotage if each rule was caught.

const DEEDS: Readonly<Record<string, Deed>> = {
  start: 'reset to start',
  time: 'reset to time',
  delete: 'delete',
};
/** Steps that are taken once for each partition, or letter. */
const OFTEN = /drained|taken|marked|letter removed|marker written/;
const MAX_NTH = 3;

type Story = Omit<Interruption, 'server'>;

/** All stories of a round. */
export function storiesOf(random: () => number, only?: string): Story[] {
  const stories: Story[] = [];
  for (const [name, deed] of Object.entries(DEEDS)) {
    if (only !== undefined && only !== name) continue;
    stories.push({ deed });
    if (deed === 'delete') stories.push(DEAF_SLEEPER);
    for (const [step, roles] of Object.entries(deed === 'delete' ? DELETE_STEPS : RESET_STEPS)) {
      // From the start every letter comes again, so no marker stays.
      if (deed === 'reset to start' && step === 'adopt: marker written') continue;
      // A marker is written once for each parked aggregate, of which there are two.
      const most = step.startsWith('adopt') ? 2 : MAX_NTH;
      for (const by of roles)
        for (const fault of ['kill', 'freeze'] as const)
          stories.push({ deed, by, step, fault, nth: OFTEN.test(step) ? between(random, 1, most) : 1 });
    }
  }
  return stories;
}

/** Every step of a purge, an edit and a copy at which the command is stopped; and a replica before each of them. */
export function repairsOf(): Omit<RepairInterruption, 'server'>[] {
  const faults = ['kill', 'freeze'] as const;
  return Object.entries(REPAIR_STEPS).flatMap(([repair, steps]) =>
    faults.flatMap((fault) => [
      { repair: repair as Repair, by: 'replica' as const, fault },
      ...steps.map((step) => ({
        ...{ repair: repair as Repair, by: 'command' as const, fault, step },
        nth: step.startsWith('copy') ? 7 : 1,
      })),
    ]),
  );
}

/** Tombstones must hold even where a replica that slept never hears that its group is gone. */
export const DEAF_SLEEPER: Story = {
  deed: 'delete',
  by: 'replica',
  fault: 'freeze',
  sabotage: 'record-unread',
};

/** What brings each broken rule to light. */
export const SABOTAGED: Readonly<Record<string, Story>> = {
  'letters-outlive-reset': { deed: 'reset to start', sabotage: 'letters-outlive-reset' },
  'run-stands-still': {
    deed: 'reset to start',
    sabotage: 'run-stands-still',
    commandSabotage: 'run-stands-still',
  },
  'positions-purged': { ...DEAF_SLEEPER, commandSabotage: 'positions-purged' },
};

/** Each rule, when it is switched off, must be noticed. */
async function sabotageAll(server: NatsServer): Promise<boolean> {
  let isGood = true;
  for (const [rule, story] of Object.entries(SABOTAGED)) {
    const { findings } = await tellStory({ ...story, server });
    console.log(`${rule}: ${findings.length === 0 ? 'NOT CAUGHT' : `caught, ${findings[0]!}`}`);
    isGood = isGood && findings.length > 0;
  }
  return isGood;
}

const STANDSTILL_MS = 1_000;

/** Handlers take no time here, so the group stands still for no more than a second. */
function isLargeGood({ different, ...figures }: LargeResult): boolean {
  for (const text of different.slice(0, 10)) console.log(`  ${text}`);
  console.log(JSON.stringify({ ...figures, different: different.length }));
  return different.length === 0 && figures.standstillMs <= STANDSTILL_MS;
}

/** Runs the part of the fault tests that is about resets and deletions; true if all is well. */
export async function runResets(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      part: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      seed: { type: 'string' },
      server: { type: 'string', default: '2.15' },
      deed: { type: 'string' },
      sabotage: { type: 'string' },
      'at-once': { type: 'string', default: '2' },
      large: { type: 'string' },
    },
  });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const server = await startNatsServer({ version: values.server, config: '' });
  try {
    console.log(`resets, seed ${seed}, nats-server ${server.version}`);
    if (values.sabotage !== undefined) return await sabotageAll(server);
    if (values.large !== undefined) return isLargeGood(await resetLarge(server, Number(values.large)));
    let isGood = true;
    const atOnce = Number(values['at-once']);
    for (let round = 0; round < Number(values.rounds); round++) {
      const stories = storiesOf(randomFor(seed + round), values.deed);
      const repairs = values.deed === undefined || values.deed === 'repair' ? repairsOf() : [];
      isGood = (await tellAll(repairs, atOnce, (story) => tellRepair({ ...story, server }))) && isGood;
      const isTold = await tellAll(stories, atOnce, (story) => tellStory({ ...story, server }));
      isGood &&= isTold;
    }
    return isGood;
  } finally {
    await server.stop();
  }
}
