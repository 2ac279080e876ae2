import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { SabotagedRule } from '#library/sabotage.js';
import { drawSeed } from '../../support/seeded.js';

let sabotaged: SabotagedRule | undefined;

jest.unstable_mockModule('#sabotage', () => ({
  isSabotaged: (rule: SabotagedRule) => rule === sabotaged,
  reached: () => undefined,
}));
const { noEvidence, Walk } = await import('./walk.js');

afterEach(() => {
  sabotaged = undefined;
});

const STEPS = 500;
/** For the long profile: `WALKS=5000 npm run jest -- test/unit/parking/walks`. */
const WALKS = Number(process.env['WALKS'] ?? 200);
/** One walk again, with all that happened: `WALK_SEED=7`. */
const ONLY = process.env['WALK_SEED'];
const MAX_SEED = 1_000_000_000;

async function walkOf(seed: number): Promise<InstanceType<typeof Walk>> {
  return new Walk(seed, { steps: STEPS, log: ONLY !== undefined }).run();
}

/** The first seed at which a walk is red; undefined if none of them is. */
async function findRed(walks: number): Promise<string | undefined> {
  for (let seed = 1; seed <= walks; seed++) {
    const { red } = await walkOf(seed);
    if (red.length > 0) return red[0];
  }
  return undefined;
}

describe('random walks of owners that die, sleep and write late', () => {
  test('lose no event, start every aggregate in order, and leave no marker', async () => {
    if (ONLY !== undefined) {
      const { log, red } = await walkOf(Number(ONLY));
      console.log(log.join('\n'));
      expect(red).toEqual([]);
      return;
    }
    // Half of the seeds are the same each time, so that what they show is known.
    const other = drawSeed('walks of parking, the other half', 'WALK_OTHER_SEED') % MAX_SEED;
    const seeds = Array.from({ length: WALKS }, (_, n) => (n % 2 === 0 ? n / 2 + 1 : other + n));
    const seen = noEvidence();
    const reds: string[] = [];
    for (const seed of seeds) {
      const { evidence, red } = await walkOf(seed);
      for (const key of Object.keys(seen) as (keyof typeof seen)[]) seen[key] += evidence[key];
      if (red.length > 0) reds.push(`WALK_SEED=${seed}: ${red[0]}`);
    }
    expect(reds).toEqual([]);
    // Walks that never park, divert or die would prove nothing.
    const { crashed, ...often } = seen;
    for (const [what, count] of Object.entries(often))
      expect([what, count > WALKS / 20]).toEqual([what, true]);
    expect(crashed + WALKS).toBeGreaterThan(WALKS / 2);
  }, 3_600_000);

  test.each<[SabotagedRule, RegExp, number]>([
    ['letters-not-waited-for', /^(ORDER|OVERTAKE|TWICE|SKIP)/, 200],
    ['letter-waits-for-itself-only', /^(ORDER|OVERTAKE|TWICE|SKIP)/, 600],
    ['settle-before-letter', /^(LOST|OVERTAKE|SKIP)/, 100],
    ['markers-not-loaded', /^(LOST|OVERTAKE|SKIP)/, 100],
    ['unpark-without-check', /^(LOST|OVERTAKE|SKIP)/, 100],
    ['lanes-forgotten', /^TOGETHER/, 400],
    ['no-deadline', /^OWNER/, 200],
    ['token-stands-still', /./, 100],
  ])(
    'turn red when %s is switched off',
    async (rule, red, walks) => {
      sabotaged = rule;
      expect(await findRed(walks)).toMatch(red);
    },
    600_000,
  );
});
