import type { AggregateStatus, LaneReport } from '../consumer/lanes/lane-report.js';
import { counted } from '../counted.js';
import type { BlockReason } from '../errors.js';
import type { Finding } from './health-problem.js';
import type { ObservedGroup, ObservedPartition } from './observed.js';

/** A server that restarts takes less. With what it takes to notice the first failure, a problem is named within 5 s. */
export const FAILS_FOR_MS = 3_500;

/** A rolling deploy takes less. */
const MIXED_AFTER_MS = 600_000;

/** What is wrong with a partition, as far as this process's memory tells. */
export function partitionFindings(group: ObservedGroup, partition: ObservedPartition): Finding[] {
  const { topic, group: name } = group;
  const where = { topic, group: name, partition: partition.partition };
  const found: Finding[] = [];
  if (partition.unownedMs > 0) {
    found.push({
      ...where,
      code: 'unowned',
      forMs: partition.unownedMs,
      why: `no process has renewed its lease for ${Math.round(partition.unownedMs)} ms, so its events are not handled`,
      do: 'look in the log for why the lease cannot be read or written (its bucket, a permission); if replicas of the group run elsewhere, look there',
    });
  }
  if (partition.consumer.load.haltCause === 'deleted') return deletedFindings(group, partition);
  // Of a partition that another process owns this one knows only what was true when it had it.
  const { holder } = partition.lease;
  if (holder !== undefined && holder !== partition.owner) return found;
  return [
    ...found,
    ...haltFindings(where, partition),
    ...progressFindings(where, partition),
    ...laneFindings(where, partition),
  ];
}

type Where = Pick<Finding, 'topic' | 'group' | 'partition'>;

/** One for the whole group. */
function deletedFindings(
  { topic, group }: ObservedGroup,
  { partition, consumer }: ObservedPartition,
): Finding[] {
  if (partition !== 0) return [];
  const todo = 'stop this service, or take its handlers out; a restart of it begins a new group of this name';
  return [{ topic, group, code: 'halted', why: `it halts: ${consumer.load.haltReason ?? ''}`, do: todo }];
}

function haltFindings(where: Where, { consumer }: ObservedPartition): Finding[] {
  const { mode, haltReason = '', haltCause } = consumer.load;
  if (mode !== 'halted') return [];
  if (haltCause === 'newer version') {
    const todo = 'run the newer release here, too, or stop this process';
    return [{ ...where, code: 'newer-version', why: haltReason, do: todo }];
  }
  const todo =
    'fix what the reason names and restart the process (docs/operations/repairs.md, A halted partition)';
  return [{ ...where, code: 'halted', why: `it halts: ${haltReason}`, do: todo }];
}

function progressFindings(where: Where, { consumer }: ObservedPartition): Finding[] {
  const { notCommittingMs, notCommittingWhy, notReadingMs, notReadingWhy, letterRefusal, readerEdited } =
    consumer.load;
  const found: Finding[] = [];
  if (notCommittingMs > FAILS_FOR_MS) {
    found.push({
      ...where,
      code: 'not-committing',
      forMs: notCommittingMs,
      why:
        `its position could not be claimed or committed for ${Math.round(notCommittingMs)} ms` +
        `${reason(notCommittingWhy)}; what was handled would be repeated after a crash, and soon nothing is taken in`,
      do: 'restore the positions stream, give it room (max_bytes), or grant the permission to write to it, as the reason says',
    });
  }
  if (notReadingMs > FAILS_FOR_MS) {
    found.push({
      ...where,
      code: 'not-reading',
      forMs: notReadingMs,
      why: `no event could be taken in for ${Math.round(notReadingMs)} ms${reason(notReadingWhy)}`,
      do: 'do what the reason says: restore the stream, grant what is missing, or make room in the position',
    });
  }
  if (readerEdited !== undefined) {
    found.push({
      ...where,
      code: 'settings-changed',
      why: `its readers are edited or paused again and again: ${readerEdited}; each one is replaced, and its events come late`,
      do: 'stop what edits or pauses these consumers',
    });
  }
  if (letterRefusal !== undefined) {
    found.push({
      ...where,
      code: 'letters-refused',
      why: `events cannot become letters: ${letterRefusal}`,
      do: 'make room in the parked stream, or restore it and the bucket of markers, as the reason says',
    });
  }
  return found;
}

function laneFindings(where: Where, { consumer, lease }: ObservedPartition): Finding[] {
  const { parked, lanes, typeWait } = consumer.load;
  const found: Finding[] = [];
  if (parked > 0 && lease.mode === 'held') {
    found.push({
      ...where,
      code: 'parked',
      why: `${counted(parked, 'aggregate')} ${parked === 1 ? 'is' : 'are'} parked; later events wait as letters`,
      do: 'fix the cause, then: npx aggregate-transport parked retry',
    });
  }
  if (typeWait !== undefined && typeWait.forMs >= MIXED_AFTER_MS) {
    found.push({
      ...where,
      code: 'mixed-handlers',
      forMs: typeWait.forMs,
      why: `events of type "${typeWait.type}" wait for ${Math.round(typeWait.forMs)} ms: only other replicas of the group handle it`,
      do: 'give all replicas of the group the same handlers, or give each service a group of its own',
    });
  }
  if (lanes === 0) return found;
  return [...found, ...standingFindings(where, consumer.report(0))];
}

/** What releases aggregates that block for this reason. */
const UNTIL: Readonly<Record<BlockReason['problem'], string>> = {
  'settings-changed': 'until settings are corrected',
  'newer-version': 'until a newer release of the service has the partition',
};

/** What is wrong with aggregates that stand still. */
function standingFindings(where: Where, report: LaneReport): Finding[] {
  const { blocked, refusedByGuard, byReason, stuck, oldest } = report;
  const found: Finding[] = [];
  if (refusedByGuard > 0) {
    found.push({
      ...where,
      code: 'guard-refuses',
      why: `a guard refuses ${refusedByGuard} aggregates${named(oldest.guard)}; they continue when it lets them pass`,
      do: "let a guard that is meant for HTTP only pass where context.getType() === 'rpc'",
    });
  }
  let otherwise = blocked - refusedByGuard;
  for (const { lanes, first } of byReason) {
    otherwise -= lanes;
    const are = lanes === 1 ? 'is' : 'are';
    const why = `${counted(lanes, 'aggregate')} ${are} blocked ${UNTIL[first.problem]}, the first because: ${first.why}`;
    found.push({ ...where, code: first.problem, why, do: first.do });
  }
  if (otherwise > 0) {
    found.push({
      ...where,
      code: 'blocked',
      why: `${counted(otherwise, 'aggregate')} ${otherwise === 1 ? 'is' : 'are'} blocked and tried for ever${named(oldest.blocked)}`,
      do: 'fix the cause; they continue by themselves',
    });
  }
  if (stuck > 0) {
    found.push({
      ...where,
      code: 'stuck',
      why: `${stuck} handlers have not settled for twice their time${named(oldest.stuck)}`,
      do: 'find what they wait for',
    });
  }
  return found;
}

/** The oldest of those that stand still for the same reason. */
function named(oldest: AggregateStatus | undefined): string {
  return oldest === undefined
    ? ''
    : ` (the worst: aggregate "${oldest.aggregateId}", sequence ${oldest.sequence})`;
}

function reason(why: string | undefined): string {
  return why === undefined ? '' : ` (${why})`;
}
