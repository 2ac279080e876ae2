import type { Finding } from '../finding.js';
import type { History } from '../history.js';

/** `nothing-lost`: each stored event was handled to its end, and its effect was accepted. */
export function checkNothingLost({
  attempts,
  effects,
  stored,
}: Pick<History, 'attempts' | 'effects' | 'stored'>): Finding[] {
  const done = new Set(attempts.filter(({ ok }) => ok === true).map(({ seq }) => seq));
  const effected = new Set(effects.filter(({ accepted }) => accepted).map(({ seq }) => seq));
  return stored.flatMap(({ key, n, seq }) => {
    if (done.has(seq) && effected.has(seq)) return [];
    const lacks = done.has(seq) ? 'has no side effect' : 'was never handled';
    return [{ checker: 'nothing-lost', text: `${key}: ${n} (sequence ${seq}) ${lacks}` } as const];
  });
}
