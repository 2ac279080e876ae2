import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { StoredValue } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import { isReadable } from '../../records/position-record.js';
import { ObservedLeases } from './observed-leases.js';
import { type FoundPlace, type GroupTraces, type LostChange, recoveredGroup } from './recovered-group.js';
import type { RepartitionPorts } from './repartition-ports.js';

export interface LostGroupOptions {
  readonly name: string;
  readonly ports: RepartitionPorts;
  readonly clock: Clock;
  /** Names this process; no other may use the same name. */
  readonly owner: string;
}

interface Found extends FoundPlace {
  readonly storedLease: StoredValue<LeaseRecord>;
}

interface FoundGroup extends GroupTraces {
  readonly places: readonly Found[];
}

/**
 * Makes the record of a group again that has lost it, with a reset or its deletion already under way in it. From there
 * that is carried out like any other: partitions that still have a position are drained, the others are given up.
 *
 * It is made only while no process holds a lease of the group. A replica that runs without the record would not see
 * it in time. Start-up refuses a group that has lost its record, so no replica comes up meanwhile.
 */
export class LostGroup {
  readonly #leases: ObservedLeases;

  constructor(private readonly options: LostGroupOptions) {
    this.#leases = new ObservedLeases(options.clock, options.owner, options.ports.sessions);
  }

  /**
   * True if the group's record is missing, or the whole stream of positions.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async isLost(): Promise<boolean> {
    const { ports } = this.options;
    return !(await ports.hasPositions()) || (await ports.group.read()).value === undefined;
  }

  /**
   * The record that {@link remake} would write.
   * @throws GROUP_UNKNOWN if nothing tells of the group
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async plan(change: LostChange): Promise<GroupRecord> {
    return this.#recover(await this.#read(), change);
  }

  /**
   * Writes the record, unless a process holds a lease. Resolves with the owners that do; with none, the record exists.
   * @throws GROUP_UNKNOWN, STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
   */
  async remake(change: LostChange): Promise<readonly string[]> {
    const { ports } = this.options;
    const traces = await this.#read();
    const found = await inParallel(traces.places, REQUESTS_AT_ONCE, async ({ place, storedLease }) => {
      const isFree = await this.#leases.isFree({ place, lease: storedLease, isAtRest: true });
      return isFree ? undefined : (storedLease.value?.owner ?? '');
    });
    const holders = found.filter((holder) => holder !== undefined);
    if (holders.length > 0) return [...new Set(holders)];
    const record = this.#recover(traces, change);
    await ports.ensurePositions();
    const { value, revision } = await ports.group.read();
    // Refused: another command has made it.
    if (value === undefined) await ports.group.write(record, revision);
    return [];
  }

  #recover(traces: GroupTraces, change: LostChange): GroupRecord {
    const record = recoveredGroup(traces, change);
    if (record !== undefined) return record;
    const { name } = this.options;
    throw new AggregateTransportError(
      'GROUP_UNKNOWN',
      traces.parkedEpoch === 0
        ? `expected ${name} to have started before, found no trace of it; check the names`
        : `expected a lease or a position of ${name}, found only parked aggregates; say with --partitions how many ` +
            'partitions it has',
    );
  }

  async #read(): Promise<FoundGroup> {
    const { ports } = this.options;
    const hasPositions = await ports.hasPositions();
    const places = await inParallel(await ports.places(), REQUESTS_AT_ONCE, async (place): Promise<Found> => {
      const storedLease = await ports.lease(place).read();
      const found = hasPositions ? (await ports.position(place).read()).value : undefined;
      // What a later release wrote counts as lost: none of its fields can be relied on.
      const record = found !== undefined && isReadable(found) ? found : undefined;
      return { place, storedLease, lease: storedLease.value, record };
    });
    return { places, parkedEpoch: await ports.parkedEpoch() };
  }
}
