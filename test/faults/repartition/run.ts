import { parseArgs } from 'node:util';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import type { LayoutRule } from '#library/sabotage.js';
import { between, randomFor } from '../harness/random.js';
import { tellAll } from '../harness/tell-all.js';
import { PER_PARTITION, STEPS } from './steps.js';
import { type Interruption, tellStory } from './story.js';

// Every step once per round as the last one of the command, and of a replica. Replicas are frozen there, too, and
// leases vanish there. Half of the stories split partitions, half merge them. --leases: only those in which leases
// vanish. Ends with 0 if nothing was found; with --sabotage if each rule was caught.

export const USAGE =
  'usage: npm run test:faults -- --part repartition [--rounds N] [--seed S] [--server 2.10|2.15] [--way split|merge] ' +
  '[--sabotage all] [--at-once N] [--leases]';

const SPLIT = { from: 4, to: 16 };
const MERGE = { from: 16, to: 4 };
const MAX_NTH = 4;
const TRIES = 3;

type Story = Omit<Interruption, 'server'>;

/** All stories of a round. */
function storiesOf(random: () => number, only?: string): Story[] {
  const stories: Story[] = [];
  for (const [name, way] of Object.entries({ split: SPLIT, merge: MERGE })) {
    if (only !== undefined && only !== name) continue;
    stories.push(way);
    for (const [step, roles] of Object.entries(STEPS)) {
      const nth = PER_PARTITION.test(step) ? between(random, 1, MAX_NTH) : 1;
      for (const by of roles) {
        stories.push({ ...way, by, step, nth, fault: 'kill' });
        if (by === 'replica') stories.push({ ...way, by, step, nth, fault: 'freeze' });
        stories.push({ ...way, by, step, nth, fault: 'kill', leasesLost: true });
      }
    }
  }
  return stories;
}

/**
 * Each rule, when it is switched off, must be noticed. That a mark is heeded shows only in a replica that knows of no
 * change and claims what was drained. The walks of layouts and the unit tests of a tenure tell of that.
 */
async function sabotageAll(server: NatsServer): Promise<boolean> {
  // Handlers that end between two looks are at rest whether that is looked at or not.
  const slow = { handlerMs: 1_900, burstEveryMs: 200 };
  const rules: [LayoutRule, Partial<Story>][] = [
    ['drained-while-running', slow],
    ['origin-ignored', {}],
  ];
  let isGood = true;
  for (const [sabotage, pace] of rules) {
    let found: readonly string[] = [];
    for (let n = 0; n < TRIES && found.length === 0; n++) {
      const way = n % 2 === 0 ? MERGE : SPLIT;
      const told = await tellStory({ ...way, ...pace, server, sabotage });
      // What was not handled in time says nothing of the rule.
      found = told.findings.filter((text) => !text.startsWith('lost:'));
    }
    console.log(`${sabotage}: ${found.length === 0 ? 'NOT CAUGHT' : `caught, ${found[0]!}`}`);
    isGood = isGood && found.length > 0;
  }
  return isGood;
}

/** Runs the part of the fault tests that is about changes of the number of partitions; true if all is well. */
export async function runRepartition(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      part: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      seed: { type: 'string' },
      server: { type: 'string', default: '2.15' },
      way: { type: 'string' },
      sabotage: { type: 'string' },
      'at-once': { type: 'string', default: '2' },
      leases: { type: 'boolean', default: false },
    },
  });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const server = await startNatsServer({ version: values.server, config: '' });
  try {
    console.log(`repartition, seed ${seed}, nats-server ${server.version}`);
    if (values.sabotage !== undefined) return await sabotageAll(server);
    let isGood = true;
    for (let round = 0; round < Number(values.rounds); round++) {
      const all = storiesOf(randomFor(seed + round), values.way);
      const stories = values.leases ? all.filter(({ leasesLost }) => leasesLost === true) : all;
      const isTold = await tellAll(stories, Number(values['at-once']), (story) =>
        tellStory({ ...story, server }),
      );
      isGood &&= isTold;
    }
    return isGood;
  } finally {
    await server.stop();
  }
}
