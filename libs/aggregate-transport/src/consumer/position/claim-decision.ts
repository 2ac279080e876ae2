import { isSabotaged } from '#sabotage';
import type { GroupRecord } from '../../records/group-record.js';
import { decodeSequences, isReadable, type PositionRecord } from '../../records/position-record.js';

/** What a new owner knows when it is about to claim. */
export interface ClaimFacts {
  readonly owner: string;
  readonly epoch: number;
  /** The record, as the leader of its stream tells it. */
  readonly found: PositionRecord | undefined;
  /** There was a record, and its key was deleted. */
  readonly wasDeleted: boolean;
  /** The lease says that a record was claimed before. */
  readonly wasClaimed: boolean;
  readonly group: Pick<GroupRecord, 'start' | 'hasRecords' | 'run' | 'replayUntil'>;
  /** When the topic's stream was made. */
  readonly created: string;
  /** It was restored from a backup, so its sequences mean what they meant before, whenever it says that it was made. */
  readonly isRestored: boolean;
  /** Events this owner takes in at most; see `consume.maxAckPending`. */
  readonly bound: number;
}

/** What is new since the record that was found. Only a restored stream is read on from where that record stood. */
export type NewBegin = 'first start' | 'stream made again' | 'stream restored';

export type ClaimDecision =
  | {
      readonly kind: 'claim';
      readonly record: PositionRecord;
      /** The unsettled sequences of the record, ascending. */
      readonly unsettled: readonly number[];
      readonly begins?: NewBegin;
    }
  /** The record is of an epoch that is not below this one: the lease has to be taken again, above it. */
  | { readonly kind: 'raise'; readonly above: number }
  | { readonly kind: 'halt'; readonly reason: string; readonly isNewer?: true };

/** What a new owner writes before anything else, if it may write at all. Pure. */
export function decideClaim(facts: ClaimFacts): ClaimDecision {
  const { found, wasClaimed, wasDeleted, group, epoch } = facts;
  if (found === undefined) {
    if (wasClaimed || wasDeleted || group.hasRecords) return { kind: 'halt', reason: lostText() };
    if (epoch <= group.start.epoch) return { kind: 'raise', above: group.start.epoch };
    return firstClaim(facts);
  }
  if (!isReadable(found)) {
    const reason =
      `expected a position of format 1, found format ${found.v as number}: a newer release wrote it; ` +
      'run that release, or start over with: npx aggregate-transport group reset TOPIC GROUP --to start';
    return { kind: 'halt', reason, isNewer: true };
  }
  if (isOutrankedBy(found, facts)) {
    return { kind: 'raise', above: found.epoch };
  }
  return found.created === facts.created || facts.isRestored
    ? claimOfRecord(facts, found)
    : claimOfNewStream(facts, found);
}

/** True if another owner has written the record under this epoch, or under a higher one. */
function isOutrankedBy(found: PositionRecord, { epoch, owner }: ClaimFacts): boolean {
  const isSame = found.epoch === epoch && found.owner !== owner;
  return found.epoch > epoch || (isSame && !isSabotaged('token-stands-still'));
}

function claimOfRecord(facts: ClaimFacts, found: PositionRecord): ClaimDecision {
  const unsettled = decodeSequences(found.unsettled);
  const record = claimed(facts, found, unsettled.length);
  if (found.created === facts.created) return { kind: 'claim', record, unsettled };
  // That the stream still holds what this position calls settled is checked next, as for any other claim.
  return {
    kind: 'claim',
    record: { ...record, created: facts.created },
    unsettled,
    begins: 'stream restored',
  };
}

function lostText(): string {
  return (
    'expected a position of this partition, found none: its key was deleted, or the positions stream was restored to an ' +
    'earlier time; restore the positions stream from the backup taken with the topic, or start over with: ' +
    'npx aggregate-transport group reset TOPIC GROUP --to start'
  );
}

function claimed(facts: ClaimFacts, found: PositionRecord, listed: number): PositionRecord {
  const { rest, ...base } = found;
  const { owner, epoch, bound } = facts;
  const isRested = rest === true;
  const hasDied = !isRested && found.owner !== '' && found.owner !== owner;
  // An owner at rest has started nothing that did not end, but one before it may have.
  const inherited = isRested && found.deaths === 0 ? 0 : found.window;
  return {
    ...base,
    epoch,
    owner,
    write: 1,
    deaths: found.deaths + (hasDied ? 1 : 0),
    window: Math.max(bound, inherited, listed),
  };
}

/** Sequences of another stream mean other events, so nothing of the old record holds but what counts upwards. */
function claimOfNewStream(facts: ClaimFacts, found: PositionRecord): ClaimDecision {
  const record = emptyRecord(facts, { high: 0, run: Math.max(found.run, facts.group.run) + 1 });
  const marked = found.drained === undefined ? record : { ...record, drained: found.drained };
  return { kind: 'claim', record: marked, unsettled: [], begins: 'stream made again' };
}

function firstClaim(facts: ClaimFacts): ClaimDecision {
  const { group, created } = facts;
  const { replayUntil } = group;
  if (group.start.created !== created) {
    const record = emptyRecord(facts, { high: 0, run: group.run + 1 });
    return { kind: 'claim', record, unsettled: [], begins: 'stream made again' };
  }
  const record = emptyRecord(facts, { high: group.start.sequence, run: group.run });
  return {
    kind: 'claim',
    record: replayUntil === undefined ? record : { ...record, replayUntil },
    unsettled: [],
    begins: 'first start',
  };
}

function emptyRecord(
  { epoch, owner, created, bound }: ClaimFacts,
  { high, run }: { readonly high: number; readonly run: number },
): PositionRecord {
  return {
    v: 1,
    epoch,
    owner,
    write: 1,
    created,
    high,
    highTime: '',
    unsettled: '',
    window: bound,
    deaths: 0,
    starts: {},
    run,
  };
}
