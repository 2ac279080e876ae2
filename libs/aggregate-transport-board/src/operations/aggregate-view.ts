import type {
  AggregateView as Told,
  EventStand,
  LiveAggregateView,
  ShownLetter,
  StoredEntry,
  TimelineEntry,
} from 'nestjs-aggregate-transport/operating';
import type { EventPlace, LetterLine, PlaceLine, StoredMoment } from '../source/board-source.js';
import { errorText, liveTrouble, parkedTrouble, reasonText } from './troubles.js';

type InGroup = Exclude<TimelineEntry, StoredEntry>;

/** The history of an aggregate, newest first: every event with what became of it in each group. Pure. */
export function historyOf({ timeline, live }: Told): StoredMoment[] {
  const bySequence = new Map<number, InGroup[]>();
  for (const entry of timeline) {
    if (entry.kind === 'stored') continue;
    const known = bySequence.get(entry.sequence);
    if (known === undefined) bySequence.set(entry.sequence, [entry]);
    else known.push(entry);
  }
  return timeline
    .filter((entry) => entry.kind === 'stored')
    .map((entry) => momentOf(entry, bySequence.get(entry.sequence) ?? [], live))
    .reverse();
}

function momentOf(
  entry: StoredEntry,
  told: readonly InGroup[],
  live: readonly LiveAggregateView[],
): StoredMoment {
  const { sequence, at, type, eventId, traceId, payload, groups } = entry;
  return {
    ...{ sequence, storedAt: at, type, eventId, traceId, payload: payloadText(payload) },
    places: groups.map(({ group, stand }) =>
      placeOf(
        { group, stand },
        told.filter((one) => one.group === group),
        live,
      ),
    ),
  };
}

function placeOf(
  { group, stand }: { readonly group: string; readonly stand: EventStand },
  told: readonly InGroup[],
  live: readonly LiveAggregateView[],
): EventPlace {
  const found: { -readonly [K in keyof EventPlace]: EventPlace[K] } = {
    ...{ group, state: stand },
    ...{ attempts: undefined, error: undefined, reason: undefined, by: undefined },
  };
  for (const entry of told) Object.assign(found, changeBy(entry));
  if (found.by === undefined && found.state === 'waiting')
    found.by = live.find((one) => one.group === group)?.owner?.replica;
  return found;
}

function changeBy(entry: InGroup): Partial<EventPlace> {
  switch (entry.kind) {
    case 'running':
      return { state: 'running', attempts: entry.attempt, by: entry.replica };
    case 'failed':
      return { state: 'failed', attempts: entry.attempts, by: entry.replica, error: errorText(entry.error) };
    case 'parked':
      return {
        state: 'letter',
        attempts: entry.attempts,
        error: entry.error,
        reason: reasonText(entry.reason),
      };
    case 'letter':
    case 'skipped': {
      const { kind, attempts, error, reason } = entry;
      return {
        state: kind,
        ...(attempts === undefined ? {} : { attempts }),
        ...(error === undefined ? {} : { error }),
        ...(reason === undefined ? {} : { reason: reasonText(reason) }),
      };
    }
    case 'edited':
      return { reason: entry.comment === undefined ? 'edited' : `edited: ${entry.comment}` };
  }
}

/** Where it stands in each group, those in trouble first. Pure. */
export function placesOf(told: Told, now: number): PlaceLine[] {
  const lines = told.places.map((place) => placeLine(told, place, now));
  return lines.sort((a, b) => Number(b.trouble !== undefined) - Number(a.trouble !== undefined));
}

function placeLine(
  { topic, aggregateId, live }: Told,
  place: Told['places'][number],
  now: number,
): PlaceLine {
  const { group, partition, owner, settledThrough, waiting, letters, parked, firstWaiting = 0 } = place;
  const answer = live.find((one) => one.group === group)?.owner;
  const ref = { topic, group };
  const trouble =
    parked === undefined
      ? answer?.lane && liveTrouble(ref, { ...answer.lane, replica: answer.replica }, now)
      : parkedTrouble(ref, { ...parked, aggregateId, letters, sequence: firstWaiting }, now);
  return {
    ...{ group, partition, owner: owner?.owner, isOwnerAlive: owner?.isAlive === true, trouble },
    ...{ settledThrough, waiting, letters, queued: answer && (answer.lane?.queued ?? 0) },
    isAnswered: answer !== undefined,
  };
}

/** Pure. */
export function letterLine(group: string, letter: ShownLetter): LetterLine {
  const { sequence, storedAt, type, eventId, traceId, reason, error, attempts, payload } = letter;
  return {
    ...{ group, sequence, storedAt: storedAt.getTime(), type, eventId, traceId },
    ...{ reason: reason && reasonText(reason), error, attempts, payload: payloadText(payload) },
  };
}

/** Longer payloads are cut: the page shows them, and is no download. */
const MAX_PAYLOAD = 20_000;

function payloadText(payload: unknown): string | undefined {
  if (payload === undefined) return undefined;
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload, undefined, 2);
  const left = text.length - MAX_PAYLOAD;
  return left > 0 ? `${text.slice(0, MAX_PAYLOAD)}\n… ${left} characters more` : text;
}
