import type { Clock } from '../../clock.js';
import type { LayoutPlace, RepartitionPorts } from '../../consumer/repartition/repartition-ports.js';
import type { StreamState } from '../../message/reader-port.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { KeyPort } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { PresencePort } from '../../records/member-record.js';
import type { GroupPorts, GroupRemains } from '../../operating/groups/group-ports.js';
import type { ParkedArchive } from '../../parking/parked-port.js';
import type { PositionRecord } from '../../records/position-record.js';
import type { MemoryKey } from './memory-key.js';
import type { MemoryParked } from './memory-parked.js';
import type { MemoryPresence } from './memory-presence.js';
import type { MemoryStream } from './memory-stream.js';

type Place = Pick<LayoutPlace, 'partitions' | 'partition'>;

/** The keys of a group, of all its layouts. */
export interface GroupKeys {
  readonly record: MemoryKey<GroupRecord>;
  readonly presence: MemoryPresence;
  partition(place: LayoutPlace): {
    readonly lease: MemoryKey<LeaseRecord>;
    readonly position: MemoryKey<PositionRecord>;
  };
  /** The partitions that have a lease or a position. */
  written(): readonly LayoutPlace[];
  /** What the subjects of a partition begin with. */
  prefixOf(place: Place): string;
}

export interface MemoryRepartitionOptions {
  readonly group: string;
  readonly stream: MemoryStream;
  readonly parked: MemoryParked;
  readonly clock: Clock;
  /** A request has arrived. */
  readonly moved: () => void;
}

/** What a change of a group's layout reads and writes, in memory. */
export class MemoryRepartition implements RepartitionPorts {
  readonly group: KeyPort<GroupRecord>;
  readonly sessions: PresencePort;

  constructor(
    private readonly keys: GroupKeys,
    private readonly options: MemoryRepartitionOptions,
  ) {
    this.group = keys.record.connect();
    this.sessions = keys.presence.connect();
  }

  lease(place: LayoutPlace): KeyPort<LeaseRecord> {
    return this.keys.partition(place).lease.connect();
  }

  position(place: LayoutPlace): KeyPort<PositionRecord> {
    return this.keys.partition(place).position.connect();
  }

  stream(): Promise<StreamState> {
    return this.inLaterTurn(() => this.options.stream.state);
  }

  firstAfter(place: Place, sequence: number): Promise<number> {
    const { stream } = this.options;
    const prefix = this.keys.prefixOf(place);
    return this.inLaterTurn(() => {
      const found = stream.next(sequence + 1, (subject) => subject.startsWith(prefix));
      return found?.sequence ?? Math.max(sequence, stream.lastSequence) + 1;
    });
  }

  lastBefore(time: Date): Promise<number> {
    return this.inLaterTurn(() => this.options.stream.lastBefore(time));
  }

  countAfter(place: Place, after: number): Promise<number> {
    const prefix = this.keys.prefixOf(place);
    return this.inLaterTurn(
      () =>
        this.options.stream.messages.filter(
          ({ subject, sequence }) => sequence > after && subject.startsWith(prefix),
        ).length,
    );
  }

  places(): Promise<readonly LayoutPlace[]> {
    return this.inLaterTurn(() => this.keys.written());
  }

  parkedEpoch(): Promise<number> {
    const { parked, group } = this.options;
    return this.inLaterTurn(() => parked.highestEpoch(group));
  }

  /** Streams in memory always have positions. */
  hasPositions(): Promise<boolean> {
    return this.inLaterTurn(() => true);
  }

  ensurePositions(): Promise<void> {
    return this.inLaterTurn(() => undefined);
  }

  protected inLaterTurn<T>(answer: () => T): Promise<T> {
    const { clock, moved } = this.options;
    return new Promise((resolve) =>
      clock.nextTurn(() => {
        moved();
        resolve(answer());
      }),
    );
  }
}

/** What an operator asks of a group in memory, or removes. */
export class MemoryGroupPorts extends MemoryRepartition implements GroupPorts {
  override readonly sessions: PresencePort;
  readonly parked: ParkedArchive;

  constructor(
    private readonly all: GroupKeys,
    private readonly world: MemoryRepartitionOptions,
  ) {
    super(all, world);
    this.sessions = all.presence.connect();
    this.parked = world.parked.connect(world.group, '');
  }

  aggregates(): Promise<number> {
    const { messages } = this.world.stream;
    return this.inLaterTurn(() => new Set(messages.map(({ subject }) => subject)).size);
  }

  remains(): Promise<GroupRemains> {
    const { group, parked } = this.world;
    return this.inLaterTurn(() => {
      const places = this.all.written();
      const { aggregates, letters, position, revision } = parked.countOf(group);
      const keys = places.map((place) => this.all.partition(place));
      return {
        ...{ aggregates, letters, places },
        positions: keys.filter((key) => key.position.stored.value !== undefined || isUnwritten(key)).length,
        leases: keys.filter((key) => key.lease.stored.revision > 0).length,
        replicas: this.all.presence.size,
        through: { letters: position, markers: revision, leases: 0 },
      };
    });
  }

  removeParked({ through }: GroupRemains): Promise<void> {
    const { group, parked } = this.world;
    return this.inLaterTurn(() =>
      parked.removeOf(group, { position: through.letters, revision: through.markers }),
    );
  }

  removePosition(place: LayoutPlace): Promise<void> {
    return this.inLaterTurn(() => {
      const { position } = this.all.partition(place);
      if (position.stored.value !== undefined || position.stored.revision === 0) position.delete();
    });
  }

  removeLeases({ places }: GroupRemains): Promise<void> {
    return this.inLaterTurn(() => {
      for (const place of places) this.all.partition(place).lease.restore();
    });
  }
}

function isUnwritten({ position }: ReturnType<GroupKeys['partition']>): boolean {
  return position.stored.revision === 0;
}
