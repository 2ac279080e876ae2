import type { RepartitionPorts } from '#library/consumer/repartition/repartition-ports.js';
import { Repartition } from '#library/consumer/repartition/repartition.js';
import { type GroupRecord, isCancelled } from '#library/records/group-record.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import { decodeSequences, encodeSequences, type PositionRecord } from '#library/records/position-record.js';
import type { KeptEvent } from './group-keys.js';
import { isSettled, positionOf, without } from './positions.js';
import type { Dice, Process, Schedule } from './walk-schedule.js';
import type { Start, World } from './walk-world.js';

const TTL_MS = 1_000;
const MARGIN_MS = 200;

/** A partition as a replica of the walk owns it. */
interface Owned {
  readonly partition: number;
  epoch: number;
  revision: number;
  deadline: number;
  /** Undefined until the claim stands. */
  position: { readonly claimed: PositionRecord; stored: PositionRecord; revision: number } | undefined;
  readonly handled: Set<number>;
  readThrough: number;
  write: number;
}

export interface ReplicaOptions {
  readonly world: World;
  readonly schedule: Schedule;
  readonly process: Process;
  readonly ports: RepartitionPorts;
  readonly dice: Dice;
  /** Sabotage: the mark of a drained partition does not keep it from starting. */
  readonly ignoresMarks: boolean;
}

/** A replica of a group, as far as a change of its layout needs one: lease, claim, handlers, commits, drain. */
export class WalkReplica {
  #group: GroupRecord | undefined;
  #owned = new Map<number, Owned>();
  readonly #seen = new Map<string, { readonly revision: number; readonly at: number }>();
  readonly #starts = new Set<Start>();

  constructor(private readonly options: ReplicaOptions) {}

  async run(): Promise<void> {
    for (;;) {
      await this.options.schedule.turn(this.options.process);
      try {
        await this.#turn();
      } catch (error) {
        if ((error as { code?: string }).code !== 'JETSTREAM_REQUEST_FAILED') throw error;
      }
    }
  }

