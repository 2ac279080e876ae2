import type { Clock } from '../../clock.js';
import { DrainUnowned } from '../../consumer/repartition/drain-unowned.js';
import { LostGroup } from '../../consumer/repartition/lost-group.js';
import { Repartition } from '../../consumer/repartition/repartition.js';
import type { GroupRecord, LayoutChange } from '../../records/group-record.js';
import { type ChangeEnd, ChangeRun, isInForce } from './change-run.js';
import type { GroupPorts } from './group-ports.js';
import type { Patience } from './patience.js';
import { planReset, type ResetPlan } from './reset-plan.js';
import { type ResetTo, resolveTarget } from './reset-target.js';

export interface GroupOperationOptions {
  /** For texts: topic and group. */
  readonly name: string;
  readonly ports: GroupPorts;
  readonly clock: Clock;
  /** Names this process; no other may use the same name. */
  readonly owner: string;
}

export interface WantedReset {
  readonly to: ResetTo;
  /** Undefined: as many partitions as the group has. */
  readonly partitions: number | undefined;
  /** The same id again is the same reset, also after its end. */
  readonly id: string;
}

/** A reset that is understood and not begun. */
export interface PreparedReset {
  readonly plan: ResetPlan;
  /** As it stands; of a group that has lost its record as it would be made again. */
  readonly record: GroupRecord;
  readonly wanted: WantedReset;
}

export type OperationEnd =
  | { readonly kind: 'done'; readonly group: GroupRecord }
  /** Another process called it off. */
  | { readonly kind: 'cancelled'; readonly group: GroupRecord }
  /** Processes run without the group's record, and nothing is begun while they hold leases. */
  | { readonly kind: 'held'; readonly holders: readonly string[] }
  | Extract<ChangeEnd, { kind: 'late' }>;

/** Lets a group begin again at another place, with replicas running or none, and also if its record is lost. */
export class GroupReset {
  readonly #repartition: Repartition;
  readonly #lost: LostGroup;

  constructor(
    private readonly options: GroupOperationOptions,
    private readonly patience: Patience,
  ) {
    this.#repartition = new Repartition(options.name, options.ports);
    this.#lost = new LostGroup(options);
  }

  /**
   * What the reset means, without a change of anything.
   * @throws OPTIONS_INVALID, GROUP_UNKNOWN, ABORTED, JETSTREAM_REQUEST_FAILED
   */
  async prepare(wanted: WantedReset): Promise<PreparedReset> {
    const { patience } = this;
    const { ports } = this.options;
    const lost = await patience.retried(() => this.#lost.isLost());
    const target = await patience.retried(() => resolveTarget(ports, wanted.to));
    const change = { to: wanted.partitions, id: wanted.id, start: target.start };
    const record = await patience.retried(() => (lost ? this.#lost.plan(change) : this.#repartition.group()));
    const plan = await patience.retried(() => planReset(ports, record, { target, lost }));
    return { plan, record, wanted };
  }

  /**
   * Carries it out. Safe to call again with the same id, and from several processes.
   * @throws CHANGE_UNDER_WAY, GROUP_UNKNOWN, ABORTED, JETSTREAM_REQUEST_FAILED
   */
  async carryOut({ plan, record, wanted }: PreparedReset): Promise<OperationEnd> {
    const { patience } = this;
    const change = { to: wanted.partitions, id: wanted.id, start: plan.start };
    if (plan.lost) {
      const holders = await untilMade(patience, () => this.#lost.remake(change));
      if (holders.length > 0) return { kind: 'held', holders };
    }
    const group = plan.lost ? await patience.retried(() => this.#repartition.group()) : record;
    const begun = await patience.retried(() =>
      this.#repartition.begin({ ...change, to: wanted.partitions ?? group.partitions }),
    );
    if (begun !== undefined) return this.finish(begun);
    return { kind: 'done', group: await patience.retried(() => this.#repartition.group()) };
  }

  /** Continues what is under way; undefined if nothing is. */
  async resume(): Promise<OperationEnd | undefined> {
    const { change } = await this.patience.retried(() => this.#repartition.group());
    return change === undefined ? undefined : this.finish(change);
  }

  async finish(change: LayoutChange): Promise<OperationEnd> {
    return finishChange(this.#repartition, change, { ...this.options, patience: this.patience });
  }
}

/** Carries a change that has begun to its end. */
export async function finishChange(
  repartition: Repartition,
  change: LayoutChange,
  options: GroupOperationOptions & { readonly patience: Patience },
): Promise<Exclude<OperationEnd, { kind: 'held' }>> {
  const { patience } = options;
  const end = await new ChangeRun({ repartition, drain: new DrainUnowned(options), patience }).finish();
  if (end.kind === 'late') return end;
  const { group } = end;
  return { kind: isInForce(change, group) ? 'done' : 'cancelled', group };
}

/** The record of a group that has lost it is made once no process holds a lease. Resolves with those that still do. */
export async function untilMade(
  patience: Patience,
  remake: () => Promise<readonly string[]>,
): Promise<readonly string[]> {
  for (;;) {
    const holders = await patience.retried(remake);
    if (holders.length === 0 || patience.isOver) return holders;
    const step = { state: 'waiting', holders };
    patience.report(step, describeHolders(holders));
    await patience.pause();
  }
}

export function describeHolders(holders: readonly string[]): string {
  return `its record is lost and processes hold its leases: stop them (${holders.join(', ')})`;
}
