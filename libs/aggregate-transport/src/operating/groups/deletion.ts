import { reached } from '#sabotage';
import { LostGroup } from '../../consumer/repartition/lost-group.js';
import { Repartition } from '../../consumer/repartition/repartition.js';
import { AggregateTransportError } from '../../errors.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import type { GroupRecord } from '../../records/group-record.js';
import { type GroupPorts, type GroupRemains, recordOf } from './group-ports.js';
import { LivingReplicas } from './living-replicas.js';
import type { Patience } from './patience.js';
import { finishChange, type GroupOperationOptions, type OperationEnd, untilMade } from './reset.js';

/**
 * Where a deletion stands:
 *
 * - `none`: the group lives. `lost`: it may, but its record is lost.
 * - `draining`: its partitions come to rest; until they are, the deletion can be called off.
 * - `removing`: the group is deleted, and something of it is left to remove.
 * - `removed`: done; a group of its name may begin.
 */
export type DeletionState = 'none' | 'lost' | 'draining' | 'removing' | 'removed';

/** What the deletion of a group removes. */
export interface DeletionPlan {
  /** How far a deletion has come. */
  readonly state: DeletionState;
  /** How many the group has. */
  readonly partitions: number;
  /** How often the group began again. */
  readonly run: number;
  /** When the deletion began, if it has. */
  readonly begunAt: Date | undefined;
  /** What is removed. */
  readonly remains: GroupRemains;
}

export type DeletionEnd =
  | Exclude<OperationEnd, { kind: 'done' }>
  | { readonly kind: 'done'; readonly group: GroupRecord; readonly removed: GroupRemains }
  /** The group is deleted, but these replicas do not let go; nothing of it was removed yet. */
  | { readonly kind: 'replicas stay'; readonly replicas: readonly string[] };

/**
 * Deletes a group, with replicas running or none. Killed at any step it is carried on by the same call again.
 *
 * 1. `deletes` is written into the group's record as a change of its layout, and all partitions are drained for it; see
 *    {@link Repartition}. Until step 2 it can be called off.
 * 2. Tombstone: the record is replaced, against the revision at which the marks were read. Epoch, run and the count of
 *    changes stay. From here on no replica starts anything, and no process can begin a group of this name.
 * 3. Replicas that see the tombstone halt and take their session away. Those that stand still are waited for as long as
 *    their sessions last.
 * 4. What is left is listed, and the record is read again. Only if it still is that tombstone, what was listed is
 *    removed: letters and markers, then positions, then leases. A call that slept meanwhile can remove nothing of a
 *    later group of the name, because that wrote later than the list.
 * 5. A position is not purged but deleted: an owner that slept through everything finds that one was there, and halts.
 * 6. When a list shows nothing more, the record says `removed`, by compare-and-set. Now a group of the name may begin:
 *    in the next run, above the last epoch, in a layout whose keys were never used.
 */
export class GroupDeletion {
  readonly #repartition: Repartition;
  readonly #lost: LostGroup;
  readonly #ports: GroupPorts;

  constructor(
    private readonly options: GroupOperationOptions,
    private readonly patience: Patience,
  ) {
    this.#ports = options.ports;
    this.#repartition = new Repartition(options.name, options.ports);
    this.#lost = new LostGroup(options);
  }

