import { counted } from '../counted.js';
import type { Clock, Timer } from '../clock.js';
import type { LogAt } from '../log.js';
import { assign } from './ownership/assignment.js';
import type { Presence } from './ownership/presence.js';
import type { Session } from './ownership/session.js';
import type { Partition, PartitionListener } from './partition.js';

export interface ReplicaGroupOptions {
  /** For log texts: topic and group. */
  readonly name: string;
  /** This process as a replica. */
  readonly session: Session;
  /** The other replicas. */
  readonly presence: Presence;
  readonly partitions: readonly Partition[];
  readonly clock: Clock;
  readonly log: LogAt<'group'>;
}

/** Of ttls: replicas that join together are waited for before anything is handed over. */
const SETTLES_PER_TTL = 0.2;
/** Replicas that keep joining put a hand-over off for so many times as long, not for ever. */
const MAX_SETTLES = 5;
/** A replica that did not take what was released for it gets nothing from here for so many ttls. */
const TTLS_OF_REFUSAL = 20;
/** To take the record of this replica away. */
const RETIRES_WITHIN_MS = 3_000;

/**
 * Shares the partitions of a topic and group evenly among the live replicas. What is free is sought at once. What is
 * held and meant for another replica is handed over when the set of replicas has stood still for a moment. The lease
 * alone decides which process runs a partition.
 */
export class ReplicaGroup implements PartitionListener {
  #partitions: readonly Partition[] = [];
  #members: readonly string[] = [];
  #told = '';
  #firstChangeAt: number | undefined;
  #isSettled = false;
  #settleTimer: Timer | undefined;
  #scheduled = false;
  #closed = false;
  /** The replica that each partition is released for, and the epoch that ends with it. */
  readonly #givenTo = new Map<number, { readonly to: string; readonly epoch: number }>();
  /** Replicas that do not take what they get, and until when they get nothing. */
  readonly #refusing = new Map<string, number>();

  constructor(private readonly options: ReplicaGroupOptions) {
    options.presence.changed = () => this.#membersChanged();
    this.#watch(options.partitions);
  }

  /** Those that are shared, of one layout. */
  get partitions(): readonly Partition[] {
    return this.#partitions;
  }

  /** The live replicas of the group, this one included, as far as this process sees. */
  get members(): readonly string[] {
    return this.#members;
  }

  holderChanged(): void {
    this.#schedule();
  }

  survived(partition: number, epoch: number): void {
    this.options.session.noteSurvived(partition, epoch);
  }

  /** True if that replica has lost the partition's lease of that epoch and lives. */
  hasSurvived(member: string, partition: number, epoch: number): boolean {
    return this.options.presence.hasSurvived(member, partition, epoch);
  }

  /** True if another replica handles this event type, or may. */
  handlesElsewhere(type: string): boolean {
    return this.options.presence.handlesElsewhere(type);
  }

