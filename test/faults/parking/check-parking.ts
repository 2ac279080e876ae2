import { groupBy } from '../oracle/finding.js';
import type { HandlerRun, Ms, ParkingHistory, SeenLetter } from './parking-history.js';

/**
 * C7, judged from what the workers wrote and what the server confirmed. Pure. Each finding names the rule:
 *
 * - `letters`: the letters of one marker are contiguous and in order;
 * - `live`: while an aggregate has letters that are not handled, none of its events reaches a handler from the stream;
 * - `order`: an event starts only when every earlier one of its aggregate was handled, so that the first one behind
 *   the letters is the last letter's successor;
 * - `twice`: what was settled, by ack or by removal of its letter, is not started again;
 * - `lost`: whatever is stored was handled, or waits in a letter that counts, or was dropped on purpose;
 * - `left`: at the end no marker is without letters, and no letter without its marker.
 */
export function checkParking(history: ParkingHistory): string[] {
  const numbers = new Map(history.stored.map(({ seq, n }) => [seq, n]));
  const handledAt = handledTimes(history.runs);
  const findings = [
    ...checkLetters(history, numbers),
    ...checkTwice(history),
    ...checkLost(history, handledAt),
    ...checkLeft(history),
  ];
  const lettersOf = groupBy(history.letters, ({ key }) => key);
  const storedOf = groupBy(history.stored, ({ key }) => key);
  for (const [key, runs] of groupBy(history.runs, (run) => run.key)) {
    const letters = lettersOf.get(key) ?? [];
    if (letters.length > 0) findings.push(...checkLive(history, runs, letters, handledAt));
    findings.push(...checkOrder(history, runs, storedOf.get(key) ?? [], handledAt));
  }
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

function checkLive(
  { dropped }: ParkingHistory,
  runs: readonly HandlerRun[],
  letters: readonly SeenLetter[],
  handledAt: ReadonlyMap<number, Ms>,
): string[] {
  const findings: string[] = [];
  for (const run of runs.filter(({ live }) => live)) {
    const open = letters.filter(
      ({ seq, at }) => at < run.start && !dropped.has(seq) && !((handledAt.get(seq) ?? Infinity) < run.start),
    );
    if (open.length === 0 || isHeadOfDetour(run, runs, open)) continue;
    const waiting = open.map(({ seq }) => seq).join(', ');
    findings.push(
      `live: ${run.key} ${run.n} (sequence ${run.seq}) started from the stream in ${run.worker} while ` +
        `sequences ${waiting} were letters`,
    );
  }
  return findings;
}

/** The head of a diverted lane goes on in its place, and is its aggregate's first letter too. */
function isHeadOfDetour(run: HandlerRun, runs: readonly HandlerRun[], open: readonly SeenLetter[]): boolean {
  const first = open.reduce((least, letter) => (letter.seq < least.seq ? letter : least));
  return (
    run.seq <= first.seq &&
    runs.some(
      ({ seq, worker, epoch, start }) =>
        seq === run.seq && worker === run.worker && epoch === run.epoch && start < first.at,
    )
  );
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
  return findings;
}

function checkTwice({ runs, acked, removed, letters }: ParkingHistory): string[] {
  // An ack may be sent again, so the first one counts.
  const ackedAt = new Map(acked.toReversed().map(({ seq, at }) => [seq, at]));
  const sequences = new Map(letters.map(({ position, seq }) => [position, seq]));
  const removedAt = new Map(removed.map(({ position, at }) => [sequences.get(position), at]));
  // The ack of a letter's event says that it is stored; only its removal says that it is handled.
  return runs
    .filter(({ seq, live, start }) => start > ((live ? ackedAt : removedAt).get(seq) ?? Infinity))
    .map(({ key, n, worker, live }) => {
      const from = live ? 'from the stream' : 'from a letter';
      return `twice: ${key} ${n} was settled and started again in ${worker}, ${from}`;
    });
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
