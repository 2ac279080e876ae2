import type {
  GroupChange,
  GroupDetails,
  GroupPartition,
  GroupSummary,
} from '../../operating/groups/group-state.js';
import { ageOf, tableOf } from '../command/table.js';
import type { Terminal } from '../command/terminal.js';
import { jsonLine } from '../command/json-line.js';

type Printer = Pick<Terminal, 'print'>;

/** One line a group; as JSON one value a line. */
export function printGroups(terminal: Printer, groups: readonly GroupSummary[], json: boolean): void {
  if (json) {
    for (const group of groups) terminal.print(jsonLine('group', group));
    return;
  }
  terminal.print(
    groups.length === 0 ? 'no group has started yet' : tableOf(GROUP_HEADINGS, groups.map(cellsOf)),
  );
}

const GROUP_HEADINGS = [
  ...[
    'TOPIC',
    'GROUP',
    'STATE',
    'PARTITIONS',
    'OWNED',
    'OWNERS',
    'RUN',
    'LAG',
    'OLDEST',
    'PARKED',
    'LETTERS',
  ],
];

function cellsOf(group: GroupSummary): string[] {
  const { topic, partitions, owned, owners, run, lag, parked, letters } = group;
  return [
    ...[topic, group.group, group.change === undefined ? group.condition : describeChange(group.change)],
    ...[partitions, owned, owners, run, lag ?? '-'].map(String),
    lag === 0 ? '-' : spanOf(group.oldestUnsettledMs),
    ...[parked, letters].map(String),
  ];
}

/** A line about the group and a table of its partitions; as JSON one value. */
export function printGroup(terminal: Printer, group: GroupDetails, json: boolean): void {
  if (json) {
    terminal.print(jsonLine('group-details', group));
    return;
  }
  terminal.print(describeGroup(group));
  if (group.byPartition.length > 0) terminal.print(tableOf(PARTITION_HEADINGS, group.byPartition.map(rowOf)));
}

function describeGroup(group: GroupDetails): string {
  const { topic, condition, partitions, layout, run, lag, change, deletedAt, byPartition } = group;
  const name = `${topic} ${group.group}`;
  if (deletedAt !== undefined)
    return `${name}: deleted at ${deletedAt.toISOString()}; its last run was ${run}`;
  const lost = condition === 'lost' ? '; its record is lost: restore it, or run group reset' : '';
  const drained = byPartition.filter((one) => one.drained).length;
  const under =
    change === undefined
      ? ''
      : `; under way: ${describeChange(change)}, drained ${drained} of ${partitions} partitions`;
  return `${name}: ${partitions} partitions, layout ${layout}, run ${run}, lag ${lag ?? 'unknown'}${lost}${under}`;
}

const PARTITION_HEADINGS = [
  ...['PARTITION', 'OWNER', 'LEASE', 'EPOCH', 'POSITION', 'LAG', 'UNSETTLED', 'OLDEST', 'REPLAY'],
  ...['PARKED', 'LETTERS', 'DRAINED'],
];

function rowOf(one: GroupPartition): string[] {
  const { partition, owner, lease, epoch, position, lag, unsettled, parked, letters, drained, running } = one;
  return [
    String(partition),
    // Ids begin with a time; their ends differ.
    owner === undefined ? '-' : `…${owner.slice(-12)}`,
    ...[lease, epoch, position ?? '-', lag ?? '-', unsettled ?? '-'].map(String),
    lag === 0 ? '-' : spanOf(one.oldestUnsettledMs),
    one.replayUntil === undefined ? '-' : `until ${one.replayUntil}`,
    ...[parked, letters].map(String),
    drained ? 'yes' : running.length === 0 ? '-' : `waits for ${running[0]?.aggregateId ?? ''}`,
  ];
}

function describeChange({ kind, to, from }: GroupChange): string {
  if (kind === 'deletion') return 'its deletion';
  return kind === 'reset' ? `a reset to sequence ${from ?? 1}` : `a change to ${to} partitions`;
}

function spanOf(ms: number | undefined): string {
  return ms === undefined ? '-' : ageOf(0, ms);
}
