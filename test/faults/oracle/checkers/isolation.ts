import type { Finding } from '../finding.js';
import type { History, Ms } from '../history.js';

/** Another fault this close to a hang may itself have stopped the other keys. */
const ALONE_MS = 2_500;

/** `isolation`: while one key hangs and nothing else is broken, the other keys of its partition continue. */
export function checkIsolation({ attempts, troubles }: Pick<History, 'attempts' | 'troubles'>): Finding[] {
  const hangs = troubles.filter(({ kind }) => kind === 'hang');
  return hangs.flatMap((hang) => {
    const others = troubles.filter((trouble) => trouble !== hang && trouble.kind !== 'hang');
    const alone = others.every(({ from, to }) => to < hang.from - ALONE_MS || from > hang.to);
    const hung = attempts.find(
      ({ worker, start, end }) => worker === hang.worker && isAround(start, end, hang),
    );
    if (!alone || hung === undefined || hang.to === Number.POSITIVE_INFINITY) return [];
    const { partition, epoch, key } = hung;
    const going = attempts.filter(
      (one) =>
        one.partition === partition && one.epoch === epoch && one.start > hang.from && one.start < hang.to,
    );
    if (going.some((one) => one.key !== key)) return [];
    const text = `${key}: while ${hung.n} hung from ${hang.from} to ${hang.to}, no other key started`;
    return [{ checker: 'isolation', text } as const];
  });
}

function isAround(start: Ms, end: Ms, { from, to }: { from: Ms; to: Ms }): boolean {
  return start <= from && end >= to;
}
