import { isSabotaged, reached } from '#sabotage';
import type { Timer } from '../clock.js';
import type { Partition } from '../consumer/partition.js';
import { ReplicaGroup } from '../consumer/replica-group.js';
import { Repartition } from '../consumer/repartition/repartition.js';
import { describeError } from '../errors.js';
import { newEventId } from '../message/event-id.js';
import { type GroupLayout, isCancelled, sourcesOf } from '../records/group-record.js';
import { type GroupConsumerOptions, type OpenedLayout, openGroup } from './open-group.js';

/** How long a replica may not notice what the group's record says; a hint brings it at once, as a rule. */
const LOOK_EVERY_MS = 1_000;
const LOOK_WHILE_DRAINING_EVERY_MS = 200;
const REPORT_EVERY_MS = 30_000;

interface Follower {
  /** Names this process in presence and leases. */
  readonly owner: string;
  /** What the record said last. */
  seen: GroupLayout;
}

/** A group of this process's handlers on a topic. */
export interface ServedGroup {
  readonly topic: string;
  readonly group: string;
  /** Those of the layout this process follows, whether it owns them or waits for them. */
  readonly partitions: readonly Partition[];
  /** This process as one of the group's replicas. */
  readonly replicas: Pick<ReplicaGroup, 'members'>;
}

/**
 * A group of handlers in this process, which follows the group's record. The process is one of the group's replicas, under
 * one name, over all layouts. Its modes:
 *
 * - `idle`: opened, takes no part. Left by {@link start}.
 * - `working`: partitions of the layout in force are shared with the other replicas, and owned.
 * - `draining`: the record says that the layout changes. Partitions are drained, by whoever owns them; when all are,
 *   this process takes the next steps like any other. Left for `working` when the record has another layout, whose
 *   partitions take the place of these, or when the change is cancelled.
 * - `closed`: the end.
 */
export class Group implements ServedGroup {
  #mode: 'idle' | 'working' | 'draining' | 'closed' = 'idle';
  #opened: OpenedLayout;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #failing = false;
  #reportAt = 0;
  readonly #name: string;
  readonly topic: string;
  readonly group: string;
  readonly replicas: ReplicaGroup;

