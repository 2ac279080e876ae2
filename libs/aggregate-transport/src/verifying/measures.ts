import { byStart, groupBy, type HandlerRun, type Ms, type RunHistory } from '../judging/run-history.js';

/** What a run took, in milliseconds. */
export interface Measures {
  /** From the kill of an owner to the first start under the next token, per failover that began with a kill. */
  readonly failoverMs: { readonly count: number; readonly median: number; readonly worst: number };
  /** The longest time in which a partition handled nothing, between its first and its last event. */
  readonly worstGapMs: number;
  /** Events handled for the first time, per second between the first start and the last end. */
  readonly eventsPerSecond: number;
}

/** Measures a history. Pure. */
export function measure({ runs, disturbances }: Pick<RunHistory, 'runs' | 'disturbances'>): Measures {
  const handled = runs.filter(({ outcome }) => outcome === 'handled');
  const killed = new Map(
    disturbances
      .filter(({ kind, process }) => kind === 'kill' && process !== undefined)
      .map(({ process, from }) => [process, from] as const),
  );
  const failovers = [...groupBy(byStart(runs), ({ partition }) => partition).values()].flatMap(
    (ofPartition) => failoversIn(ofPartition, killed),
  );
  return {
    failoverMs: { count: failovers.length, median: medianOf(failovers), worst: Math.max(0, ...failovers) },
    worstGapMs: worstGapOf(handled),
    eventsPerSecond: paceOf(handled),
  };
}

function failoversIn(runs: readonly HandlerRun[], killed: ReadonlyMap<string | undefined, Ms>): Ms[] {
  const found: Ms[] = [];
  let owner: HandlerRun | undefined;
  for (const run of runs) {
    if (owner !== undefined && run.token <= owner.token) continue;
    const at = killed.get(owner?.process);
    if (at !== undefined && run.start > at) found.push(run.start - at);
    owner = run;
  }
  return found;
}

function worstGapOf(handled: readonly HandlerRun[]): Ms {
  let worst = 0;
  for (const runs of groupBy(handled, ({ partition }) => partition).values()) {
    const ends = runs.map(({ end }) => end).sort((one, other) => one - other);
    for (const [index, end] of ends.entries()) worst = Math.max(worst, end - (ends[index - 1] ?? end));
  }
  return worst;
}

function paceOf(handled: readonly HandlerRun[]): number {
  const first = handled.reduce((least, { start }) => Math.min(least, start), Infinity);
  const last = handled.reduce((most, { end }) => Math.max(most, end), 0);
  const events = new Set(handled.map(({ sequence }) => sequence)).size;
  return last > first ? (events * 1_000) / (last - first) : 0;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
