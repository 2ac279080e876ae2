import { groupBy } from '../oracle/finding.js';
import type { Finding } from './finding.js';
import type { Call, History, Life, Result } from './history.js';

const RESULT_OF = { ok: 'stored', fail: 'failed', unknown: 'unknown' } as const;

/** What callers, `results$` and counters say of the same events. */
export function checkOutcomes({ calls, lives }: History): Finding[] {
  const byLife = groupBy(calls, ({ life }) => life);
  return lives.flatMap((life) => {
    const own = byLife.get(life.life) ?? [];
    return [
      ...checkProcess(life),
      ...own.flatMap((call) => checkCall(call, life)),
      ...(life.end === undefined ? [] : checkEnd(life, own, life.end)),
    ];
  });
}

function checkProcess({ life, crashes, ready, expected, how, end }: Life): Finding[] {
  const findings = crashes.map((text): Finding => ({ checker: 'process', text: `life ${life}: ${text}` }));
  // One that is started while the server cannot answer may end, and is started again.
  if (ready && !expected) findings.push({ checker: 'process', text: `life ${life} ended by itself: ${how}` });
  if (end !== undefined && how !== 'code 0')
    findings.push({ checker: 'process', text: `life ${life} was asked to end and ended with ${how}` });
  return findings;
}

function checkCall(call: Call, { life, end }: Life): Finding[] {
  const { key, n, outcome, settledTimes, results } = call;
  const where = `${key}: ${n} of life ${life}`;
  const findings: Finding[] = [];
  if (settledTimes > 1)
    findings.push({ checker: 'unsettled', text: `${where} got ${settledTimes} outcomes` });
  if (outcome === 'none' && end !== undefined)
    findings.push({ checker: 'unsettled', text: `${where} got no outcome` });
  // A process that was killed may have told one and not the other.
  const least = end === undefined || outcome === 'none' ? 0 : 1;
  if (results.length > 1 || results.length < least)
    findings.push({ checker: 'results', text: `${where} came ${results.length} times in results$` });
  for (const result of results) {
    if (outcome !== 'none' && !agrees(call, outcome, result)) {
      const text = `${where}: the call said ${outcome}, results$ said ${result.outcome}`;
      findings.push({ checker: 'results', text });
    }
  }
  return findings;
}

function agrees({ seq, code }: Call, outcome: keyof typeof RESULT_OF, result: Result): boolean {
  return result.outcome === RESULT_OF[outcome] && result.seq === seq && result.code === code;
}

function checkEnd({ life }: Life, calls: readonly Call[], end: Life['end'] & object): Finding[] {
  const findings: Finding[] = [];
  if (!end.flushed) findings.push({ checker: 'unsettled', text: `life ${life}: flush() did not resolve` });
  const stored = calls.filter(({ outcome }) => outcome === 'ok').length;
  const failed = calls.filter(({ outcome }) => outcome === 'fail' || outcome === 'unknown').length;
  const expected = { pending: calls.length - stored - failed, published: stored, failed };
  for (const name of ['pending', 'published', 'failed'] as const) {
    if (end[name] === expected[name]) continue;
    const text = `life ${life}: expected ${name} to be ${expected[name]}, found ${end[name]}`;
    findings.push({ checker: 'counters', text });
  }
  return findings;
}
