import type { Finding } from '../finding.js';
import type { History } from '../history.js';

/** `unknown-event`: each event that reached a handler is stored, under the sequence and number the handler saw. */
export function checkUnknownEvents({ attempts, stored }: Pick<History, 'attempts' | 'stored'>): Finding[] {
  const known = new Set(stored.map(({ key, n, seq }) => `${seq} ${key} ${n}`));
  return attempts.flatMap(({ key, n, seq, worker }) =>
    known.has(`${seq} ${key} ${n}`)
      ? []
      : [
          {
            checker: 'unknown-event',
            text: `${key}: ${n} (sequence ${seq}) ran in ${worker} and is not stored`,
          },
        ],
  );
}
