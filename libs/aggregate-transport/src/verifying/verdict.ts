import { describeRun, type JudgedPromise, type OrderFinding } from '../judging/finding.js';
import { type HistoryVerdict, judgeHistory } from '../judging/judge-history.js';
import { firstEnds, type RunHistory } from '../judging/run-history.js';
import { measure, type Measures } from './measures.js';
import type { VerificationRun } from './verification.js';

/** A broken promise, with what happened around it. */
export interface ShownFinding extends OrderFinding {
  /** Runs of the aggregate around it, in the order of their starts, and what was broken meanwhile. */
  readonly around: readonly string[];
}

/**
 * What a run comes to. `green`: every promise held, and enough happened. `red`: a promise was broken. `unproven`: none
 * was, but too little happened to say so.
 */
export interface Verdict {
  readonly verdict: 'green' | 'red' | 'unproven';
  readonly topic: string;
  readonly seed: number;
  readonly settings: {
    readonly events: number;
    readonly aggregates: number;
    readonly seconds: number;
    readonly replicas: number;
    readonly partitions: number;
  };
  readonly events: {
    readonly published: number;
    readonly stored: number;
    readonly refused: number;
    readonly unknown: number;
    readonly handled: number;
  };
  /** Aggregates that have events. */
  readonly aggregates: number;
  /** By kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Kinds that this platform cannot do. */
  readonly skipped: readonly string[];
  /** Changes of a partition's owner. */
  readonly failovers: number;
  readonly failoverMs: Measures['failoverMs'];
  readonly repeats: number;
  readonly staleOverlaps: number;
  readonly refusedEffects: number;
  readonly failedAttempts: number;
  readonly parked: number;
  readonly replayed: number;
  readonly retriedTooEarly: number;
  readonly worstGapMs: number;
  readonly eventsPerSecond: number;
  /** What the user's own handlers have thrown, and how often. */
  readonly handlerErrors: readonly { readonly error: string; readonly count: number }[];
  /** How many findings there are, by promise. */
  readonly broken: Readonly<Partial<Record<JudgedPromise, number>>>;
  /** The first of each promise. */
  readonly findings: readonly ShownFinding[];
  /** Why it is not proven. */
  readonly lacks: readonly string[];
}

/** A failover leads to a new owner at each kill, freeze or stall that hits an owner. */
const LEAST_FAILOVERS = 2;
const SHOWN_PER_PROMISE = 5;
const SHOWN_ERRORS = 10;
const AROUND = 12;

/** Judges a run. Pure. */
export function verdictOf(run: VerificationRun): Verdict {
  const { settings, history, faults } = run;
  const judged = judgeHistory(history);
  const measures = measure(history);
  const lacks = lacksOf(run, judged);
  const isRed = judged.findings.length > 0;
  const { topic, seed, events, aggregates, seconds, replicas, partitions } = settings;
  const { parked, replayed, retriedTooEarly } = run;
  return {
    verdict: isRed ? 'red' : lacks.length > 0 ? 'unproven' : 'green',
    ...{ topic, seed, settings: { events, aggregates, seconds, replicas, partitions } },
    events: countsOf(history),
    aggregates: new Set(history.stored.map(({ aggregateId }) => aggregateId)).size,
    faults: Object.fromEntries(faults),
    skipped: run.skipped,
    failovers: judged.ownerChanges,
    failoverMs: rounded(measures.failoverMs),
    ...{
      repeats: judged.repeats,
      staleOverlaps: judged.staleOverlaps,
      refusedEffects: judged.refusedEffects,
    },
    ...{ failedAttempts: history.failedAttempts, parked, replayed, retriedTooEarly },
    worstGapMs: Math.round(measures.worstGapMs),
    eventsPerSecond: Math.round(measures.eventsPerSecond),
    handlerErrors: [...history.errors]
      .map(([error, count]) => ({ error, count }))
      .sort((one, other) => other.count - one.count)
      .slice(0, SHOWN_ERRORS),
    ...shownOf(judged, history),
    lacks,
  };
}

function countsOf({ published, stored, runs }: RunHistory): Verdict['events'] {
  const count = (outcome: string): number => published.filter((one) => one.outcome === outcome).length;
  return {
    published: published.length,
    stored: stored.length,
    refused: count('refused'),
    unknown: count('unknown'),
    handled: firstEnds(runs).size,
  };
}

function lacksOf({ faults, isPublished, history }: VerificationRun, judged: HistoryVerdict): string[] {
  return [
    ...(history.stored.length === 0 ? ['no event was stored'] : []),
    ...(isPublished ? [] : ['the publishers could not get rid of their events in time']),
    ...(faults.size === 0 ? ['there was no fault'] : []),
    ...(judged.ownerChanges < LEAST_FAILOVERS
      ? [
          `owners changed ${judged.ownerChanges} times, expected ${LEAST_FAILOVERS} at least; give it more seconds`,
        ]
      : []),
  ];
}

function shownOf({ findings }: HistoryVerdict, history: RunHistory): Pick<Verdict, 'broken' | 'findings'> {
  const broken: Partial<Record<JudgedPromise, number>> = {};
  const shown: ShownFinding[] = [];
  for (const finding of findings) {
    const count = (broken[finding.promise] ?? 0) + 1;
    broken[finding.promise] = count;
    if (count <= SHOWN_PER_PROMISE) shown.push({ ...finding, around: aroundOf(finding, history) });
  }
  return { broken, findings: shown };
}

/** What the aggregate's handlers did around the events of a finding. */
function aroundOf({ aggregateId, numbers }: OrderFinding, { runs, disturbances }: RunHistory): string[] {
  if (aggregateId === undefined) return [];
  const [least, most] = [Math.min(...numbers) - 1, Math.max(...numbers) + 1];
  const near = runs
    .filter((run) => run.aggregateId === aggregateId && run.number >= least && run.number <= most)
    .sort((one, other) => one.start - other.start)
    .slice(0, AROUND);
  const [from, to] = [near[0]?.start ?? 0, near.at(-1)?.start ?? 0];
  const faults = disturbances.filter((one) => one.from <= to && one.to >= from).slice(0, AROUND);
  return [
    ...near.map(describeRun),
    ...faults.map(
      ({ kind, process, ...one }) =>
        `${kind} of ${process ?? 'all'}, ${one.from.toFixed(1)} to ${one.to.toFixed(1)} ms`,
    ),
  ];
}

function rounded({ count, median, worst }: Measures['failoverMs']): Measures['failoverMs'] {
  return { count, median: Math.round(median), worst: Math.round(worst) };
}
