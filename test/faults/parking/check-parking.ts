import { checkPositionsTellTheTruth } from '../oracle/checkers/positions-tell-the-truth.js';
import { checkSettledStaysSettled } from '../oracle/checkers/settled-stays-settled.js';
import { groupBy } from '../oracle/finding.js';
import type { HandlerRun, Ms, ParkingHistory, SeenLetter } from './parking-history.js';

/** Between the clocks of two processes, and for the way through the server. */
const SLACK_MS = 50;
/** What a marker says while its letters are handled. */
const REPLAYING: readonly (string | undefined)[] = ['retrying', 'diverted'];

/**
 * The promises about parked aggregates, judged from what the workers wrote and what the server confirmed. Pure. Each
 * finding begins with the promise that is broken:
 *
 * - `letters`: the letters of one marker are contiguous and in order;
 * - `parked-waits`: a letter is handled only while its marker says that letters are handled;
 * - `order`: an event starts only when every earlier one of its aggregate was handled, from the stream or as a letter;
 * - `twice`: a letter that was removed is not handled again;
 * - `settled-stays-settled`: nor is an event that a claimed position calls settled and that is no letter;
 * - `positions-tell-the-truth`: a position calls settled only what was handled, is a letter, or was dropped on purpose;
 * - `lost`: what is stored was handled, or waits in a letter that counts, or was dropped on purpose;
 * - `left`: at the end no marker is without letters, and no letter without its marker.
 */
export function checkParking(history: ParkingHistory): string[] {
  const numbers = new Map(history.stored.map(({ seq, n }) => [seq, n]));
  const handledAt = handledTimes(history.runs);
  const findings = [
    ...checkLetters(history, numbers),
    ...checkParkedWaits(history),
    ...checkTwice(history),
    ...checkPositions(history),
    ...checkLost(history, handledAt),
    ...checkLeft(history),
  ];
  const storedOf = groupBy(history.stored, ({ key }) => key);
  for (const [key, runs] of groupBy(history.runs, (run) => run.key))
    findings.push(...checkOrder(history, runs, storedOf.get(key) ?? [], handledAt));
  return findings;
}

/** When each sequence was first handled. */
function handledTimes(runs: readonly HandlerRun[]): Map<number, Ms> {
  const times = new Map<number, Ms>();
  for (const { seq, ok, end } of runs) {
    if (ok === true && end < (times.get(seq) ?? Number.POSITIVE_INFINITY)) times.set(seq, end);
  }
  return times;
}

function checkLetters({ letters }: ParkingHistory, numbers: ReadonlyMap<number, number>): string[] {
  const findings: string[] = [];
  for (const [of, group] of groupBy(letters, ({ key, marker }) => `${key} (marker ${marker})`)) {
    const ordered = [...group]
      .sort((a, b) => a.position - b.position)
      .map(({ seq }) => numbers.get(seq) ?? -1);
    const broken = ordered.findIndex((n, index) => index > 0 && n !== (ordered[index - 1] ?? 0) + 1);
    if (broken > 0) {
      findings.push(`letters: ${of}: letter ${ordered[broken]} follows letter ${ordered[broken - 1]}`);
    }
  }
  return findings;
}

function checkParkedWaits({ runs, letters, markers }: ParkingHistory): string[] {
  const storedAt = new Map(letters.toReversed().map(({ seq, at }) => [seq, at]));
  const writes = groupBy(markers, ({ key }) => key);
  return runs.flatMap(({ key, n, seq, worker, start, attempt }) => {
    // A further attempt is no new decision: its lane is at it since the first.
    if (attempt > 1 || (storedAt.get(seq) ?? Infinity) >= start) return [];
    const said = writes.get(key) ?? [];
    const before = said.findLast(({ at }) => at <= start);
    const isHeardLate = said.some(
      ({ at, state }) => at > start && at <= start + SLACK_MS && REPLAYING.includes(state),
    );
    if (before === undefined || isHeardLate || REPLAYING.includes(before.state)) return [];
    const state = before.state ?? 'nothing';
    return [`parked-waits: ${key} ${n} is a letter and started in ${worker} while its marker said ${state}`];
  });
}

