import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import type { StreamState } from '../../message/reader-port.js';
import type { StoredMessage } from '../../message/stored-event.js';
import { bitsOfToken, subjectOf } from '../../message/subject.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import { keepsLease, type KnownGroup } from '../../records/group-on-server.js';
import type { MemberRecord } from '../../records/member-record.js';
import type { PartitionAddress } from '../../records/partition-address.js';
import { isReadable, type PositionRecord } from '../../records/position-record.js';
import { findMessage } from '../api/stored-message.js';
import { findStream } from '../api/provision.js';
import { subjectsOf } from '../api/subjects.js';
import { streamStateFrom } from '../api/stream-state.js';
import { leasePlace, memberPlace, parkedStreamOf, positionPlace } from '../keys/key-places.js';
import { readKey, storedValueOf } from '../keys/kv.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { GroupRecordKey } from '../wires/group-record-key.js';
import { messagesOf, subjectMessages } from '../wires/history.js';
import { lastBefore } from '../wires/last-before.js';
import { ParkedWire } from '../wires/parked-wire.js';
import { notePurged } from '../keys/purged-events.js';
import { groupsOnServer } from './known-groups.js';
import { basisOf, type PositionBasis } from './position-basis.js';

export interface AggregateWireOptions extends KeyAccess {
  readonly clock: Clock;
  readonly topic: string;
}

/** The owner of a partition, as its lease tells it. */
export interface OwnerOnServer {
  readonly owner: string;
  readonly epoch: number;
  /** Renewed within its time. A process that has just died counts as alive for a moment. */
  readonly isAlive: boolean;
}

/** Letters of one aggregate on the server, those that a group has skipped included. */
export interface LettersOnServer {
  readonly group: string;
  readonly count: number;
}

interface PurgeAnswer {
  readonly purged: number;
}

const TIMEOUT_MS = 5_000;

/** One topic's ways to all that the server holds of one aggregate. */
export class AggregateWire {
  constructor(private readonly options: AggregateWireOptions) {}

  get topic(): string {
    return this.options.topic;
  }

  /** @throws STREAM_MISSING, JETSTREAM_REQUEST_FAILED */
  async stream(): Promise<StreamState> {
    const info = await findStream(this.options.api, this.topic, TIMEOUT_MS);
    if (info !== undefined) return streamStateFrom(this.topic, info);
    throw new AggregateTransportError(
      'STREAM_MISSING',
      `expected a stream "${this.topic}" for the topic, found none; check the name and the server`,
    );
  }

  /** The events of an aggregate, in order. */
  history(token: string, fromSequence: number): AsyncGenerator<StoredMessage> {
    const { api } = this.options;
    const subject = subjectOf(this.topic, token);
    return messagesOf(subjectMessages(api, this.topic, subject, undefined), fromSequence);
  }

  lastBefore(time: Date): Promise<number> {
    return lastBefore(this.options.api, this.topic, time);
  }