  /**
   * What is deleted, without a change of anything.
   * @throws GROUP_UNKNOWN, ABORTED, JETSTREAM_REQUEST_FAILED
   */
  async plan(): Promise<DeletionPlan> {
    const { patience } = this;
    const { value } = await patience.retried(() => recordOf(this.#ports));
    const record = value ?? (await patience.retried(() => this.#lost.plan(this.#change())));
    const remains = await patience.retried(() => this.#ports.remains());
    const begunAt = record.deleted?.at ?? (value === undefined ? undefined : record.change?.deletes?.at);
    return {
      state: value === undefined ? 'lost' : stateOf(record),
      partitions: record.partitions,
      run: record.run,
      begunAt: begunAt === undefined ? undefined : new Date(begunAt),
      remains,
    };
  }

  /**
   * Carries it out, or on. Safe to call again, and from several processes.
   * @throws CHANGE_UNDER_WAY, GROUP_UNKNOWN, ABORTED, JETSTREAM_REQUEST_FAILED
   */
  async carryOut({ state }: Pick<DeletionPlan, 'state'>): Promise<DeletionEnd> {
    const { patience } = this;
    if (state === 'lost') {
      const holders = await untilMade(patience, () => this.#lost.remake(this.#change()));
      if (holders.length > 0) return { kind: 'held', holders };
    }
    if (state !== 'removing' && state !== 'removed') {
      const change = { ...this.#change(), to: await this.#partitions() };
      const begun = await patience.retried(() => this.#repartition.begin(change));
      if (begun !== undefined) {
        const end = await finishChange(this.#repartition, begun, { ...this.options, patience });
        if (end.kind !== 'done') return end;
      }
    }
    return this.#remove();
  }

  /** Calls it off. Resolves with false if there is nothing to call off, or if the group is deleted already. */
  cancel(): Promise<boolean> {
    return this.patience.retried(() => this.#repartition.cancel());
  }

  async #remove(): Promise<DeletionEnd> {
    const { patience } = this;
    let removed: GroupRemains | undefined;
    const living = new LivingReplicas(this.#ports.sessions, this.options.clock);
    for (;;) {
      const { value, revision } = await patience.retried(() => recordOf(this.#ports));
      if (value === undefined) throw this.#gone();
      const remains = await patience.retried(() => this.#ports.remains());
      removed = sumOf(removed, remains);
      // A later group of the name has begun: the deletion was complete.
      if (value.deleted === undefined || value.deleted.removed === true)
        return { kind: 'done', group: value, removed };
      const replicas = await patience.retried(() => living.names());
      if (replicas.length > 0) {
        if (patience.isOver) return { kind: 'replicas stay', replicas };
        const step = { state: 'leaving', replicas };
        patience.report(step, `deleted; replicas are still letting go of it: ${replicas.join(', ')}`);
        await patience.pause();
        continue;
      }
      if (isEmpty(remains)) {
        const group = { ...value, deleted: { ...value.deleted, removed: true as const } };
        const written = await patience.retried(() => this.#ports.group.write(group, revision));
        if (written !== undefined) {
          reached('delete: complete');
          return { kind: 'done', group, removed };
        }
      } else await patience.retried(() => this.#removeListed(remains, revision));
    }
  }

  /** Removes what was listed if the record still is of that revision: nothing listed is of a later group then. */
  async #removeListed(remains: GroupRemains, revision: number): Promise<void> {
    const ports = this.#ports;
    if ((await recordOf(ports)).revision !== revision) return;
    reached('delete: replicas gone');
    await ports.removeParked(remains);
    reached('delete: letters removed');
    await inParallel(remains.places, REQUESTS_AT_ONCE, (place) => ports.removePosition(place));
    reached('delete: positions removed');
    await ports.removeLeases(remains);
    reached('delete: leases removed');
    await new LivingReplicas(ports.sessions, this.options.clock).removeAll();
  }

  #change(): { to: undefined; deletes: { at: number } } {
    return { to: undefined, deletes: { at: this.options.clock.wallNow() } };
  }

  async #partitions(): Promise<number> {
    const { value } = await this.patience.retried(() => recordOf(this.#ports));
    return value?.partitions ?? 0;
  }

  #gone(): AggregateTransportError {
    return new AggregateTransportError(
      'RECORD_MISSING',
      `expected the tombstone of ${this.options.name}, found none: it was deleted by hand; run the deletion again`,
    );
  }
}

function stateOf({ change, deleted }: GroupRecord): DeletionState {
  if (deleted !== undefined) return deleted.removed === true ? 'removed' : 'removing';
  return change?.deletes === undefined ? 'none' : 'draining';
}

function isEmpty({ aggregates, letters, positions, leases, replicas }: GroupRemains): boolean {
  return aggregates + letters + positions + leases + replicas === 0;
}

/** What several passes have found. */
function sumOf(before: GroupRemains | undefined, now: GroupRemains): GroupRemains {
  if (before === undefined) return now;
  return {
    ...now,
    aggregates: Math.max(before.aggregates, now.aggregates),
    letters: Math.max(before.letters, now.letters),
    positions: Math.max(before.positions, now.positions),
    leases: Math.max(before.leases, now.leases),
    replicas: Math.max(before.replicas, now.replicas),
  };
}
