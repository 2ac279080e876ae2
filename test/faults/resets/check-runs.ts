import { groupBy } from '../oracle/finding.js';
import type { StoredEvent } from '../oracle/stored.js';
import type { HandlerRun } from '../parking/parking-history.js';

/** A run of a group: it handles what is stored above a sequence. */
export interface GroupRun {
  readonly run: number;
  /** The last sequence that it does not handle. */
  readonly after: number;
  /** Up to here its events are called a replay, as the group's record says; 0 for none. */
  readonly replayUntil: number;
}

export interface RunsHistory {
  /** The topic's stream. */
  readonly stored: readonly StoredEvent[];
  /** Sorted by start. */
  readonly handled: readonly HandlerRun[];
  /** In order; the last one must be complete. */
  readonly runs: readonly GroupRun[];
  /** Deleted in between: what its letters held is not handled any more. */
  readonly isDeleted: boolean;
}

/**
 * The promises about a group that begins again, judged from what its handlers wrote. Pure. Each finding begins with the
 * promise that is broken:
 *
 * - `order`: in each run an event starts only when every earlier one of its aggregate above the run's beginning was
 *   handled in it. Repeats are contiguous;
 * - `lost`: the last run has handled every event above its beginning, and what lies below was handled in some run;
 * - `run`: no handler starts in a run that there is none of;
 * - `fencing`: the tokens of an aggregate grow from run to run;
 * - `replay`: an event is called a replay exactly up to where the group had been before;
 * - `guard`: a projection that is guarded by the position of each event ends with each aggregate's last event, in the
 *   run that handled it.
 */
export function checkRuns(history: RunsHistory): string[] {
  const known = new Set(history.runs.map(({ run }) => run));
  const strays = history.handled.filter(({ run }) => !known.has(run));
  const findings = strays.map(
    ({ key, n, run }) => `run: ${key} ${n} was handled in run ${run}, which there is none of`,
  );
  const begunAt = new Map<number, number>();
  for (const { run, start } of history.handled) if (!begunAt.has(run)) begunAt.set(run, start);
  const storedOf = groupBy(history.stored, ({ key }) => key);
  const handledOf = groupBy(history.handled, ({ key }) => key);
  for (const [key, stored] of storedOf) {
    const handled = handledOf.get(key) ?? [];
    for (const one of history.runs) findings.push(...checkOrder(one, stored, handled));
    findings.push(
      ...checkLost(history, stored, handled),
      ...checkFencing(handled, begunAt),
      ...checkReplay(history, handled),
    );
    findings.push(...checkGuard(history, stored, handled));
  }
  return findings;
}

/** Each start is the event after the last one that was handled in the run, or a repeat of one since. */
function checkOrder(
  { run, after }: GroupRun,
  stored: readonly StoredEvent[],
  handled: readonly HandlerRun[],
): string[] {
  const findings: string[] = [];
  const own = handled.filter((one) => one.run === run && one.seq > after);
  const events = stored.filter(({ seq }) => seq > after);
  const doneAt = new Map<number, number>();
  for (const { seq, ok, end } of own)
    if (ok === true && end < (doneAt.get(seq) ?? Infinity)) doneAt.set(seq, end);
  for (const { key, n, seq, worker, start } of own) {
    const missing = events.find(
      (event) => event.seq < seq && !((doneAt.get(event.seq) ?? Infinity) <= start),
    );
    if (missing !== undefined)
      findings.push(`order: run ${run}: ${key} ${n} started in ${worker} before ${missing.n} was handled`);
  }
  return findings;
}

function checkLost(
  { runs, isDeleted }: RunsHistory,
  stored: readonly StoredEvent[],
  handled: readonly HandlerRun[],
): string[] {
  const last = runs.at(-1)!;
  const done = handled.filter(({ ok }) => ok === true);
  return stored.flatMap(({ key, n, seq }) => {
    const isAbove = seq > last.after;
    if (!isAbove && isDeleted) return [];
    const isHandled = done.some((one) => one.seq === seq && (!isAbove || one.run === last.run));
    return isHandled
      ? []
      : [`lost: ${key} ${n} (sequence ${seq}) was not handled in ${isAbove ? `run ${last.run}` : 'any run'}`];
  });
}

/** Letters that a later run kept are handled in the run they were filed in, under its tokens: they do not count. */
function checkFencing(handled: readonly HandlerRun[], begunAt: ReadonlyMap<number, number>): string[] {
  const findings: string[] = [];
  for (const one of handled) {
    const switched = begunAt.get(one.run) ?? 0;
    const before = handled.find(
      ({ run, epoch, start }) => run < one.run && epoch >= one.epoch && start < switched,
    );
    if (before !== undefined)
      findings.push(
        `fencing: ${one.key} ${one.n} has token ${one.epoch} in run ${one.run}, and ${before.n} had ${before.epoch} in ${before.run}`,
      );
  }
  return findings;
}

function checkReplay({ runs }: RunsHistory, handled: readonly HandlerRun[]): string[] {
  const last = runs.at(-1)!;
  return handled.flatMap(({ key, n, seq, run, isReplay }) => {
    const isExpected = run === last.run && seq <= last.replayUntil;
    if (run !== last.run || isReplay === isExpected) return [];
    return [
      `replay: ${key} ${n} (sequence ${seq}) is called ${isReplay ? 'one' : 'none'}, and the group had been at ${last.replayUntil}`,
    ];
  });
}

const PLACES_PER_RUN = 2n ** 48n;

/** Effects are applied in the order in which handlers ended, each guarded by the position of its event. */
function checkGuard(
  { runs }: RunsHistory,
  stored: readonly StoredEvent[],
  handled: readonly HandlerRun[],
): string[] {
  let row: { readonly position: bigint; readonly n: number } | undefined;
  for (const { run, seq, n, ok } of handled
    .filter((one) => one.ok === true)
    .toSorted((a, b) => a.end - b.end)) {
    const position = BigInt(run) * PLACES_PER_RUN + BigInt(seq);
    if (ok === true && position > (row?.position ?? -1n)) row = { position, n };
  }
  const last = stored.at(-1);
  const expectedRun =
    last !== undefined && last.seq > (runs.at(-1)?.after ?? 0) ? runs.at(-1)!.run : undefined;
  if (last === undefined || expectedRun === undefined) return [];
  const isRight = row?.n === last.n && row.position / PLACES_PER_RUN === BigInt(expectedRun);
  return isRight
    ? []
    : [
        `guard: the row of ${last.key} holds ${row?.n ?? 'nothing'}, expected ${last.n} of run ${expectedRun}`,
      ];
}