  /** The groups that have ever started on the topic. */
  async groups(): Promise<KnownGroup[]> {
    const known = await groupsOnServer(this.options, { topic: this.topic, group: undefined });
    const isDeleted = await Promise.all(known.map(({ group }) => this.#isDeleted(group)));
    return known.filter((_, index) => isDeleted[index] !== true);
  }

  async #isDeleted(group: string): Promise<boolean> {
    const record = await new GroupRecordKey(this.options, this.topic, group, TIMEOUT_MS).read();
    return record.value?.deleted !== undefined;
  }

  /** Where a partition stands, as its next owner would find it. */
  async position(address: PartitionAddress): Promise<PositionBasis> {
    const { api } = this.options;
    const record = (await new GroupRecordKey(this.options, this.topic, address.group, TIMEOUT_MS).read())
      .value;
    const stored = await readKey<PositionRecord>(api, positionPlace(address), TIMEOUT_MS);
    if (stored.value !== undefined && !isReadable(stored.value)) {
      throw new AggregateTransportError(
        'RECORD_INVALID',
        `expected a position of format 1 of group "${address.group}", found format ${stored.value.v as number}: ` +
          'run this command with the release that wrote it',
      );
    }
    return basisOf(stored.value, record, await this.stream());
  }

  /** Undefined if the partition was never taken. */
  async owner(address: PartitionAddress): Promise<OwnerOnServer | undefined> {
    const { api, clock } = this.options;
    const place = leasePlace(address);
    const found = await findMessage(api, place.stream, { last_by_subj: place.subject }, TIMEOUT_MS);
    const lease = found && storedValueOf<LeaseRecord>(found, place).value;
    if (found === undefined || lease === undefined) return undefined;
    const aliveAt = Math.max(Date.parse(found.time), await this.#renewedAt(address.group, lease));
    const ttlMs = lease.sessionTtlMs ?? lease.ttlMs;
    const isAlive = lease.released !== true && aliveAt + ttlMs > clock.wallNow();
    return { owner: lease.owner, epoch: lease.epoch, isAlive };
  }

  parked(group: string): ParkedWire {
    const { connection, api, clock } = this.options;
    return new ParkedWire({ connection, api, clock, topic: this.topic, group, bits: '' });
  }

  /** By group: letters of every group that has any, whether it is known or not. */
  async letters(token: string): Promise<LettersOnServer[]> {
    const counts = new Map<string, number>();
    for (const filter of this.#letterFilters(token)) {
      const subjects = await subjectsOf(this.options.api, parkedStreamOf(this.topic), filter, TIMEOUT_MS);
      for (const [subject, count] of subjects) {
        const group = subject.split('.')[1] ?? '';
        counts.set(group, (counts.get(group) ?? 0) + count);
      }
    }
    return [...counts].map(([group, count]) => ({ group, count }));
  }

  /** Writes down that these events are about to be purged, so that no group counts them as lost. */
  notePurged(created: string, sequences: readonly number[]): Promise<void> {
    return notePurged(this.options, { topic: this.topic, created }, sequences);
  }

  /** Purges the events of an aggregate up to this sequence. Resolves with their number. */
  async purgeEvents(token: string, through: number): Promise<number> {
    return this.#purge(this.topic, { filter: subjectOf(this.topic, token), seq: through + 1 });
  }

  /** Purges the letters and skipped events of an aggregate in all groups, up to a position in the parked stream. */
  async purgeLetters(token: string, throughPosition: number): Promise<number> {
    let purged = 0;
    for (const filter of this.#letterFilters(token))
      purged += await this.#purge(parkedStreamOf(this.topic), { filter, seq: throughPosition + 1 });
    return purged;
  }

  /** The last position in the parked stream; 0 without one. */
  async lastPosition(): Promise<number> {
    const { api } = this.options;
    const found = await findStream(api, parkedStreamOf(this.topic), TIMEOUT_MS);
    return found?.state.last_seq ?? 0;
  }

  #letterFilters(token: string): readonly string[] {
    const parked = parkedStreamOf(this.topic);
    return [`${parked}.*.${bitsOfToken(token)}.${token}`, `${parked}.*.skipped.${token}`];
  }

  async #purge(stream: string, what: { readonly filter: string; readonly seq: number }): Promise<number> {
    return (await this.options.api.request<PurgeAnswer>(`STREAM.PURGE.${stream}`, what, TIMEOUT_MS)).purged;
  }

  /** When the session that keeps the lease was renewed; 0 if none does. */
  async #renewedAt(group: string, lease: LeaseRecord): Promise<number> {
    const place = memberPlace(this.topic, group, lease.owner);
    const found = await findMessage(
      this.options.api,
      place.stream,
      { last_by_subj: place.subject },
      TIMEOUT_MS,
    );
    const session = found && storedValueOf<MemberRecord>(found, place).value;
    return found !== undefined && keepsLease(lease, session) ? Date.parse(found.time) : 0;
  }
}
