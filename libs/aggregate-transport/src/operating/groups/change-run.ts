import type {
  DrainingProgress,
  DrainUnowned,
  OpenPartition,
} from '../../consumer/repartition/drain-unowned.js';
import type { Repartition } from '../../consumer/repartition/repartition.js';
import type { GroupRecord, LayoutChange } from '../../records/group-record.js';
import type { OperationStep, Patience } from './patience.js';

export interface ChangeRunOptions {
  readonly repartition: Repartition;
  readonly drain: DrainUnowned;
  readonly patience: Patience;
}

/** How far a change is. */
export interface DrainingStep extends OperationStep {
  readonly state: 'draining' | 'waiting';
  readonly from: number;
  readonly to: number;
  readonly drained: number;
  readonly open: readonly OpenPartition[];
}

export type ChangeEnd =
  /** No change is under way any more. */
  | { readonly kind: 'ended'; readonly group: GroupRecord }
  /** The time is over; the replicas continue without the caller. */
  | { readonly kind: 'late'; readonly step: DrainingStep; readonly text: string };

const MAX_NAMED = 5;

/**
 * Carries a change of a group's layout to its end, together with the replicas, or alone if there are none. Running
 * replicas finish a change without it.
 */
export class ChangeRun {
  constructor(private readonly options: ChangeRunOptions) {}

  /** @throws ABORTED, and what the steps of a change reject with */
  async finish(): Promise<ChangeEnd> {
    const { repartition, drain, patience } = this.options;
    for (;;) {
      const now = await patience.retried(() => repartition.advance(drain.lost));
      if (now.kind === 'none') return { kind: 'ended', group: now.group };
      const open = await patience.retried(() => drain.pass(now));
      if (open.length === 0) {
        const next = await patience.retried(() => repartition.advance(drain.lost));
        if (next.kind === 'none') return { kind: 'ended', group: next.group };
      }
      const { step, text } = describe(now, open);
      patience.report(step, text);
      if (patience.isOver) return { kind: 'late', step: { ...step, state: 'waiting' }, text };
      await patience.pause();
    }
  }
}

/** True if the record says that the change is complete. */
export function isInForce(change: LayoutChange, group: GroupRecord): boolean {
  if (change.deletes !== undefined) return group.deleted !== undefined;
  if (group.layout === change.number) return true;
  return change.start === undefined && group.partitions === change.to;
}

function describe(
  { group: { partitions }, change }: DrainingProgress,
  open: readonly OpenPartition[],
): { readonly step: DrainingStep; readonly text: string } {
  const drained = partitions - open.length;
  return {
    step: { state: 'draining', from: partitions, to: change.to, drained, open },
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
