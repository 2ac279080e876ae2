import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { SabotagedRule } from '#library/sabotage.js';
import { drawSeed } from '../../support/seeded.js';

let sabotaged: SabotagedRule | undefined;

jest.unstable_mockModule('#sabotage', () => ({
  isSabotaged: (rule: SabotagedRule) => rule === sabotaged,
  reached: () => undefined,
}));
const { Walk } = await import('./walk.js');

afterEach(() => {
  sabotaged = undefined;
});

const STEPS = 500;
/** For the long profile: `WALKS=5000 npm run jest -- test/unit/parking/replay-walks`. */
const WALKS = Number(process.env['WALKS'] ?? 120);
/** One walk again, with all that happened: `WALK_SEED=7`. */
const ONLY = process.env['WALK_SEED'];
const MAX_SEED = 1_000_000_000;

function walkOf(seed: number): Promise<InstanceType<typeof Walk>> {
  return new Walk(seed, { steps: STEPS, replays: true, log: ONLY !== undefined }).run();
}

describe('random walks with replays of single aggregates', () => {
  test('bring every event again, in order, and let no other effect happen twice or be refused', async () => {
    if (ONLY !== undefined) {
      const { log, red } = await walkOf(Number(ONLY));
      console.log(log.join('\n'));
      expect(red).toEqual([]);
      return;
    }
    const other = drawSeed('walks of replays, the other half', 'WALK_OTHER_SEED') % MAX_SEED;
    const seeds = Array.from({ length: WALKS }, (_, n) => (n % 2 === 0 ? n / 2 + 1 : other + n));
    const seen = { again: 0, refused: 0, completed: 0 };
    const reds: string[] = [];
    for (const seed of seeds) {
      const { witness, red } = await walkOf(seed);
      for (const key of ['again', 'refused', 'completed'] as const) seen[key] += witness[key];
      if (red.length > 0) reds.push(`WALK_SEED=${seed}: ${red[0]}`);
    }
    expect(reds).toEqual([]);
    for (const [what, count] of Object.entries(seen)) expect([what, count > WALKS / 8]).toEqual([what, true]);
  }, 3_600_000);

  test.each<[SabotagedRule, RegExp, number]>([
    ['run-not-raised', /^(REPLAY|REFUSED|DOUBLE|ORDER)/, 50],
    ['run-grows-beside-starts', /^(REPLAY|REFUSED|DOUBLE|ORDER|EFFECT)/, 2_000],
    ['replay-not-detoured', /./, 400],
    ['replay-falls-early', /^(ORDER|OVERTAKE|DOUBLE|REFUSED|SKIP)/, 1_000],
  ])(
    'turn red when %s is switched off',
    async (rule, red, walks) => {
      sabotaged = rule;
      let found: string | undefined;
      for (let seed = 1; seed <= walks && found === undefined; seed++) found = (await walkOf(seed)).red[0];
      expect(found).toMatch(red);
    },
    600_000,
  );
});
