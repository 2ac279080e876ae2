import type { Clock } from '../../clock.js';
import type { LayoutPlace, RepartitionPorts } from '../../consumer/repartition/repartition-ports.js';
import type { StreamState } from '../../message/reader-port.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { KeyPort } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { PresencePort } from '../../records/member-record.js';
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
    return this.#inLaterTurn(() => this.options.stream.state);
  }

  firstAfter(place: Place, sequence: number): Promise<number> {
    const { stream } = this.options;
    const prefix = this.keys.prefixOf(place);
    return this.#inLaterTurn(() => {
      const found = stream.next(sequence + 1, (subject) => subject.startsWith(prefix));
      return found?.sequence ?? Math.max(sequence, stream.lastSequence) + 1;
    });
  }

  lastBefore(time: Date): Promise<number> {
    return this.#inLaterTurn(() => this.options.stream.lastBefore(time));
  }

  countAfter(place: Place, after: number): Promise<number> {
    const prefix = this.keys.prefixOf(place);
    return this.#inLaterTurn(
      () =>
        this.options.stream.messages.filter(
          ({ subject, sequence }) => sequence > after && subject.startsWith(prefix),
        ).length,
    );
  }

  places(): Promise<readonly LayoutPlace[]> {
    return this.#inLaterTurn(() => this.keys.written());
  }

  parkedEpoch(): Promise<number> {
    const { parked, group } = this.options;
    return this.#inLaterTurn(() => parked.highestEpoch(group));
  }

  /** Streams in memory always have positions. */
  hasPositions(): Promise<boolean> {
    return this.#inLaterTurn(() => true);
  }

  ensurePositions(): Promise<void> {
    return this.#inLaterTurn(() => undefined);
  }

  #inLaterTurn<T>(answer: () => T): Promise<T> {
    const { clock, moved } = this.options;
    return new Promise((resolve) =>
      clock.nextTurn(() => {
        moved();
        resolve(answer());
      }),
    );
  }
}
