import type { Finding } from '../finding.js';
import type { History } from '../history.js';

/** A replica that starts this close to a fault may give up; it is started again. */
const HAMPERED_MS = 2_500;

/** `at-rest`: after the faults every position calls every event settled, and no process ended by itself. */
export function checkRest({
  quiet,
  exits,
  attempts,
  troubles,
}: Pick<History, 'quiet' | 'exits' | 'attempts' | 'troubles'>): Finding[] {
  const findings: Finding[] = [];
  const found = (text: string): number => findings.push({ checker: 'at-rest', text });
  if (!quiet) found('events are unsettled though all faults have ended');
  for (const { worker, at, how, expected } of exits) {
    const hasWorked = attempts.some((attempt) => attempt.worker === worker);
    const hampered = troubles.some(({ from, to }) => from <= at && to >= at - HAMPERED_MS);
    if (!expected && (hasWorked || !hampered)) found(`${worker} ended by itself at ${at}: ${how}`);
    const orderly = how === 'code 0' || how === 'SIGTERM' || how === 'SIGKILL';
    if (expected && !orderly) found(`${worker} ended at ${at} with ${how}`);
  }
  return findings;
}
