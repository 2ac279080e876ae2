import { isSabotaged, reached } from '#sabotage';
import type { Timer } from '../clock.js';
import { Presence } from '../consumer/ownership/presence.js';
import { Session } from '../consumer/ownership/session.js';
import type { GroupView } from '../consumer/partition-options.js';
import type { Partition } from '../consumer/partition.js';
import { tellChange, tellDeletion } from '../consumer/repartition/change-texts.js';
import { Repartition } from '../consumer/repartition/repartition.js';
import { ReplicaGroup } from '../consumer/replica-group.js';
import { SeenEvents } from '../consumer/seen-events.js';
import { logAt } from '../log.js';
import { newEventId } from '../message/event-id.js';
import { type DeletedGroup, type GroupRecord, isCancelled, sourcesOf } from '../records/group-record.js';
import { GroupLog } from './group-log.js';
import { type GroupOptions, type OpenedLayout, openGroup, type Replica } from './open-group.js';
import type { GroupWire } from './wires.js';

/** How long a replica may not notice what the group's record says; an announcement brings it at once, as a rule. */
const READ_EVERY_MS = 1_000;
const READ_WHILE_DRAINING_EVERY_MS = 200;
const REPORT_EVERY_MS = 30_000;
/** Where the count of a session's beats begins is drawn below this. */
const BEATS_FROM = 2 ** 40;
const CHECK_OLD_CONSUMERS_EVERY_MS = 60_000;

/** A group of this process's handlers on a topic. */
export interface ServedGroup {
  readonly topic: string;
  readonly group: string;
  /** The layout that this process follows; see {@link GroupRecord}. */
  readonly layout: number;
  /** Those of the layout this process follows, whether it owns them or waits for them. */
  readonly partitions: readonly Partition[];
  /** This process as one of the group's replicas. */
  readonly replicas: Pick<ReplicaGroup, 'members'>;
}

type Mode = 'idle' | 'working' | 'draining' | 'deleted' | 'closed';

const MAY_COME_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  idle: [],
  working: ['idle', 'working', 'draining'],
  draining: ['working'],
  deleted: ['working', 'draining'],
  closed: ['idle', 'working', 'draining', 'deleted', 'closed'],
};

/** This process as a replica of a group, under one name over all layouts. */
class FollowingReplica implements Replica {
  readonly session: Session;
  readonly others: Presence;
  readonly events = new SeenEvents();
  /** What the record said last. */
  seen: GroupRecord | undefined;
  replicas: ReplicaGroup | undefined;

  constructor({ link, group, handlers, clock, log }: GroupOptions) {
    const shared = {
      name: `topic "${link.topic.name}", group "${group}"`,
      port: link.wire.presencePort(group),
      seen: this.events,
      handles: handlers.handled,
      ...{ clock, log: logAt<'group'>(log, { topic: link.topic.name, group }) },
    };
    const member = newEventId(clock.wallNow());
    const firstBeat = Math.floor(Math.random() * BEATS_FROM);
    this.session = new Session({ ...shared, member, firstBeat, ttlMs: link.topic.consume.leaseTtlMs });
    this.others = new Presence({ ...shared, session: this.session });
  }

  viewOf({ record }: GroupWire): GroupView {
    this.seen ??= record;
    return {
      record,
      seen: this.events,
      isCancelled: (change) => this.seen !== undefined && isCancelled(change, record.layout, this.seen),
      handlesElsewhere: (type) => this.replicas?.handlesElsewhere(type) === true,
      hasSurvived: (owner, partition, epoch) => this.replicas?.hasSurvived(owner, partition, epoch) === true,
    };
  }
}

/**
 * A group of handlers in this process, which follows the group's record. Its modes:
 *
 * - `idle`: opened, takes no part. Left by {@link start}.
 * - `working`: partitions of the layout in force are shared with the other replicas, and owned.
 * - `draining`: the record says that the layout changes. Partitions are drained by their owners. When all are, this
 *   process takes the next steps like any other. Left for `working` when the record has another layout, whose
 *   partitions take the place of these, or when the change is cancelled.
 * - `deleted`: the record says that the group is deleted. Its partitions are halted, and nothing is followed any more:
 *   only a new start of the process begins a group of that name.
 * - `closed`: the end.
 */
export class Group implements ServedGroup {
  readonly topic: string;
  readonly group: string;
  readonly replicas: ReplicaGroup;
  readonly #name: string;
  readonly #log: GroupLog;
  #mode: Mode = 'idle';
  #timer: Timer | undefined;
  #reading: Promise<void> | undefined;
  #again = false;
  #failing = false;
  #reportAt = 0;
  #advanceAt = 0;
  #checkOldConsumersAt = 0;

