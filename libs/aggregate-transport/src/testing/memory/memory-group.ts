import type { Clock } from '../../clock.js';
import type { LayoutPlace } from '../../consumer/repartition/repartition-ports.js';
import { AggregateTransportError } from '../../errors.js';
import { partitionBits } from '../../message/partitioning.js';
import { aggregateIdOf, tokenOfSubject } from '../../message/subject.js';
import type { GroupQuestion, PartitionOnServer } from '../../records/group-on-server.js';
import { firstGroupRecord, type GroupRecord, nextGroupRecord } from '../../records/group-record.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import { decodeSequences, type PositionRecord } from '../../records/position-record.js';
import type {
  PartitionOwner,
  SettledPlace,
  StartedGroup,
} from '../../operating/aggregates/aggregate-ports.js';
import type { ResolvedTopic } from '../../transport/resolve-options.js';
import type { GroupWire, OpenHow, PartitionWire } from '../../transport/wires.js';
import { MemoryAsk } from '../operated/memory-ask.js';
import { leaseStatus, partitionStatus } from './memory-group-status.js';
import { MemoryKey } from './memory-key.js';
import type { MemoryParked } from './memory-parked.js';
import { MemoryPresence } from './memory-presence.js';
import { MemoryReaders } from './memory-readers.js';
import { type GroupKeys, MemoryGroupPorts, MemoryRepartition } from './memory-repartition.js';
import type { MemoryStream } from './memory-stream.js';

export interface MemoryGroupOptions {
  readonly topic: string;
  readonly group: string;
  readonly stream: MemoryStream;
  readonly parked: MemoryParked;
  readonly clock: Clock;
  /** A request, an answer or an event has arrived. */
  readonly moved: () => void;
}

type Consume = Pick<ResolvedTopic['consume'], 'partitions' | 'startAt'>;

/** What a group keeps of one partition of one layout. */
interface MemoryPartition {
  readonly place: LayoutPlace;
  readonly lease: MemoryKey<LeaseRecord>;
  readonly position: MemoryKey<PositionRecord>;
  readonly readers: MemoryReaders;
}

/** A group on a topic in memory: its record, and per partition of each layout a lease, a position and readers. */
export class MemoryGroup implements GroupKeys {
  readonly record: MemoryKey<GroupRecord>;
  readonly presence: MemoryPresence;
  readonly asked: MemoryAsk;
  readonly #partitions = new Map<string, MemoryPartition>();

  constructor(private readonly options: MemoryGroupOptions) {
    this.record = new MemoryKey(options);
    this.presence = new MemoryPresence(options.clock);
    this.asked = new MemoryAsk(options.clock, options.moved);
  }

  get name(): string {
    return this.options.group;
  }

  get hasStarted(): boolean {
    const { value } = this.record.stored;
    return value !== undefined && value.deleted === undefined;
  }

  /** A record, of a deleted group too, or a lease tells of it. */
  get isKnown(): boolean {
    return (
      this.record.stored.value !== undefined || this.known.some(({ lease }) => lease.stored.revision > 0)
    );
  }

  /** What an operator asks of the group, or removes. */
  get ports(): MemoryGroupPorts {
    return new MemoryGroupPorts(this, this.options);
  }

  /** As its record divides it. */
  started(): StartedGroup {
    const { layout = 0, partitions = 1 } = this.record.stored.value ?? {};
    return { group: this.name, layout, partitions };
  }

  /** How far a partition is settled. */
  settled(place: LayoutPlace): SettledPlace {
    const { value } = this.partition(place).position.stored;
    const start = this.record.stored.value?.start;
    const { created } = value ?? start ?? {};
    if (created !== this.options.stream.created) return { high: 0, unsettled: [] };
    return { high: value?.high ?? start?.sequence ?? 0, unsettled: decodeSequences(value?.unsettled ?? '') };
  }

  ownerOf(place: LayoutPlace): PartitionOwner | undefined {
    const status = leaseStatus(this.partition(place).lease, this.presence);
    if (status === undefined) return undefined;
    const { owner, epoch, released, aliveAt, ttlMs } = status;
    return { owner, epoch, isAlive: !released && aliveAt + ttlMs > this.options.clock.wallNow() };
  }

  /** Says which event up to a sequence the group has not settled, the oldest one; undefined if all are. */
  describeOpen(through: number): string | undefined {
    const record = this.record.stored.value;
    if (record === undefined) return `no record of group "${this.name}"`;
    const { layout, partitions } = record;
    const question = { group: this.name, layout, partitions, owned: new Set<number>(), withinMs: 0 };
    const open = this.status({ ...question, ownedOnly: false })
      .map(({ oldestSequence = Infinity }) => oldestSequence)
      .filter((sequence) => sequence <= through);
    if (open.length === 0) return undefined;
    const first = Math.min(...open);
    const subject = this.options.stream.messages.find(({ sequence }) => sequence === first)?.subject ?? '';
    const id = aggregateIdOf(tokenOfSubject(subject));
    return `that sequence ${first}, of aggregate "${id}", is not settled by group "${this.name}"`;
  }

