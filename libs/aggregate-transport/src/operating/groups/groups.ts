import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { inParallel } from '../../in-parallel.js';
import { isPartitionCount } from '../../message/partitioning.js';
import { Repartition } from '../../consumer/repartition/repartition.js';
import { type DeletionPlan, GroupDeletion } from './deletion.js';
import { type FollowOptions, followGroup, type FollowSample } from './follow.js';
import type { TopicGroups } from './group-ports.js';
import { type GroupDetails, type GroupSummary, readGroup, summaryOf } from './group-state.js';
import { Patience, type ProgressListener } from './patience.js';
import {
  describeHolders,
  finishChange,
  type GroupOperationOptions,
  GroupReset,
  type OperationEnd,
} from './reset.js';
import type { ResetPlan } from './reset-plan.js';
import { checkTarget, type ResetTo } from './reset-target.js';

/** What every change of a group understands. */
export interface GroupChangeOptions {
  /** Only says what would be done. @default false */
  readonly dryRun?: boolean;
  /** How long to wait for the end, in milliseconds; what has begun is carried on without the caller. @default 600 000 */
  readonly waitMs?: number;
  /** Stops waiting: the call rejects with ABORTED, and what has begun is carried on. */
  readonly signal?: AbortSignal;
  /** Hears what is waited for, at most once a second. */
  readonly onProgress?: ProgressListener;
}

export interface ResetOptions extends GroupChangeOptions {
  /** Where the group begins: `start`, `end`, `{ sequence }` or `{ time }`. */
  readonly to: ResetTo;
  /** A power of two up to 256. @default as many as the group has */
  readonly partitions?: number;
  /** The same id again is the same reset, also after its end. @default a new one */
  readonly id?: string;
}

/**
 * How a change of a group ended for the caller:
 *
 * - `planned`: nothing was changed, as `dryRun` asks.
 * - `done`: it is in force.
 * - `cancelled`: another process called it off.
 * - `waiting`: the time is over, and `why` says what it waits for. The replicas continue it.
 */
export type ChangeState = 'planned' | 'done' | 'cancelled' | 'waiting';

/** How a change of a group ended. */
export interface ChangeResult {
  /** `done`, or how far it came. */
  readonly state: ChangeState;
  /** What was waited for when the time was over. */
  readonly why: string | undefined;
}

/** How a reset ended, and where the group begins. */
export interface ResetResult extends ChangeResult {
  /** What was planned: what comes again, and what is given up. */
  readonly plan: ResetPlan;
  /** Once it is done: the first sequence that is handled, and the group's run from now on. */
  readonly from: number | undefined;
  /** The group's run from now on; undefined until it is done. */
  readonly run: number | undefined;
}

/** How a change of the number of partitions ended. */
export interface RepartitionResult extends ChangeResult {
  /** How many partitions the group had, and how many it has once it is done. */
  readonly plan: { readonly from: number; readonly to: number };
}

/** How a deletion ended, and what it removed. */
export interface DeletionResult extends ChangeResult {
  /** What was to be removed. */
  readonly plan: DeletionPlan;
}

const DEFAULT_WAIT_MS = 600_000;
const READ_AT_ONCE = 8;

export interface GroupsOptions {
  readonly clock: Clock;
  /** A name for this process, another one with every call. */
  readonly newOwner: () => string;
}

/** What an operator does with the groups of a topic. Ports in; nothing is printed. */
export class Groups {
  constructor(
    private readonly topic: TopicGroups,
    private readonly options: GroupsOptions,
  ) {}

  /** @throws JETSTREAM_REQUEST_FAILED, RECORD_INVALID */
  async list(): Promise<GroupSummary[]> {
    const names = await this.topic.names();
    return inParallel(names, READ_AT_ONCE, async (group) => summaryOf(await this.show(group)));
  }

  /** @throws GROUP_UNKNOWN, JETSTREAM_REQUEST_FAILED, RECORD_INVALID */
  show(group: string): Promise<GroupDetails> {
    return readGroup(this.topic, group, this.options.clock);
  }

