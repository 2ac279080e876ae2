import type { Measured, Sample, Section } from './section.js';
import type { Comparison } from './suite.js';

/** Where a run says how far it is. */
export interface RunProgress {
  step(text: string): void;
}

/**
 * Runs the contenders one after the other, round by round (A B C A B C …), so that a machine that is slow for a while
 * is slow for all of them. The first rounds warm up and do not count.
 */
export async function measure(
  comparison: Comparison,
  rounds: number,
  progress: RunProgress,
): Promise<Section> {
  const { contenders, maxRounds = rounds, warmUps = 1 } = comparison;
  const counted = comparison.rounds ?? Math.min(rounds, maxRounds);
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
  for (let round = -warmUps; round < counted; round++) {
    for (const contender of contenders) {
      const which = round < 0 ? 'warm-up' : `round ${round + 1} of ${counted}`;
      progress.step(`${comparison.title}: ${which}, ${contender.name}`);
      // With --expose-gc no contender pays for the young garbage of the one before it. A full collection would also throw
      // away the compiled code of classes without a living instance, and with it a third of the rate of a short run.
      globalThis.gc?.({ type: 'minor' });
      const sample = await contender.run(round);
      if (round >= 0) samples.get(contender.name)?.push(sample);
    }
  }
  const measured: Measured[] = contenders.map(({ name }) => ({ name, samples: samples.get(name) ?? [] }));
  const { id, title, metrics, baseline, notes = [] } = comparison;
  const section: Section = { id, title, metrics, baseline, contenders: measured, notes: [] };
  return { ...section, notes: typeof notes === 'function' ? notes(section) : notes };
}
