import type {
  DrainingProgress,
  DrainUnowned,
  OpenPartition,
} from '../../consumer/repartition/drain-unowned.js';
import type { Repartition } from '../../consumer/repartition/repartition.js';
import type { GroupRecord, LayoutChange } from '../../records/group-record.js';
import type { Progress } from '../command/progress.js';

export interface ChangeRunOptions {
  readonly repartition: Repartition;
  readonly drain: DrainUnowned;
  readonly progress: Progress;
}

const MAX_NAMED = 5;

/**
 * Carries a change of a group's layout to its end, together with the replicas, or alone if there are none. Running
 * replicas finish a change without it.
 */
export class ChangeRun {
  constructor(private readonly options: ChangeRunOptions) {}

  /** Resolves with the group's record when no change is under way; undefined if it did not end in time. */
  async finish(): Promise<GroupRecord | undefined> {
    const { repartition, drain, progress } = this.options;
    for (;;) {
      const now = await progress.retried(() => repartition.advance(drain.lost));
      if (now.kind === 'none') return now.group;
      const open = await progress.retried(() => drain.pass(now));
      if (open.length === 0) {
        const next = await progress.retried(() => repartition.advance(drain.lost));
        if (next.kind === 'none') return next.group;
      }
      const { what, text } = describe(now, open);
      progress.report(what, text);
      if (progress.isOver) {
        progress.say(
          { ...what, state: 'waiting' },
          `not done in time: ${text}; the replicas continue the change without this command; run it again with ` +
            '--resume to watch it, or with --cancel to call it off',
        );
        return undefined;
      }
      await progress.pause();
    }
  }

  /** Calls off the change under way. Resolves with the exit code. */
  async cancel(): Promise<number> {
    const { repartition, progress } = this.options;
    const cancelled = await progress.retried(() => repartition.cancel());
    const { partitions } = await progress.retried(() => repartition.group());
    progress.say(
      { state: cancelled ? 'cancelled' : 'none', partitions },
      cancelled
        ? `cancelled; the group keeps ${partitions} partitions`
        : `no change is under way; the group has ${partitions} partitions`,
    );
    return cancelled ? 0 : 1;
  }
}

/** True if the record says that the change is complete. */
export function isInForce(change: LayoutChange, group: GroupRecord): boolean {
  if (group.layout === change.number) return true;
  return change.start === undefined && group.partitions === change.to;
}

function describe(
  { group: { partitions }, change }: DrainingProgress,
  open: readonly OpenPartition[],
): { readonly what: object; readonly text: string } {
  const drained = partitions - open.length;
  return {
    what: { state: 'draining', from: partitions, to: change.to, drained, open },
    text: `drained ${drained} of ${partitions}${describeOpen(open)}`,
  };
}

function describeOpen(open: readonly OpenPartition[]): string {
  const running = open
    .flatMap(({ partition, running: handlers }) => handlers.map((handler) => ({ partition, ...handler })))
    .toSorted((a, b) => b.forMs - a.forMs)
    .slice(0, MAX_NAMED)
    .map(
      ({ partition, aggregateId, sequence, forMs }) =>
        `; partition ${partition}: the handler of aggregate "${aggregateId}" (sequence ${sequence}) runs for ` +
        `${Math.round(forMs / 1_000)} s`,
    );
  const lost = open
    .filter((one) => one.lost && one.holder !== undefined)
    .slice(0, MAX_NAMED)
    .map(
      ({ partition, holder }) =>
        `; partition ${partition} has lost its position and its lease is held by ${holder ?? ''}: end that process`,
    );
  const unowned = open.filter(({ holder }) => holder === undefined).map(({ partition }) => partition);
  const free =
    unowned.length === 0
      ? ''
      : `; partitions ${nameSome(unowned)} have no owner and are drained by this command as soon as their leases end`;
  return [...running, ...lost, free].join('');
}

/** The first of many partitions, and how many more there are. */
function nameSome(partitions: readonly number[]): string {
  const first = partitions.slice(0, MAX_NAMED).join(', ');
  return partitions.length > MAX_NAMED ? `${first} and ${partitions.length - MAX_NAMED} more` : first;
}