  private constructor(
    private readonly options: GroupConsumerOptions,
    opened: OpenedLayout,
    private readonly follower: Follower,
  ) {
    const { link, group, clock, log } = options;
    const { name: topic, consume } = link.topic;
    this.topic = topic;
    this.group = group;
    this.#opened = opened;
    this.#name = `topic "${topic}", group "${group}"`;
    this.replicas = new ReplicaGroup({
      name: this.#name,
      member: follower.owner,
      leaseTtlMs: consume.leaseTtlMs,
      presencePort: link.wire.presencePort(group),
      partitions: opened.partitions,
      clock,
      log,
    });
    opened.wire.layoutPort?.onHint(() => this.#look());
  }

  /** @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED */
  static async open(options: GroupConsumerOptions): Promise<Group> {
    const follower: Follower = {
      owner: newEventId(options.clock.wallNow()),
      seen: { partitions: 1, layout: 0, changes: 0 },
    };
    const opened = await openLayout(options, follower);
    follower.seen = opened.wire.layout;
    return new Group(options, opened, follower);
  }

  /** The partitions of the layout that this process follows, whether it owns them or waits for them. */
  get partitions(): readonly Partition[] {
    return this.#opened.partitions;
  }

  start(): void {
    if (this.#mode !== 'idle') return;
    this.#mode = 'working';
    this.replicas.start();
    this.#look();
  }

  /** As {@link ReplicaGroup.close}. */
  async close(withinMs: number): Promise<boolean> {
    this.#mode = 'closed';
    this.#timer?.cancel();
    this.#opened.wire.layoutPort?.close();
    const [drained] = await Promise.all([this.replicas.close(withinMs), this.#looking]);
    return drained;
  }

  #look(): void {
    if (this.#mode === 'idle' || this.#isClosed() || this.#opened.wire.layoutPort === undefined) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#looking = this.#follow().finally(() => {
      this.#looking = undefined;
      if (this.#isClosed()) return;
      const next = this.#mode === 'draining' ? LOOK_WHILE_DRAINING_EVERY_MS : LOOK_EVERY_MS;
      this.#timer = this.options.clock.after(this.#again ? 0 : next, () => this.#look());
      this.#again = false;
    });
  }

  async #follow(): Promise<void> {
    const { log } = this.options;
    try {
      const found = await this.#opened.wire.layoutPort?.read();
      if (found !== undefined && !this.#isClosed()) await this.#obey(found.value);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        log.warn(`${this.#name}: its record cannot be followed, trying on: ${describeError(error)}`);
      this.#failing = true;
    }
  }

  async #obey(layout: GroupLayout): Promise<void> {
    const { log } = this.options;
    this.follower.seen = layout;
    if (layout.layout !== this.#opened.wire.layout.layout) return this.#move(layout);
    const { change } = layout;
    if (change === undefined) {
      if (this.#mode !== 'draining') return;
      this.#mode = 'working';
      log.warn(`${this.#name}: the change of its partitions was cancelled, ${layout.partitions} stay`);
      for (const partition of this.partitions) partition.resume();
      return;
    }
    if (this.#mode !== 'draining') {
      this.#mode = 'draining';
      this.#reportAt = this.options.clock.now() + REPORT_EVERY_MS;
      log.warn(
        `${this.#name}: its ${layout.partitions} partitions become ${change.to}; nothing new starts until all are drained`,
      );
      reached('repartition: draining');
    }
    for (const partition of this.partitions) partition.drainFor(change.number);
    await this.#advance(change.number);
  }

  /** Whoever sees that all is drained goes on: the command that began the change may be gone. */
  async #advance(change: number): Promise<void> {
    const { clock, log } = this.options;
    const open = this.partitions.filter(({ lease }) => lease.drainedFor !== change);
    const ports = this.#opened.wire.repartitionPorts;
    if (open.length === 0 && isSabotaged('command-goes-on-alone')) return;
    if (open.length === 0 && ports !== undefined) {
      const progress = await new Repartition(this.#name, ports).advance();
      if (progress.kind === 'none') this.#again = true;
    } else if (clock.now() >= this.#reportAt) {
      this.#reportAt = clock.now() + REPORT_EVERY_MS;
      const held = open.map(({ partition }) => partition).join(', ');
      log.error(
        `${this.#name}: partitions ${held} are not drained yet; handlers run there, or nobody owns them. ` +
          'npx aggregate-transport repartition tells which; with --cancel it calls the change off',
      );
    }
  }

  /** Another layout is in force. */
  async #move(layout: GroupLayout): Promise<void> {
    const { log } = this.options;
    const opened = await openLayout(this.options, this.follower);
    if (this.#isClosed()) {
      await Promise.all(opened.partitions.map((partition) => partition.close(0)));
      return;
    }
    const before = this.#opened;
    before.wire.layoutPort?.close();
    opened.wire.layoutPort?.onHint(() => this.#look());
    this.#opened = opened;
    this.#mode = 'working';
    this.#again = true;
    log.info(
      `${this.#name}: has ${opened.partitions.length} partitions from now on (layout ${layout.layout})`,
    );
    reached('repartition: layout opened');
    const left = before.partitions.map((partition) => partition.leave());
    this.replicas.follow(opened.partitions);
    const [from, to] = [left.length, opened.partitions.length];
    for (const partition of opened.partitions) {
      // A handler that outlived its lease keeps its aggregate's next event from starting in this process.
      const sources = sourcesOf(partition.partition, to, from).map((source) => Promise.resolve(left[source]));
      void Promise.all(sources).then(() => this.#opened === opened && !this.#isClosed() && partition.start());
    }
  }

  #isClosed(): boolean {
    return this.#mode === 'closed';
  }
}

function openLayout(options: GroupConsumerOptions, follower: Follower): Promise<OpenedLayout> {
  let of = 0;
  const opening = openGroup(options, {
    owner: follower.owner,
    isCancelled: (change) => isCancelled(change, of, follower.seen),
  });
  return opening.then((opened) => {
    of = opened.wire.layout.layout;
    return opened;
  });
}
