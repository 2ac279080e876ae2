import { type Finding, groupBy } from '../finding.js';
import type { History } from '../history.js';

/**
 * `publish-order`: per key the stream holds 1, 2, 3, … once each, and exactly those whose publish resolved; every
 * publish has an outcome.
 */
export function checkPublishOrder({ stored, publishes }: Pick<History, 'stored' | 'publishes'>): Finding[] {
  const findings: Finding[] = [];
  const found = (text: string): number => findings.push({ checker: 'publish-order', text });
  const sequences = new Map<string, number>();
  for (const [key, events] of groupBy(stored, (event) => event.key)) {
    let last = 0;
    for (const { n, seq } of events) {
      sequences.set(`${key} ${n}`, seq);
      if (n !== last + 1) found(`${key}: ${n} (sequence ${seq}) is stored after ${last}`);
      last = n;
    }
  }
  for (const { key, n, outcome, seq } of publishes) {
    const at = sequences.get(`${key} ${n}`);
    if (outcome === 'none') found(`${key}: the publish of ${n} has no outcome`);
    if (outcome === 'ok' && at !== seq)
      found(`${key}: ${n} was confirmed as sequence ${seq}, found ${at ?? 'nothing'}`);
    if (outcome === 'fail' && at !== undefined)
      found(`${key}: ${n} was reported as not stored, found sequence ${at}`);
  }
  return findings;
}