  die(): void {
    this.options.process.alive = false;
    this.options.world.died(this.#starts);
  }

  async #turn(): Promise<void> {
    const { dice, ports } = this.options;
    if (this.#group === undefined || dice.happens(0.1)) await this.#follow();
    const group = this.#group;
    if (group === undefined) return;
    if (group.change !== undefined && dice.happens(0.2)) await new Repartition('walk', ports).advance();
    const partition = dice.below(group.partitions);
    const owned = this.#owned.get(partition);
    if (owned === undefined) await this.#seek(group, partition);
    else if (this.options.world.now >= owned.deadline) this.#owned.delete(partition);
    else if (owned.position === undefined) await this.#claim(group, owned);
    else await this.#work(group, owned);
  }

  async #follow(): Promise<void> {
    const { value } = await this.options.ports.group.read();
    if (value === undefined) return;
    if (value.layout !== this.#group?.layout) this.#owned = new Map();
    this.#group = value;
  }

  async #seek({ layout, partitions }: GroupRecord, partition: number): Promise<void> {
    const { ports, world, process } = this.options;
    const key = ports.lease({ layout, partitions, partition });
    const { value, revision } = await key.read();
    const name = `${layout}.${partition}`;
    if (this.#seen.get(name)?.revision !== revision) this.#seen.set(name, { revision, at: world.now });
    const seenFor = world.now - this.#seen.get(name)!.at;
    const isFree = value === undefined || value.released === true || value.owner === process.name;
    if (!isFree && seenFor < value.ttlMs + MARGIN_MS) return;
    const lease = { owner: process.name, term: ++world.term, ttlMs: TTL_MS, epoch: (value?.epoch ?? 0) + 1 };
    const own = await this.#take(lease, { layout, partitions, partition }, revision, value?.claimed === true);
    if (own !== undefined && this.#group?.layout === layout) this.#owned.set(partition, own);
  }

  async #take(
    lease: LeaseRecord,
    place: { layout: number; partitions: number; partition: number },
    expected: number,
    claimed: boolean,
  ): Promise<Owned | undefined> {
    const { ports, world } = this.options;
    const deadline = world.now + TTL_MS - MARGIN_MS;
    const record = claimed ? { ...lease, claimed } : lease;
    const revision = await ports.lease(place).write(record, expected);
    if (revision === undefined) return undefined;
    const { partition } = place;
    const fresh = { position: undefined, handled: new Set<number>(), readThrough: 0, write: 1 };
    return { partition, epoch: lease.epoch, revision, deadline, ...fresh };
  }

  async #claim(group: GroupRecord, owned: Owned): Promise<void> {
    const { ports, world, process } = this.options;
    const { layout, partitions, start, run } = group;
    const place = { layout, partitions, partition: owned.partition };
    const { value, revision } = await ports.position(place).read();
    const least = Math.max(value?.epoch ?? 0, start.epoch);
    if (least >= owned.epoch) {
      const lease = { owner: process.name, term: ++world.term, ttlMs: TTL_MS, epoch: least + 1 };
      const own = await this.#take(lease, place, owned.revision, false);
      if (own === undefined || this.#group?.layout !== layout) this.#owned.delete(owned.partition);
      else this.#owned.set(owned.partition, own);
      return;
    }
    // A halted partition: its record is lost.
    if (value === undefined && (revision > 0 || group.hasRecords)) return;
    const base = value ?? positionOf({ high: start.sequence, run, created: start.created });
    const claim: PositionRecord = without(
      { ...base, epoch: owned.epoch, owner: process.name, write: 1 },
      'rest',
    );
    const written = await ports.position(place).write(claim, revision);
    if (written === undefined) {
      this.#owned.delete(owned.partition);
      return;
    }
    if (this.#owned.get(owned.partition) !== owned) return;
    world.claimed(claim, partitions, owned.partition);
    owned.position = { claimed: claim, stored: claim, revision: written };
  }

  async #work(group: GroupRecord, owned: Owned): Promise<void> {
    const { dice, ignoresMarks } = this.options;
    const mark = owned.position?.stored.drained?.change;
    const isBarred = mark !== undefined && !isCancelled(mark, group.layout, group) && !ignoresMarks;
    if (group.change !== undefined && !ignoresMarks) {
      if (mark !== group.change.number) await this.#commit(group, owned, group.change.number);
    } else if (!isBarred) {
      if (dice.happens(0.6)) await this.#handle(group, owned);
      else await this.#commit(group, owned, undefined);
    }
  }

  async #handle(group: GroupRecord, owned: Owned): Promise<void> {
    const { world, schedule, process, dice } = this.options;
    const own = world.eventsOf(group.partitions, owned.partition);
    const ahead = own.filter(({ sequence }) => sequence > owned.readThrough);
    owned.readThrough = ahead[dice.below(3)]?.sequence ?? ahead.at(-1)?.sequence ?? owned.readThrough;
    const event = dice.pick(this.#heads(owned, own));
    if (event === undefined || owned.position === undefined) return;
    const { claimed } = owned.position;
    const start: Start = {
      ...{ event, layout: group.layout, token: owned.epoch },
      ...{ run: claimed.run, deadline: owned.deadline },
    };
    world.started(start);
    this.#starts.add(start);
    await schedule.turn(process);
    this.#starts.delete(start);
    world.ended(start);
    owned.handled.add(event.sequence);
  }

  /** The first open event of each aggregate that was read. */
  #heads(owned: Owned, own: readonly KeptEvent[]): KeptEvent[] {
    const heads = new Map<string, KeptEvent>();
    for (const event of own) {
      if (event.sequence > owned.readThrough || this.#isDone(owned, event)) continue;
      if (!heads.has(event.token)) heads.set(event.token, event);
    }
    return [...heads.values()];
  }

  #isDone({ position, handled }: Owned, event: KeptEvent): boolean {
    return handled.has(event.sequence) || (position !== undefined && isSettled(position.claimed, event));
  }

  async #commit(group: GroupRecord, owned: Owned, change: number | undefined): Promise<void> {
    const { position } = owned;
    if (position === undefined) return;
    const { ports, process, world } = this.options;
    const { layout, partitions } = group;
    const own = world.eventsOf(partitions, owned.partition);
    const read = own.filter(({ sequence }) => sequence <= owned.readThrough);
    const settled = read.filter((event) => this.#isDone(owned, event));
    const { claimed } = position;
    const high = Math.max(claimed.high, settled.at(-1)?.sequence ?? 0);
    // Placeholders that were not read yet stay; foreign ones fall when they are read past.
    const placeholders = decodeSequences(claimed.unsettled).filter(
      (sequence) => sequence > owned.readThrough,
    );
    const open = read.filter((event) => event.sequence <= high && !this.#isDone(owned, event));
    const unsettled = [...open.map(({ sequence }) => sequence), ...placeholders].sort((a, b) => a - b);
    const isPast =
      Math.max(0, ...(claimed.origin?.sources ?? []).map((source) => source.high)) <= owned.readThrough;
    const { origin } = claimed;
    const record: PositionRecord = {
      ...without(claimed, 'drained', 'origin'),
      ...{ epoch: owned.epoch, owner: process.name, write: ++owned.write },
      ...{ high, unsettled: encodeSequences(unsettled) },
      ...(origin === undefined || isPast ? {} : { origin }),
      ...(change === undefined ? {} : { drained: { change }, rest: true as const }),
    };
    const key = ports.position({ layout, partitions, partition: owned.partition });
    const revision = await key.write(record, position.revision);
    if (revision === undefined) this.#owned.delete(owned.partition);
    else owned.position = { claimed, stored: record, revision };
  }
}
