import { type Finding, groupBy } from './finding.js';
import type { History } from './history.js';

/** C3: whatever is stored is handled, whatever is handled was stored, and no outcome is missing. */
export function checkCompleteness({ attempts, effects, stored, publishes }: History): Finding[] {
  const findings: Finding[] = [];
  const done = new Set(attempts.filter(({ ok }) => ok === true).map(({ seq }) => seq));
  const effected = new Set(effects.filter(({ accepted }) => accepted).map(({ seq }) => seq));
  const known = new Set(stored.map(({ seq }) => seq));
  for (const { key, n, seq } of stored) {
    if (!done.has(seq))
      findings.push({ checker: 'C3', text: `${key}: ${n} (sequence ${seq}) was never handled` });
    else if (!effected.has(seq))
      findings.push({ checker: 'C3', text: `${key}: ${n} (sequence ${seq}) has no side effect` });
  }
  for (const { key, n, seq, worker } of attempts) {
    if (!known.has(seq)) {
      findings.push({
        checker: 'C3',
        text: `${key}: ${n} (sequence ${seq}) ran in ${worker} and is not stored`,
      });
    }
  }
  for (const { key, n, outcome } of publishes) {
    if (outcome === 'none')
      findings.push({ checker: 'C3', text: `${key}: the publish of ${n} has no outcome` });
  }
  return findings;
}

/** C4: per key the stream holds 1, 2, 3, … once each, exactly those whose publish resolved. */
export function checkPublishOrder({ stored, publishes }: History): Finding[] {
  const findings: Finding[] = [];
  const sequences = new Map<string, number>();
  for (const [key, events] of groupBy(stored, (event) => event.key)) {
    let last = 0;
    for (const { n, seq } of events) {
      sequences.set(`${key} ${n}`, seq);
      if (n !== last + 1)
        findings.push({ checker: 'C4', text: `${key}: ${n} (sequence ${seq}) is stored behind ${last}` });
      last = n;
    }
  }
  for (const { key, n, outcome, seq } of publishes) {
    const found = sequences.get(`${key} ${n}`);
    if (outcome === 'ok' && found !== seq) {
      findings.push({
        checker: 'C4',
        text: `${key}: ${n} was confirmed as sequence ${seq}, found ${found ?? 'nothing'}`,
      });
    }
    if (outcome === 'fail' && found !== undefined) {
      findings.push({
        checker: 'C4',
        text: `${key}: ${n} was reported as not stored, found sequence ${found}`,
      });
    }
  }
  return findings;
}
