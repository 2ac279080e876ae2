import { isSabotaged, reached } from '#sabotage';
import { AggregateTransportError, describeError, hasCode } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { KeyPort, StoredValue } from '../../records/key-port.js';
import { decodeSequences, type PositionRecord } from '../../records/position-record.js';
import { type ClaimDecision, decideClaim, type NewBegin } from './claim-decision.js';

/** The owner that claims, and what it knows. */
export interface Claimant {
  readonly owner: string;
  readonly epoch: number;
  readonly wasClaimed: boolean;
  readonly group: Pick<GroupRecord, 'start' | 'hasRecords' | 'run' | 'replayUntil'>;
  readonly created: string;
  readonly isRestored: boolean;
  readonly bound: number;
  /** False once the lease has ended: the claim is given up then. */
  isCurrent(): boolean;
}

/** A claim that stands: every write of an older owner is refused from here on, by its revision. */
export interface Claimed {
  readonly kind: 'claimed';
  readonly record: PositionRecord;
  /** The unsettled sequences of the record, ascending. */
  readonly unsettled: readonly number[];
  readonly revision: number;
  readonly begins: NewBegin | undefined;
  /** The owner before did not end with a last commit. */
  readonly hasDied: boolean;
  /** The owner and epoch of the record before this claim; undefined without one. */
  readonly before: Pick<PositionRecord, 'owner' | 'epoch' | 'deaths'> | undefined;
}

export type ClaimOutcome = Claimed | Exclude<ClaimDecision, { readonly kind: 'claim' }>;

/** Writes that are refused in a row before the claim is tried as a whole again. */
const MAX_REFUSALS = 8;

/**
 * Claims a position: reads the record from the leader, and writes it again under a new epoch by compare-and-set.
 *
 * 1. An older owner sends a commit; the network holds it.
 * 2. This owner claims. The revision moves.
 * 3. The commit arrives and is refused, because it expects the revision before the claim.
 *
 * If the answer to the write is lost, the record is read. Own epoch and owner mean that the claim stands, and what is
 * stored then is its base. An older owner's commit may have landed between two attempts.
 *
 * A record that cannot be read or written stays so, here and elsewhere: the outcome is to halt.
 *
 * @throws JETSTREAM_REQUEST_FAILED if the outcome is unknown: call again with the same claimant
 * @throws LEASE_LOST
 */
export async function claimPosition(
  port: KeyPort<PositionRecord>,
  claimant: Claimant,
): Promise<ClaimOutcome> {
  try {
    return await claim(port, claimant);
  } catch (error) {
    if (!hasCode(error, 'RECORD_INVALID')) throw error;
    return { kind: 'halt', reason: describeError(error) };
  }
}

async function claim(port: KeyPort<PositionRecord>, claimant: Claimant): Promise<ClaimOutcome> {
  let failure: unknown;
  for (let refusals = 0; refusals < MAX_REFUSALS; refusals++) {
    const found = await port.read();
    check(claimant);
    const own = standing(found, claimant);
    if (own !== undefined) return own;
    const wasDeleted = found.value === undefined && found.revision > 0;
    const decision = decideClaim({ ...claimant, found: found.value, wasDeleted });
    if (decision.kind !== 'claim') return decision;
    const written = isSabotaged('no-claim')
      ? { revision: found.revision }
      : await write(port, decision.record, { expected: found.revision, claimant });
    check(claimant);
    const { revision } = written;
    if (revision === undefined) {
      failure = written.failure;
      continue;
    }
    reached('claim: position claimed');
    return claimedOf(decision, { revision, before: found.value });
  }
  throw new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    failure === undefined
      ? `expected to claim the position, found that other writes were first ${MAX_REFUSALS} times`
      : `expected to claim the position, found ${MAX_REFUSALS} writes refused or unanswered: ${describeError(failure)}`,
    { cause: failure },
  );
}

/** A claim whose answer was lost: own epoch and owner can come from nowhere else. */
function standing(
  { value, revision }: StoredValue<PositionRecord>,
  { owner, epoch }: Claimant,
): Claimed | undefined {
  if (value?.epoch !== epoch || value.owner !== owner) return undefined;
  // What it was before is not known any more; the larger suspicion is in the record already.
  return {
    kind: 'claimed',
    record: value,
    unsettled: decodeSequences(value.unsettled),
    revision,
    begins: undefined,
    hasDied: value.deaths > 0,
    before: undefined,
  };
}

async function write(
  port: KeyPort<PositionRecord>,
  record: PositionRecord,
  { expected, claimant }: { readonly expected: number; readonly claimant: Claimant },
): Promise<{ readonly revision: number | undefined; readonly failure?: unknown }> {
  try {
    return { revision: await port.write(record, expected) };
  } catch (error) {
    if (!hasCode(error, 'JETSTREAM_REQUEST_FAILED')) throw error;
    check(claimant);
    // Unknown: the next read tells.
    return { revision: undefined, failure: error };
  }
}

function claimedOf(
  { record, unsettled, begins }: Extract<ClaimDecision, { kind: 'claim' }>,
  { revision, before }: { readonly revision: number; readonly before: PositionRecord | undefined },
): Claimed {
  const hasDied = before !== undefined && record.deaths > before.deaths;
  return { kind: 'claimed', record, unsettled, revision, begins, hasDied, before };
}

/** Tells an operator that the stream is not the one that the record before was of. */
export function reportBegin(
  begins: Claimed['begins'],
  created: string,
  name: string,
  log: LogAt<'partition'>,
): void {
  if (begins === 'stream made again')
    log.write(
      'stream-made-again',
      { created },
      `${name}: the stream was deleted and made again at ${created}; it is handled from its first event`,
    );
  if (begins === 'stream restored')
    log.write(
      'stream-restored',
      { created },
      `${name}: the stream was restored from a backup at ${created}; its position holds, and is continued`,
    );
}

function check(claimant: Claimant): void {
  if (claimant.isCurrent()) return;
  throw leaseEnded();
}

/** What an owner did between taking the lease and taking in the first event has to stop. */
export function leaseEnded(): AggregateTransportError {
  return new AggregateTransportError('LEASE_LOST', 'expected the lease to stand, found that it has ended');
}

/** No process has handled an event of this stream for the group before. Pure. */
export function hasNoPredecessor(begins: Claimed['begins'], { epoch, run }: PositionRecord): boolean {
  return begins === 'stream made again' || (begins === 'first start' && epoch === 1 && run === 0);
}