  /** Begins to take part. */
  start(): void {
    if (this.#closed) return;
    this.options.session.start();
    this.options.presence.start();
    // No partition may stay without an owner, even if no replica can be seen.
    for (const partition of this.partitions) partition.start();
  }

  /**
   * Shares these from now on, instead of those of the layout before. Each begins to take part when the caller starts
   * it: as long as this process is not ready for one, another replica takes it.
   */
  follow(partitions: readonly Partition[]): void {
    this.#givenTo.clear();
    this.options.session.forgetSurvived();
    this.#watch(partitions);
    this.#schedule();
  }

  #watch(partitions: readonly Partition[]): void {
    for (const partition of this.#partitions) partition.watch(undefined);
    this.#partitions = partitions;
    for (const partition of partitions) partition.watch(this);
  }

  /** As {@link Partition.close}, for all of them; the other replicas are told first. */
  async close(withinMs: number): Promise<boolean> {
    this.#closed = true;
    this.#settleTimer?.cancel();
    const { session, presence, clock } = this.options;
    const until = clock.now() + withinMs;
    session.leaveGroup();
    const drained = await Promise.all(this.partitions.map((partition) => partition.close(withinMs)));
    const isAtRest = !drained.includes(false);
    await session.end(isAtRest, until - clock.now());
    presence.close();
    return isAtRest;
  }

  /** The group was deleted: its partitions halt, and this process leaves it. Safe to call twice. */
  async retire(reason: string): Promise<void> {
    this.#closed = true;
    this.#settleTimer?.cancel();
    const { session, presence } = this.options;
    for (const partition of this.partitions) partition.retire(reason);
    session.leaveGroup();
    await session.end(true, RETIRES_WITHIN_MS);
    presence.close();
  }

  #membersChanged(): void {
    const { clock, presence, session } = this.options;
    const { members } = presence;
    if (members.join() === this.#members.join()) return;
    this.#members = members;
    const now = clock.now();
    const settleMs = SETTLES_PER_TTL * session.ttlMs;
    this.#firstChangeAt ??= now;
    const settlesAt = Math.min(now + settleMs, this.#firstChangeAt + MAX_SETTLES * settleMs);
    this.#isSettled = false;
    this.#settleTimer?.cancel();
    this.#settleTimer = clock.after(settlesAt - now, () => {
      this.#firstChangeAt = undefined;
      this.#isSettled = true;
      this.#follow();
    });
    this.#follow();
  }

  /** Many partitions may change hands at once. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.options.clock.nextTurn(() => {
      this.#scheduled = false;
      this.#follow();
    });
  }

  #follow(): void {
    if (this.#closed || this.#members.length === 0) return;
    const { clock, session } = this.options;
    const { member } = session;
    const now = clock.now();
    this.#noteRefusals(now);
    const members = this.#members.filter((one) => (this.#refusing.get(one) ?? 0) <= now);
    const owners = this.partitions.map(({ lease }) => lease.holder);
    const assigned = assign({ members, owners });
    this.#tell(assigned);
    for (const partition of this.partitions) {
      const to = assigned[partition.partition];
      const { mode, epoch } = partition.lease;
      if (to === member) this.#givenTo.delete(partition.partition);
      else if (mode === 'held') {
        if (!this.#isSettled || partition.isDraining) continue;
        if (to !== undefined) this.#givenTo.set(partition.partition, { to, epoch });
      }
      partition.assign(to === member);
    }
  }

  /** A partition released for a live replica was not taken there: its lease came back here by default. */
  #noteRefusals(now: number): void {
    const { clock, session } = this.options;
    for (const [partition, { to, epoch }] of this.#givenTo) {
      const lease = this.partitions[partition]?.lease;
      if (lease?.holder === to || !this.#members.includes(to)) this.#givenTo.delete(partition);
      else if (lease?.mode === 'held' && lease.epoch > epoch) {
        this.#givenTo.delete(partition);
        const forMs = TTLS_OF_REFUSAL * session.ttlMs;
        this.#refusing.set(to, now + forMs);
        clock.after(forMs + 1, () => this.#follow());
      }
    }
    for (const [member, until] of this.#refusing) if (until <= now) this.#refusing.delete(member);
  }

  #tell(assigned: readonly (string | undefined)[]): void {
    const { name, session, log } = this.options;
    const own = assigned.flatMap((one, partition) => (one === session.member ? [partition] : []));
    const { length: replicas } = this.#members;
    const text =
      `${counted(replicas, 'replica')} ${replicas === 1 ? 'shares' : 'share'} ${counted(assigned.length, 'partition')}, ` +
      `this one takes ${own.length === 0 ? 'none' : own.join(', ')}`;
    if (text === this.#told) return;
    this.#told = text;
    const fields = { replicas, partitions: assigned.length, owned: own };
    log.write('partitions-shared', fields, `${name}: ${text}`);
  }
}
