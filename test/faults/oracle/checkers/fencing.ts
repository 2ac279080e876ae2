import { type Finding, groupBy } from '../finding.js';
import type { Attempt, Effect, History } from '../history.js';

/**
 * `fencing`: a handler's write carries the token its run started with, so that the store can refuse a stale one. The
 * accepted effects of a key go back only with a newer epoch, and never ahead.
 */
export function checkFencing(history: Pick<History, 'attempts' | 'effects'>): Finding[] {
  return [...judgeTokens(history), ...judgeEffects(history.effects)];
}

function judgeTokens({ attempts, effects }: Pick<History, 'attempts' | 'effects'>): Finding[] {
  const runs = groupBy(attempts, identify);
  return effects.flatMap((effect) => {
    const { key, n, epoch, worker, at } = effect;
    const open = (runs.get(identify(effect)) ?? []).filter(({ start, end }) => start <= at && at <= end);
    const run = open[0];
    if (run === undefined || open.some((one) => one.epoch === epoch)) return [];
    const text = `${key}: the handler of ${n} (${worker}) started at ${run.start} with token ${run.epoch} and wrote with ${epoch}`;
    return [{ checker: 'fencing', text } as const];
  });
}

function identify({ worker, key, n, attempt }: Attempt | Effect): string {
  return `${worker} ${key} ${n} ${attempt}`;
}

function judgeEffects(effects: readonly Effect[]): Finding[] {
  const findings: Finding[] = [];
  // A store without a fence accepts stale writes too; the evidence counts those.
  const current = effects.filter(({ accepted, epoch, highest }) => accepted && epoch >= highest);
  for (const [key, ofKey] of groupBy(current, (effect) => effect.key)) {
    let before: Effect | undefined;
    for (const effect of ofKey) {
      const { n, epoch } = effect;
      const where = `${key}: effect ${n} of epoch ${epoch} (${effect.worker}, at ${effect.at})`;
      if (n > (before?.n ?? 0) + 1) {
        findings.push({ checker: 'fencing', text: `${where} after effect ${before?.n ?? 0}: a hole` });
      } else if (before !== undefined && n <= before.n && epoch <= before.epoch) {
        findings.push({ checker: 'fencing', text: `${where} after effect ${before.n} of the same epoch` });
      }
      before = effect;
    }
  }
  return findings;
}
