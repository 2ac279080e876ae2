import { groupBy } from '../oracle/finding.js';
import type { Finding } from './finding.js';
import type { EffectRow, History, OrderRow, StoredEvent } from './history.js';

const RUN_BITS = 48n;

/**
 * Judges a run by what the databases and the stream say. An order row's number is the place of its transaction among
 * those of its aggregate; an effect's number that of its commit. Pure.
 */
export function judge(history: History): Finding[] {
  const { orders, stored, effects } = history;
  const storedOf = groupBy(stored, ({ aggregate }) => aggregate);
  const effectsOf = groupBy(effects, ({ aggregate }) => aggregate);
  const aggregates = new Set([...orders, ...stored, ...effects].map(({ aggregate }) => aggregate));
  const ordersOf = groupBy(orders, ({ aggregate }) => aggregate);
  const findings: Finding[] = [];
  for (const aggregate of aggregates) {
    const inStream = storedOf.get(aggregate) ?? [];
    findings.push(
      ...checkStored(aggregate, ordersOf.get(aggregate) ?? [], inStream),
      ...checkApplied(aggregate, inStream, effectsOf.get(aggregate) ?? []),
      ...checkOwners(aggregate, effectsOf.get(aggregate) ?? []),
    );
  }
  return [...findings, ...checkRest(history)];
}

function checkStored(
  aggregate: string,
  orders: readonly OrderRow[],
  stored: readonly StoredEvent[],
): Finding[] {
  const findings: Finding[] = [];
  const expected = [...orders].sort((a, b) => a.n - b.n).flatMap(({ events }) => events);
  const inStream = [...stored].sort((a, b) => a.sequence - b.sequence);
  const known = new Map(expected.map((event, place) => [event, place]));
  const first = new Map<string, number>();
  let last = -1;
  for (const { event, sequence } of inStream) {
    const place = known.get(event);
    const earlier = first.get(event);
    if (place === undefined) {
      findings.push({
        checker: 'rolled-back',
        text: `${aggregate}: ${event} at ${sequence} is of no committed row`,
      });
    } else if (earlier !== undefined) {
      findings.push({
        checker: 'stored-once',
        text: `${aggregate}: ${event} is stored at ${earlier} and at ${sequence}`,
      });
    } else {
      first.set(event, sequence);
      if (place < last)
        findings.push({
          checker: 'stored-order',
          text: `${aggregate}: ${event} at ${sequence} stands after ${expected[last] ?? ''}, its successor`,
        });
      last = Math.max(last, place);
    }
  }
  for (const event of expected)
    if (!first.has(event))
      findings.push({ checker: 'stored-once', text: `${aggregate}: ${event} is not in the stream` });
  return findings;
}

/** In each run effects are a beginning of the stream, each once; in the last run they are all of it. */
function checkApplied(
  aggregate: string,
  stored: readonly StoredEvent[],
  effects: readonly EffectRow[],
): Finding[] {
  const findings: Finding[] = [];
  const inStream = [...stored].sort((a, b) => a.sequence - b.sequence).map(({ event }) => event);
  const done = effects.filter(({ outcome }) => outcome === 'done').sort((a, b) => a.n - b.n);
  const runs = groupBy(done, ({ position }) => String(position >> RUN_BITS));
  for (const [run, applied] of runs) {
    const seen = new Set<string>();
    let next = 0;
    for (const { event, n } of applied) {
      const where = `${aggregate}: run ${run}, commit ${n}`;
      if (seen.has(event)) {
        findings.push({ checker: 'applied-once', text: `${where} applies ${event} again` });
        continue;
      }
      seen.add(event);
      if (event === inStream[next]) next++;
      else {
        const found = inStream.indexOf(event);
        findings.push({
          checker: 'applied-order',
          text: `${where} applies ${event}, number ${found} of the stream, where number ${next} was due`,
        });
        if (found >= next) next = found + 1;
      }
    }
  }
  return findings;
}

function checkOwners(aggregate: string, effects: readonly EffectRow[]): Finding[] {
  let highest = -1;
  return [...effects]
    .sort((a, b) => a.n - b.n)
    .flatMap(({ token, n, event, outcome }): Finding[] => {
      const isOlder = token < highest;
      highest = Math.max(highest, token);
      if (!isOlder || outcome === 'repeat') return [];
      const text = `${aggregate}: commit ${n} of ${event} has token ${token}, after one with token ${highest}`;
      return [{ checker: 'one-owner', text }];
    });
}

/** How many events the last run of each aggregate has not applied. Pure. */
function unappliedIn({ stored, effects }: Pick<History, 'stored' | 'effects'>): number {
  const run = effects.reduce((last, { position }) => {
    const own = position >> RUN_BITS;
    return own > last ? own : last;
  }, 0n);
  const applied = new Set(
    effects
      .filter(({ position, outcome }) => outcome === 'done' && position >> RUN_BITS === run)
      .map(({ event }) => event),
  );
  return stored.filter(({ event }) => !applied.has(event)).length;
}

function checkRest(history: History): Finding[] {
  const { waiting, stopped, parked, deaths } = history;
  const counts: [number, string][] = [
    [waiting, 'rows wait in the outbox'],
    [stopped, 'aggregates of the outbox are stopped'],
    [parked, 'letters of parked aggregates are left'],
    [unappliedIn(history), 'events are not applied in the last run'],
  ];
  return [
    ...counts
      .filter(([count]) => count > 0)
      .map(([count, what]): Finding => ({ checker: 'left-over', text: `${count} ${what}` })),
    ...deaths.map((text): Finding => ({ checker: 'process', text })),
  ];
}

/** Nothing is left to wait for: what is still missing now is lost. Pure. */
export function isAtRest(history: History): boolean {
  const { orders, stored, waiting } = history;
  const events = orders.reduce((sum, order) => sum + order.events.length, 0);
  return waiting === 0 && stored.length >= events && unappliedIn(history) === 0;
}
