import type {
  LayoutPlace,
  RepartitionKey,
  RepartitionPorts,
} from '#library/consumer/repartition/repartition-ports.js';
import { systemClock } from '#library/clock.js';
import { partitionOf } from '#library/message/partitioning.js';
import type { StreamState } from '#library/message/reader-port.js';
import { firstGroupRecord, type GroupRecord, type GroupStart } from '#library/records/group-record.js';
import type { StoredValue } from '#library/records/key-port.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import type { PositionRecord } from '#library/records/position-record.js';
import type { GroupPorts, GroupRemains } from '#library/operating/groups/group-ports.js';
import { MemoryParked } from '#library/testing/memory/memory-parked.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import { CREATED, positionOf } from './positions.js';

/** One key with compare-and-set, as the server keeps it. A deleted key keeps a revision. */
class GroupKey<T> {
  stored: StoredValue<T> = { value: undefined, revision: 0 };
  maxBytes = 1_048_576;

  read(): Promise<StoredValue<T>> {
    return Promise.resolve(this.stored);
  }

  write(value: T, revision: number): Promise<number | undefined> {
    if (revision !== this.stored.revision) return Promise.resolve(undefined);
    this.stored = { value, revision: revision + 1 };
    return Promise.resolve(revision + 1);
  }

  /** Writes the value without a comparison. */
  put(value: T | undefined): void {
    this.stored = { value, revision: this.stored.revision + 1 };
  }

  /** As if the key had never been written: a purge. */
  purge(): void {
    this.stored = { value: undefined, revision: 0 };
  }
}

/** An event of the stream that the keys belong to. */
export interface KeptEvent {
  readonly token: string;
  readonly sequence: number;
}

function nameOf({ layout, partitions, partition }: LayoutPlace): string {
  return `${layout}.${partitions}.${partition}`;
}

/** All keys of one group, and its topic's stream. */
export class GroupKeys implements GroupPorts {
  readonly group = new GroupKey<GroupRecord>();
  readonly leases = new Map<string, GroupKey<LeaseRecord>>();
  readonly positions = new Map<string, GroupKey<PositionRecord>>();
  readonly presence = new MemoryPresence();
  readonly sessions = this.presence.connect();
  events: readonly KeptEvent[] = [];
  state: StreamState = { created: CREATED, firstSequence: 1, lastSequence: 100, isRestored: false };
  markers = 0;
  isMissing = false;
  /** Of the group "billing". */
  readonly letters = new MemoryParked({ maxLetters: 1_000, clock: systemClock, moved: () => undefined });
  readonly parked = this.letters.connect('billing', '');
  lastBefore: RepartitionPorts['lastBefore'] = () => Promise.resolve(0);

  /** A group whose partitions were claimed once, each by an owner of its own epoch. */
  start(partitions: number, start: Omit<GroupStart, 'epoch'> = { sequence: 0, created: CREATED }): void {
    this.group.put(firstGroupRecord(partitions, start));
    for (let partition = 0; partition < partitions; partition++) {
      const place = { layout: 0, partitions, partition };
      this.lease(place).put(leaseOf({ epoch: partition + 1, claimed: true, released: true }));
      this.position(place).put(positionOf({ epoch: partition + 1, high: 10 + partition }));
    }
  }

  lease(place: LayoutPlace): GroupKey<LeaseRecord> {
    return keyOf(this.leases, nameOf(place));
  }

  /** A process renews the session under which it holds leases. */
  async beat(member: string, beat: number, ttlMs = 1_000): Promise<void> {
    const { revision } = this.presence.stored(member);
    await this.sessions.announce({ member, ttlMs, beat, term: 1 }, revision);
  }

  position(place: LayoutPlace): GroupKey<PositionRecord> {
    return keyOf(this.positions, nameOf(place));
  }

  /** The partitions of the layout in force. */
  placesInForce(): LayoutPlace[] {
    const { layout, partitions } = this.record;
    return Array.from({ length: partitions }, (_, partition) => ({ layout, partitions, partition }));
  }

  get record(): GroupRecord {
    return this.group.stored.value!;
  }

  /** Each partition of the layout in force is marked, by an owner at rest. */
  drain(change: number, from = 0): void {
    for (const place of this.placesInForce().slice(from)) {
      const key = this.position(place);
      key.put({ ...key.stored.value!, drained: { change }, rest: true });
    }
  }