  /** The keys and readers of one partition, whether its layout is in force or not. */
  partition(place: LayoutPlace): MemoryPartition {
    const { layout, partitions, partition } = place;
    const name = `${layout}.${partitions}.${partition}`;
    const known = this.#partitions.get(name);
    if (known !== undefined) return known;
    const { options } = this;
    const made: MemoryPartition = {
      place: { layout, partitions, partition },
      lease: new MemoryKey(options),
      position: new MemoryKey(options),
      readers: new MemoryReaders({ ...options, prefix: this.prefixOf(place) }),
    };
    this.#partitions.set(name, made);
    return made;
  }

  /** All partitions that were ever asked for. */
  get known(): readonly MemoryPartition[] {
    return [...this.#partitions.values()];
  }

  written(): readonly LayoutPlace[] {
    return this.known
      .filter(({ lease, position }) => lease.stored.revision + position.stored.revision > 0)
      .map(({ place }) => place);
  }

  prefixOf({ partitions, partition }: Pick<LayoutPlace, 'partitions' | 'partition'>): string {
    const bits = partitionBits(partition, partitions);
    return bits === '' ? `${this.options.topic}.` : `${this.options.topic}.${bits}.`;
  }

  /**
   * Finds or makes the group's record, and the ways to the partitions of its layout.
   * @throws RECORD_MISSING, GROUP_DELETED
   */
  async open(consume: Consume, { mustExist = false }: OpenHow = {}): Promise<GroupWire> {
    const record = await this.#findOrMakeRecord(consume, mustExist);
    const { layout, partitions } = record;
    return {
      record,
      partitions: Array.from({ length: partitions }, (_, partition) =>
        this.#wireOf({ layout, partitions, partition }),
      ),
      recordPort: this.record.connect(),
      repartitionPorts: new MemoryRepartition(this, this.options),
      oldConsumers: () => Promise.resolve([]),
    };
  }

  status({ layout, partitions, owned, ownedOnly }: GroupQuestion): PartitionOnServer[] {
    const group = this.record.stored.value;
    if (group === undefined) return [];
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    return all
      .filter((partition) => !ownedOnly || owned.has(partition))
      .map((partition) => {
        const { lease, position } = this.partition({ layout, partitions, partition });
        return partitionStatus({
          partition,
          stream: this.options.stream,
          prefix: this.prefixOf({ partition, partitions }),
          group,
          position: position.stored.value,
          lease: owned.has(partition) ? undefined : lease,
          presence: this.presence,
        });
      });
  }

  #wireOf(place: LayoutPlace): PartitionWire {
    const { topic, group, parked } = this.options;
    const { lease, position, readers } = this.partition(place);
    return {
      address: { topic, group, ...place },
      connect: (listener) => readers.connect(listener),
      get leasePort() {
        return lease.connect();
      },
      get positionPort() {
        return position.connect();
      },
      get parkedPort() {
        return parked.connect(group, partitionBits(place.partition, place.partitions));
      },
    };
  }

  /** The first start resolves where the group begins, once: the record that is written first decides for all. */
  async #findOrMakeRecord({ partitions, startAt }: Consume, mustExist: boolean): Promise<GroupRecord> {
    const port = this.record.connect();
    for (;;) {
      const { value, revision } = await port.read();
      if (value !== undefined && value.deleted === undefined) return value;
      if (value === undefined) this.#refuseLostRecord();
      else if (mustExist || value.deleted?.removed !== true) throw this.#deletedError();
      const { stream } = this.options;
      const start = { sequence: startSequence(startAt, stream), created: stream.created };
      const first =
        value === undefined ? firstGroupRecord(partitions, start) : nextGroupRecord(value, partitions, start);
      if ((await port.write(first, revision)) !== undefined) return first;
    }
  }

  #deletedError(): AggregateTransportError {
    const { topic, group } = this.options;
    return new AggregateTransportError(
      'GROUP_DELETED',
      `expected group "${group}" of topic "${topic}" to be there, or to be free to begin, found that it was deleted`,
    );
  }

  /** A group that has handled events has a record. Without one its place in the stream is not known. */
  #refuseLostRecord(): void {
    const { topic, group, parked } = this.options;
    const isClaimed = this.known.some(({ lease }) => lease.stored.value?.claimed === true);
    if (!isClaimed && !parked.holds(group)) return;
    throw new AggregateTransportError(
      'RECORD_MISSING',
      `expected a record of group "${group}" on topic "${topic}", which has handled events before, found none; ` +
        'restore it from a backup taken with the topic',
    );
  }
}

/** The last sequence that is not handled. */
function startSequence(startAt: Consume['startAt'], stream: MemoryStream): number {
  if (startAt === 'all') return stream.firstSequence - 1;
  if (startAt === 'new') return stream.lastSequence;
  if ('sequence' in startAt) return startAt.sequence - 1;
  return stream.lastBefore(startAt.time);
}
