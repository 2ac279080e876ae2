import type { ErrorAnswer, LiveAggregate, ParkedSummary } from 'nestjs-aggregate-transport/operating';
import type { GroupRef, Trouble, TroubleKind, TroublePage, TroubleQuestion } from '../source/board-source.js';

/** A handler that runs for less is not slow. */
const SLOW_MS = 5_000;
/** Worst first. */
const RANKS: Readonly<Record<TroubleKind, number>> = {
  stuck: 0,
  blocked: 1,
  parked: 2,
  retrying: 3,
  slow: 4,
};

/** An aggregate in the memory of its owner; undefined if it moves. Ages are by the owner's clock. Pure. */
export function liveTrouble(ref: GroupRef, found: LiveAggregate, now: number): Trouble | undefined {
  const forMs = found.since === undefined ? 0 : Math.max(0, now - found.since);
  const kind = kindOf(found, forMs);
  if (kind === undefined) return undefined;
  return {
    ...{ topic: ref.topic, group: ref.group, aggregateId: found.aggregateId },
    ...{ kind, forMs, partition: found.partition, owner: found.replica },
    reason: found.error && `failed in its ${found.error.stage}`,
    error: found.error && errorText(found.error),
    ...{ sequence: found.sequence ?? 0, type: found.type, attempts: found.attempt },
    ...{ waiting: found.queued, nextAt: found.nextAt, state: undefined },
  };
}

function kindOf({ state }: LiveAggregate, forMs: number): TroubleKind | undefined {
  switch (state) {
    case 'stuck':
    case 'blocked':
    case 'retrying':
      return state;
    case 'running':
      return forMs >= SLOW_MS ? 'slow' : undefined;
    case 'letters':
    case 'parked':
    case 'waiting':
      // Parked ones are read from the server, which knows more of them.
      return undefined;
  }
}

/** Pure. */
export function errorText({ name, code, text }: ErrorAnswer): string {
  const head = code === undefined ? name : `${name} ${code}`;
  return text === '' ? head : `${head}: ${text}`;
}

const REASONS: Readonly<Record<string, string>> = {
  EXHAUSTED: 'every attempt failed',
  UNRECOVERABLE: 'its handler said that no retry can help',
  REJECTED: 'a pipe refused its payload',
  UNDECODABLE: 'its body is no envelope',
  UNHANDLED_TYPE: 'no handler takes its type',
  CRASHED: 'each start of it ended its process',
  DIVERTED: 'its head did not settle and held up others; it comes back by itself',
  REPLAYED: 'its history is handled again by command; it comes back by itself',
};

/** Why an aggregate is parked, in words. Pure. */
export function reasonText(reason: string): string {
  return REASONS[reason] ?? reason;
}

/** A parked aggregate, as the server knows it. Pure. */
export function parkedTrouble(ref: GroupRef, found: ParkedSummary, now: number): Trouble {
  const { aggregateId, state, reason, error, attempts, sequence, since, letters } = found;
  return {
    ...{ topic: ref.topic, group: ref.group, aggregateId, kind: 'parked' },
    ...{ reason: reasonText(reason), error, attempts, sequence, state },
    forMs: Math.max(0, now - since.getTime()),
    waiting: letters,
    ...{ partition: undefined, owner: undefined, type: undefined, nextAt: undefined },
  };
}

/** Worst first: by kind, then the longest. An aggregate that is parked and tried stands once. Pure. */
export function worstFirst(troubles: readonly Trouble[]): Trouble[] {
  return [...troubles].sort((a, b) => RANKS[a.kind] - RANKS[b.kind] || b.forMs - a.forMs);
}

/** What of the list is asked for. Pure. */
export function pageOf(
  troubles: readonly Trouble[],
  { kind, text, offset, limit }: TroubleQuestion,
): TroublePage {
  const sought = text.toLowerCase();
  const found = worstFirst(troubles).filter(
    (one) =>
      (kind === undefined || one.kind === kind) &&
      (one.aggregateId.toLowerCase().includes(sought) || (one.error ?? '').toLowerCase().includes(sought)),
  );
  // The list may have become shorter than the page that is looked at.
  const from = Math.max(0, Math.min(offset, Math.floor((found.length - 1) / limit) * limit));
  return { offset: from, limit, total: found.length, rows: found.slice(from, from + limit) };
}