  stream(): Promise<StreamState> {
    return Promise.resolve(this.state);
  }

  firstAfter({ partitions, partition }: Omit<LayoutPlace, 'layout'>, sequence: number): Promise<number> {
    const own = this.#eventsOf({ partitions, partition }).find((event) => event.sequence > sequence);
    return Promise.resolve(own?.sequence ?? Math.max(sequence, this.state.lastSequence) + 1);
  }

  countAfter(place: Omit<LayoutPlace, 'layout'>, sequence: number): Promise<number> {
    return Promise.resolve(this.#eventsOf(place).filter((event) => event.sequence > sequence).length);
  }

  places(): Promise<LayoutPlace[]> {
    const written = [...this.leases, ...this.positions].filter(([, key]) => key.stored.revision > 0);
    return Promise.resolve(
      [...new Set(written.map(([name]) => name))].map((name) => {
        const [layout = 0, partitions = 0, partition = 0] = name.split('.').map(Number);
        return { layout, partitions, partition };
      }),
    );
  }

  parkedEpoch(): Promise<number> {
    return Promise.resolve(this.markers);
  }

  hasPositions(): Promise<boolean> {
    return Promise.resolve(!this.isMissing);
  }

  ensurePositions(): Promise<void> {
    this.isMissing = false;
    return Promise.resolve();
  }

  aggregates(): Promise<number> {
    return Promise.resolve(new Set(this.events.map(({ token }) => token)).size);
  }

  async remains(): Promise<GroupRemains> {
    const places = await this.places();
    const { aggregates, letters, position, revision } = this.letters.countOf('billing');
    const keys = places.map((place) => this.position(place).stored);
    return {
      ...{ aggregates, letters, places },
      positions: keys.filter((stored) => stored.value !== undefined || stored.revision === 0).length,
      leases: [...this.leases.values()].filter(({ stored }) => stored.revision > 0).length,
      replicas: this.presence.size,
      through: { letters: position, markers: revision, leases: 0 },
    };
  }

  removeParked({ through }: GroupRemains): Promise<void> {
    this.letters.removeOf('billing', { position: through.letters, revision: through.markers });
    return Promise.resolve();
  }

  removePosition(place: LayoutPlace): Promise<void> {
    const key = this.position(place);
    if (key.stored.value !== undefined || key.stored.revision === 0) key.put(undefined);
    return Promise.resolve();
  }

  removeLeases(): Promise<void> {
    for (const key of this.leases.values()) key.purge();
    return Promise.resolve();
  }

  #eventsOf({ partitions, partition }: Omit<LayoutPlace, 'layout'>): KeptEvent[] {
    return this.events.filter(({ token }) => partitionOf(token, partitions) === partition);
  }
}

/** Ports whose every change of a key passes through `write`. */
export function through(
  keys: GroupKeys,
  write: <T>(change: () => Promise<T>) => Promise<T>,
): RepartitionPorts {
  const wrap = <T>(key: GroupKey<T>): RepartitionKey<T> => ({
    maxBytes: key.maxBytes,
    read: () => key.read(),
    write: (value, revision) => write(() => key.write(value, revision)),
  });
  return {
    group: wrap(keys.group),
    lease: (place) => wrap(keys.lease(place)),
    position: (place) => wrap(keys.position(place)),
    sessions: keys.sessions,
    stream: () => keys.stream(),
    firstAfter: (place, sequence) => keys.firstAfter(place, sequence),
    lastBefore: (time) => keys.lastBefore(time),
    countAfter: (place, sequence) => keys.countAfter(place, sequence),
    places: () => keys.places(),
    parkedEpoch: () => keys.parkedEpoch(),
    hasPositions: () => keys.hasPositions(),
    ensurePositions: () => write(() => keys.ensurePositions()),
  };
}

function keyOf<T>(keys: Map<string, GroupKey<T>>, name: string): GroupKey<T> {
  const known = keys.get(name) ?? new GroupKey<T>();
  keys.set(name, known);
  return known;
}

export function leaseOf(fields: Partial<LeaseRecord> = {}): LeaseRecord {
  return { owner: 'a', term: 1, ttlMs: 3_000, epoch: 1, ...fields };
}
