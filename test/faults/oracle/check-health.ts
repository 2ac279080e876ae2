import { type Finding, groupBy } from './finding.js';
import type { Attempt, History, Ms } from './history.js';

/** Another fault this close to a hang may itself have stopped the other keys. */
const ALONE_MS = 2_500;
const DELETION_NOTICED_MS = 20_000;

/** C9: after the faults all is settled, and no process ended by itself. */
export function checkQuiescence({ quiet, exits, logs, troubles }: History): Finding[] {
  const findings: Finding[] = [];
  if (!quiet)
    findings.push({ checker: 'C9', text: 'events are pending or unsettled though all faults have ended' });
  for (const { worker, at, how, expected } of exits) {
    const ready = logs.some((line) => line.worker === worker && line.text.includes('lease held'));
    const hampered = troubles.some(({ from, to }) => from <= at && to >= at - ALONE_MS);
    // A replica that starts while the server is away may give up; it is started again.
    if (!expected && (ready || !hampered))
      findings.push({ checker: 'C9', text: `${worker} ended by itself at ${at}: ${how}` });
    const orderly = how === 'code 0' || how === 'SIGTERM' || how === 'SIGKILL';
    if (expected && !orderly) findings.push({ checker: 'C9', text: `${worker} ended at ${at} with ${how}` });
  }
  return findings;
}

/** C10: the server holds no more unsettled events than configured, and no more handlers run at once, and no pull outlives a lease. */
export function checkBounds({ samples, attempts, longPulls, consumers }: History): Finding[] {
  const findings: Finding[] = [];
  const { maxAckPending, concurrency, partitions } = consumers;
  for (const { partition, ackPending } of samples) {
    if (ackPending > maxAckPending) {
      const text = `partition ${partition} has ${ackPending} unsettled events, at most ${maxAckPending} are allowed`;
      findings.push({ checker: 'C10', text });
    }
  }
  for (const { at, consumer, expiresMs } of longPulls) {
    const text = `a pull of ${consumer} at ${at} may stay open for ${expiresMs} ms, longer than a lease`;
    findings.push({ checker: 'C10', text });
  }
  const share = Math.ceil(concurrency / partitions);
  for (const [owner, ofOwner] of groupBy(
    attempts,
    ({ worker, partition }) => `${worker}, partition ${partition}`,
  )) {
    const most = mostAtOnce(ofOwner);
    if (most > share)
      findings.push({ checker: 'C10', text: `${owner} ran ${most} handlers at once, not ${share}` });
  }
  return findings;
}

function mostAtOnce(attempts: readonly Attempt[]): number {
  const steps = attempts.flatMap(({ start, end }) => [
    { at: start, by: 1 },
    { at: end, by: -1 },
  ]);
  steps.sort((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  return steps.reduce((most, { by }) => Math.max(most, (now += by)), 0);
}

/** C10: a takeover is not held up by the pulls of an owner that cannot take them back. */
export function checkTakeovers({ logs, troubles, consumers }: History): Finding[] {
  return logs.flatMap(({ worker, at, text }) => {
    const ms = Number(/: taken over \(lease\) in (\d+) ms/.exec(text)?.[1] ?? 0);
    if (ms <= 2 * consumers.leaseTtlMs) return [];
    const hampered = troubles.some(
      (trouble) =>
        (trouble.worker === undefined || trouble.worker === worker) &&
        trouble.from <= at &&
        trouble.to >= at - ms - ALONE_MS,
    );
    return hampered ? [] : [{ checker: 'C10', text: `${worker}: ${text}, at ${at}` } as const];
  });
}

/** C8: an owner keeps its consumer unless somebody deletes it: another one repeats what was settled. */
export function checkConsumers({ logs, troubles }: History): Finding[] {
  const deletions = troubles.filter(({ kind }) => kind === 'consumer-delete');
  return logs.flatMap(({ worker, at, text }) => {
    if (!text.includes('the lease is lost: its consumer is gone')) return [];
    // The owner may be cut off for a while, and so may be its successor, before anybody looks.
    if (deletions.some(({ from }) => from <= at && from >= at - DELETION_NOTICED_MS)) return [];
    return [{ checker: 'C8', text: `${worker}: ${text}, at ${at}, and nobody had deleted it` } as const];
  });
}

/** C6: while one key hangs and nothing else is broken, the other keys of its partition go on. */
export function checkIsolation({ attempts, troubles }: History): Finding[] {
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
    return [
      {
        checker: 'C6',
        text: `${key}: while ${hung.n} hung from ${hang.from} to ${hang.to}, no other key started`,
      },
    ];
  });
}

function isAround(start: Ms, end: Ms, { from, to }: { from: Ms; to: Ms }): boolean {
  return start <= from && end >= to;
}