  /** As {@link followGroup}. */
  follow(group: string, options: FollowOptions): AsyncGenerator<FollowSample, void, undefined> {
    return followGroup(this.topic, group, this.options.clock, options);
  }

  /** @throws OPTIONS_INVALID, GROUP_UNKNOWN, CHANGE_UNDER_WAY, ABORTED, JETSTREAM_REQUEST_FAILED */
  async reset(group: string, { to, partitions, id, ...how }: ResetOptions): Promise<ResetResult> {
    checkTarget(to);
    checkPartitions(partitions);
    const operation = this.#operation(group);
    const reset = new GroupReset(operation, this.#patience(how));
    const prepared = await reset.prepare({ to, partitions, id: id ?? operation.owner });
    const { plan } = prepared;
    if (how.dryRun === true)
      return { state: 'planned', why: undefined, plan, from: undefined, run: undefined };
    const end = await reset.carryOut(prepared);
    const isDone = end.kind === 'done';
    return {
      ...resultOf(end),
      plan,
      from: isDone ? end.group.start.sequence + 1 : undefined,
      run: isDone ? end.group.run : undefined,
    };
  }

  /** @throws OPTIONS_INVALID, GROUP_UNKNOWN, CHANGE_UNDER_WAY, ABORTED, JETSTREAM_REQUEST_FAILED */
  async repartition(
    group: string,
    partitions: number,
    how: GroupChangeOptions = {},
  ): Promise<RepartitionResult> {
    checkPartitions(partitions);
    const operation = this.#operation(group);
    const patience = this.#patience(how);
    const repartition = new Repartition(operation.name, operation.ports);
    const { partitions: from } = await patience.retried(() => repartition.group());
    const plan = { from, to: partitions };
    if (how.dryRun === true) return { state: 'planned', why: undefined, plan };
    const change = await patience.retried(() => repartition.begin({ to: partitions }));
    if (change === undefined) return { state: 'done', why: undefined, plan };
    return { ...resultOf(await finishChange(repartition, change, { ...operation, patience })), plan };
  }

  /** @throws GROUP_UNKNOWN, CHANGE_UNDER_WAY, ABORTED, JETSTREAM_REQUEST_FAILED */
  async delete(group: string, how: GroupChangeOptions = {}): Promise<DeletionResult> {
    const deletion = new GroupDeletion(this.#operation(group), this.#patience(how));
    const plan = await deletion.plan();
    if (how.dryRun === true) return { state: 'planned', why: undefined, plan };
    const end = await deletion.carryOut(plan);
    if (end.kind !== 'replicas stay') return { ...resultOf(end), plan };
    const why = `the group is deleted, and replicas do not let go of it: end ${end.replicas.join(', ')}`;
    return { state: 'waiting', why, plan };
  }

  /**
   * Calls off the reset, the deletion or the change of partitions that is under way. Resolves with false if none is.
   * @throws GROUP_UNKNOWN, JETSTREAM_REQUEST_FAILED
   */
  cancel(group: string): Promise<boolean> {
    const { name, ports } = this.#operation(group);
    return this.#patience({}).retried(() => new Repartition(name, ports).cancel());
  }

  #operation(group: string): GroupOperationOptions {
    const { topic } = this;
    const { clock, newOwner } = this.options;
    const name = `topic "${topic.topic}", group "${group}"`;
    return { name, ports: topic.portsOf(group), clock, owner: newOwner() };
  }

  #patience({ waitMs = DEFAULT_WAIT_MS, signal, onProgress }: GroupChangeOptions): Patience {
    return new Patience({ clock: this.options.clock, waitMs, signal, heard: onProgress });
  }
}

function resultOf(end: OperationEnd): ChangeResult {
  if (end.kind === 'held') return { state: 'waiting', why: describeHolders(end.holders) };
  if (end.kind === 'late') return { state: 'waiting', why: end.text };
  return { state: end.kind, why: undefined };
}

/** @throws OPTIONS_INVALID */
function checkPartitions(partitions: number | undefined): void {
  if (partitions === undefined || isPartitionCount(partitions)) return;
  throw new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected a power of two from 1 to 256 partitions, found ${partitions}`,
  );
}
