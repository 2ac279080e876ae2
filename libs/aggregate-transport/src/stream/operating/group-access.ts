import { isSabotaged } from '#sabotage';
import type { Clock } from '../../clock.js';
import { inParallel } from '../../in-parallel.js';
import type { PartitionAddress } from '../../records/partition-address.js';
import type { PositionRecord } from '../../records/position-record.js';
import type { StreamInfo } from '../api/api-types.js';
import { API_ERROR } from '../api/jetstream-api.js';
import { findStream } from '../api/provision.js';
import { subjectsOf } from '../api/subjects.js';
import {
  LEASE_BUCKET,
  leaseFilter,
  letterFilter,
  MARKER_BUCKET,
  markerFilter,
  memberPrefix,
  parkedStreamOf,
  positionPlace,
  streamOfBucket,
} from '../keys/key-places.js';
import { deleteKey, readKey } from '../keys/kv.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { ParkedWire } from '../wires/parked-wire.js';
import { LayoutWire } from '../groups/layout-wire.js';

type Place = Omit<PartitionAddress, 'topic' | 'group'>;

/** What of a group was found in one stream, and the stream's last sequence then. */
interface Listed {
  readonly subjects: ReadonlyMap<string, number>;
  readonly through: number;
}

/** See `GroupRemains` of what an operator asks of a group. */
interface Remains {
  readonly aggregates: number;
  readonly letters: number;
  readonly positions: number;
  readonly leases: number;
  readonly replicas: number;
  readonly places: readonly Place[];
  readonly through: { readonly letters: number; readonly markers: number; readonly leases: number };
}

const LEASE_STREAM = streamOfBucket(LEASE_BUCKET);
const MARKER_STREAM = streamOfBucket(MARKER_BUCKET);
const TIMEOUT_MS = 2_000;
const AT_ONCE = 16;
const TRIES = 8;

/** A group's ways over NATS to all that an operator asks of it, or removes. */
export class GroupAccess extends LayoutWire {
  readonly parked: ParkedWire;

  constructor(
    private readonly keys: KeyAccess,
    private readonly name: Pick<PartitionAddress, 'topic' | 'group'>,
    clock: Clock,
  ) {
    super(keys, name);
    this.parked = new ParkedWire({ ...keys, ...name, clock, bits: '' });
  }

  async aggregates(): Promise<number> {
    const info = await this.keys.api.request<StreamInfo>(
      `STREAM.INFO.${this.name.topic}`,
      undefined,
      TIMEOUT_MS,
    );
    return info.state.num_subjects ?? 0;
  }

  async remains(): Promise<Remains> {
    const { topic, group } = this.name;
    const [letters, markers, leases, places, replicas] = await Promise.all([
      this.#listed(parkedStreamOf(topic), letterFilter(topic, group)),
      this.#listed(MARKER_STREAM, markerFilter(topic, group)),
      this.#listed(LEASE_STREAM, leaseFilter(topic, group)),
      this.places(),
      subjectsOf(this.keys.api, LEASE_STREAM, `${memberPrefix(topic, group)}*`, TIMEOUT_MS),
    ]);
    return {
      aggregates: markers.subjects.size,
      letters: [...letters.subjects.values()].reduce((sum, count) => sum + count, 0),
      positions: await this.#positions(places),
      leases: leases.subjects.size,
      replicas: replicas.size,
      places,
      through: { letters: letters.through, markers: markers.through, leases: leases.through },
    };
  }

  async removeParked({ letters, aggregates, through }: Remains): Promise<void> {
    const { topic, group } = this.name;
    if (letters > 0) await this.#purge(parkedStreamOf(topic), letterFilter(topic, group), through.letters);
    if (aggregates > 0) await this.#purge(MARKER_STREAM, markerFilter(topic, group), through.markers);
  }

  async removeLeases({ leases, through }: Remains): Promise<void> {
    const { topic, group } = this.name;
    if (leases > 0) await this.#purge(LEASE_STREAM, leaseFilter(topic, group), through.leases);
  }

  async removePosition(place: Place): Promise<void> {
    const { connection, api } = this.keys;
    const key = positionPlace({ ...this.name, ...place });
    for (let tries = 0; tries < TRIES; tries++) {
      const { value, revision } = await readKey<PositionRecord>(api, key, TIMEOUT_MS);
      if (isSabotaged('positions-purged')) return this.#purge(key.stream, key.subject, revision);
      const isTombstone = value === undefined && revision > 0;
      if (isTombstone || (await deleteKey(connection, key.subject, revision)) !== undefined) return;
    }
  }

  /** How many of them have no tombstone: without one a process that slept would take it for never written. */
  async #positions(places: readonly Place[]): Promise<number> {
    if (!(await this.hasPositions())) return 0;
    const found = await inParallel(places, AT_ONCE, async (place) => {
      const key = positionPlace({ ...this.name, ...place });
      const { value, revision } = await readKey<PositionRecord>(this.keys.api, key, TIMEOUT_MS);
      return value !== undefined || revision === 0;
    });
    return found.filter(Boolean).length;
  }

  async #listed(stream: string, filter: string): Promise<Listed> {
    // The end is read first: what is listed and lies behind it was written since, and stays.
    const info = await findStream(this.keys.api, stream, TIMEOUT_MS);
    if (info === undefined) return { subjects: new Map(), through: 0 };
    const subjects = await subjectsOf(this.keys.api, stream, filter, TIMEOUT_MS);
    return { subjects, through: info.state.last_seq };
  }

  /** Removes what matches and is not above `through`. */
  async #purge(stream: string, filter: string, through: number): Promise<void> {
    await this.keys.api.find(
      `STREAM.PURGE.${stream}`,
      { filter, seq: through + 1 },
      API_ERROR.streamNotFound,
      TIMEOUT_MS,
    );
  }
}