function checkOrder(
  { dropped, left }: ParkingHistory,
  runs: readonly HandlerRun[],
  stored: ParkingHistory['stored'],
  handledAt: ReadonlyMap<number, Ms>,
): string[] {
  const findings: string[] = [];
  const skipped = new Set(left.skipped);
  // Events before this index were handled, or gone, when the last run looked at began.
  let done = 0;
  for (const run of runs) {
    for (; done < stored.length; done++) {
      const { seq } = stored[done]!;
      const gone = dropped.has(seq) || skipped.has(seq);
      if (!gone && !((handledAt.get(seq) ?? Infinity) <= run.start)) break;
    }
    const next = stored[done];
    if (next !== undefined && next.seq < run.seq) {
      findings.push(`order: ${run.key} ${run.n} started in ${run.worker} before ${next.n} was handled`);
    }
  }
  return [...findings, ...checkSkips(runs, stored, (seq) => dropped.has(seq) || skipped.has(seq))];
}

/** Repeats are contiguous: a start is at most one event after the start before it, and in one epoch never before it. */
function checkSkips(
  runs: readonly HandlerRun[],
  stored: ParkingHistory['stored'],
  isGone: (seq: number) => boolean,
): string[] {
  const places = new Map(stored.filter(({ seq }) => !isGone(seq)).map(({ seq }, place) => [seq, place]));
  let last: { place: number; run: HandlerRun } | undefined;
  return runs.flatMap((run) => {
    const place = places.get(run.seq);
    if (place === undefined) return [];
    const before = last;
    last = { place, run };
    if (before === undefined) return [];
    const { n, worker, epoch } = before.run;
    const where = `order: ${run.key} ${run.n} started in ${run.worker} after ${n} in ${worker}`;
    if (place > before.place + 1) return [`${where}: a skip forward`];
    return place < before.place && epoch === run.epoch ? [`${where}: a step back in epoch ${epoch}`] : [];
  });
}

function checkTwice({ runs, removed, letters }: ParkingHistory): string[] {
  const sequences = new Map(letters.map(({ position, seq }) => [position, seq]));
  const removedAt = new Map(removed.map(({ position, at }) => [sequences.get(position), at]));
  return runs
    .filter(({ seq, start }) => start > (removedAt.get(seq) ?? Infinity))
    .map(({ key, n, worker }) => `twice: the letter of ${key} ${n} was removed, and it started in ${worker}`);
}

function checkPositions({ runs, positions, letters, skipped, stored, dropped }: ParkingHistory): string[] {
  const filed = [
    ...letters,
    ...skipped,
    // The operator's own record of what was dropped comes before the drop.
    ...[...dropped].map((seq) => ({ seq, at: 0 })),
  ];
  const history = { attempts: runs, positions, letters: filed, stored };
  return [...checkSettledStaysSettled(history), ...checkPositionsTellTheTruth(history)].map(
    ({ checker, text }) => `${checker}: ${text}`,
  );
}

function checkLost(history: ParkingHistory, handledAt: ReadonlyMap<number, Ms>): string[] {
  const { stored, left, dropped } = history;
  const waiting = new Set([...counting(history).map(({ seq }) => seq), ...left.skipped]);
  return stored
    .filter(({ seq }) => !handledAt.has(seq) && !waiting.has(seq) && !dropped.has(seq))
    .map(
      ({ key, n, seq }) => `lost: ${key} ${n} (sequence ${seq}) was neither handled nor is it in a letter`,
    );
}

function checkLeft(history: ParkingHistory): string[] {
  const { left, mayHaveStrangers } = history;
  const withLetters = new Set(counting(history).map(({ key }) => key));
  const bare = left.markers
    .filter(([token]) => !withLetters.has(token))
    .map(([token, identity]) => `left: ${token} has marker ${identity} and no letter of it`);
  const counted = new Set(counting(history).map(({ position }) => position));
  const strangers = left.letters
    .filter(({ position }) => !counted.has(position))
    .map(
      ({ key, seq, marker }) =>
        `left: ${key}: the letter of sequence ${seq} names marker ${marker}, which is none`,
    );
  return mayHaveStrangers ? bare : [...bare, ...strangers];
}

/** Letters left whose marker stands. */
function counting({ left }: ParkingHistory): SeenLetter[] {
  const identities = new Map(left.markers);
  return left.letters.filter(({ key, marker }) => identities.get(key) === marker);
}