  private constructor(
    private readonly options: GroupOptions,
    private opened: OpenedLayout,
    private readonly replica: FollowingReplica,
  ) {
    const { link, group, clock, log } = options;
    const { name: topic } = link.topic;
    this.topic = topic;
    this.group = group;
    this.#name = `topic "${topic}", group "${group}"`;
    const placed = logAt<'group'>(log, { topic, group });
    this.#log = new GroupLog(this.#name, placed);
    this.replicas = new ReplicaGroup({
      name: this.#name,
      session: replica.session,
      presence: replica.others,
      partitions: opened.partitions,
      clock,
      log: placed,
    });
    replica.replicas = this.replicas;
    opened.wire.recordPort.onHint(() => this.#read());
  }

  /** @throws as {@link openGroup} */
  static async open(options: GroupOptions): Promise<Group> {
    const replica = new FollowingReplica(options);
    return new Group(options, await openGroup(options, replica), replica);
  }

  get layout(): number {
    return this.opened.wire.record.layout;
  }

  get partitions(): readonly Partition[] {
    return this.opened.partitions;
  }

  start(): void {
    if (this.#mode !== 'idle') return;
    this.#enter('working');
    const { record } = this.opened.wire;
    this.#log.served(record, this.replica.session.member);
    this.replicas.start();
    this.#read();
  }

  /** As {@link ReplicaGroup.close}. */
  async close(withinMs: number): Promise<boolean> {
    this.#enter('closed');
    this.#timer?.cancel();
    this.opened.wire.recordPort.close();
    const [isDrained] = await Promise.all([this.replicas.close(withinMs), this.#reading]);
    return isDrained;
  }

  #read(): void {
    if (this.#mode === 'idle' || this.#isOver() || isSabotaged('record-unread')) return;
    if (this.#reading !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#reading = this.#follow().finally(() => {
      this.#reading = undefined;
      if (this.#isOver()) return;
      const next = this.#mode === 'draining' ? READ_WHILE_DRAINING_EVERY_MS : READ_EVERY_MS;
      this.#timer = this.options.clock.after(this.#again ? 0 : next, () => this.#read());
      this.#again = false;
    });
  }

  async #follow(): Promise<void> {
    try {
      const { value } = await this.opened.wire.recordPort.read();
      if (value !== undefined && !this.#isClosed()) await this.#obey(value);
      await this.#checkOldConsumers();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing && !this.#isClosed()) this.#log.notRead(error);
      this.#failing = true;
    }
  }

  async #obey(record: GroupRecord): Promise<void> {
    const { clock } = this.options;
    const { partitions } = record;
    this.replica.seen = record;
    if (record.deleted !== undefined) return this.#retire(record.deleted);
    if (record.layout !== this.layout) return this.#move(record);
    const { change } = record;
    if (change === undefined) {
      if (this.#mode !== 'draining') return;
      this.#enter('working');
      this.#log.changeCancelled(partitions);
      for (const partition of this.partitions) partition.resume();
      return;
    }
    if (this.#mode !== 'draining') {
      this.#enter('draining');
      this.#reportAt = clock.now() + REPORT_EVERY_MS;
      this.#log.changeBegun(partitions, change.number, tellChange(change));
      reached('repartition: draining');
    }
    for (const partition of this.partitions) partition.drainFor(change.number);
    await this.#advance(change.number);
  }

  /** A replica that has drained its share continues the change: the command that began it may be gone. */
  async #advance(change: number): Promise<void> {
    const { clock } = this.options;
    const isHereDrained = this.partitions.every(
      ({ lease, consumer }) => lease.mode !== 'held' || consumer.drainedFor === change,
    );
    if (!isHereDrained || clock.now() < this.#advanceAt || isSabotaged('command-goes-on-alone')) return;
    // Each try reads the positions of all partitions: replicas that own none leave it to the others for a while.
    const ownsSome = this.partitions.some(({ lease }) => lease.mode === 'held');
    this.#advanceAt = clock.now() + (ownsSome ? 0 : READ_EVERY_MS);
    const progress = await new Repartition(this.#name, this.opened.wire.repartitionPorts).advance();
    if (progress.kind === 'none') {
      this.#again = true;
    } else if (clock.now() >= this.#reportAt) {
      this.#reportAt = clock.now() + REPORT_EVERY_MS;
      this.#log.changeWaits(change, progress.open);
    }
  }

  /** Another layout is in force. */
  async #move(record: GroupRecord): Promise<void> {
    const opened = await openGroup(this.options, this.replica, { mustExist: true });
    if (this.#isClosed()) {
      await Promise.all(opened.partitions.map((partition) => partition.close(0)));
      return;
    }
    const before = this.opened;
    before.wire.recordPort.close();
    opened.wire.recordPort.onHint(() => this.#read());
    this.opened = opened;
    this.replica.seen = opened.wire.record;
    this.#enter('working');
    this.#again = true;
    this.#log.layoutFollowed(opened.partitions.length, record.layout);
    reached('repartition: layout opened');
    const left = before.partitions.map((partition) => partition.leave());
    this.replicas.follow(opened.partitions);
    const [from, to] = [left.length, opened.partitions.length];
    for (const partition of opened.partitions) {
      // A handler that outlived its lease keeps its aggregate's next event from starting in this process.
      const sources = sourcesOf(partition.partition, to, from).map((source) => Promise.resolve(left[source]));
      void Promise.all(sources).then(() => this.opened === opened && !this.#isClosed() && partition.start());
    }
  }

  /** It was drained for that, by this process or another, so no handler of a valid owner runs. */
  async #retire(deleted: DeletedGroup): Promise<void> {
    this.#enter('deleted');
    const { why, todo } = tellDeletion(deleted);
    this.#log.deleted(why, todo);
    this.opened.wire.recordPort.close();
    await this.replicas.retire(why);
    reached('delete: replica retired');
  }

  /** A release with acks beside this one would handle every event a second time. */
  async #checkOldConsumers(): Promise<void> {
    const { clock } = this.options;
    if (clock.now() < this.#checkOldConsumersAt) return;
    this.#checkOldConsumersAt = clock.now() + CHECK_OLD_CONSUMERS_EVERY_MS;
    const found = await this.opened.wire.oldConsumers();
    if (found.length > 0) this.#log.oldConsumers(found);
  }

  #isClosed(): boolean {
    return this.#mode === 'closed';
  }

  #isOver(): boolean {
    return this.#mode === 'deleted' || this.#isClosed();
  }

  #enter(mode: Mode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode)) {
      throw new Error(`${this.#name}: a group cannot go from ${this.#mode} to ${mode}`);
    }
    this.#mode = mode;
  }
}
