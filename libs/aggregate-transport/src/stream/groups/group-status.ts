import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { inParallel } from '../../in-parallel.js';
import type { StreamState } from '../../message/reader-port.js';
import {
  type GroupOnServer,
  type GroupQuestion,
  keepsLease,
  type LeaseOnServer,
  type PartitionOnServer,
} from '../../records/group-on-server.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { MemberRecord } from '../../records/member-record.js';
import type { PartitionAddress } from '../../records/partition-address.js';
import { isReadable, type PositionRecord } from '../../records/position-record.js';
import { leasePlace, memberPlace, positionPlace } from '../keys/key-places.js';
import { readKey, storedValueOf } from '../keys/kv.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { findMessage } from '../api/stored-message.js';
import { findStream } from '../api/provision.js';
import { streamRoomFrom, streamStateFrom } from '../api/stream-state.js';
import { GroupRecordKey } from '../wires/group-record-key.js';
import { basisOf, type PositionBasis } from './position-basis.js';
import { type OldestEvent, oldestFrom, pendingAfter } from './position-lag.js';
import { holesOf, NO_HOLES } from './stream-holes.js';

export interface GroupLookOptions extends KeyAccess {
  readonly topic: string;
  readonly question: GroupQuestion;
  readonly clock: Clock;
  /** Streams that are known to be missing: leases and positions are then told as undefined. */
  readonly missing?: { readonly leases: boolean; readonly positions: boolean };
}

const AT_ONCE = 16;
const TIMEOUT_MS = 2_000;

interface FoundSession {
  readonly record: MemberRecord;
  readonly at: number;
}

/** Where the stream ends, and what the group's record says of partitions without a position. */
interface Surroundings {
  readonly stream: StreamState;
  readonly record: GroupRecord | undefined;
}

/**
 * Reads a group from outside, changing nothing. It costs two requests for stream and record, and one for the list of
 * holes if that has changed. Each other replica that holds leases costs one. Each partition costs one for its position,
 * one for a lease that is not owned, and up to three where events are waiting.
 */
export class GroupLook {
  readonly #endsAt: number;
  /** Of one look: an owner of many partitions is read once. */
  readonly #sessions = new Map<string, Promise<FoundSession | undefined>>();

  constructor(private readonly options: GroupLookOptions) {
    this.#endsAt = options.clock.now() + options.question.withinMs;
  }

  /** @throws JETSTREAM_REQUEST_FAILED, also when the time is over; RECORD_INVALID */
  async read(): Promise<GroupOnServer> {
    const { api, topic, question } = this.options;
    const info = await findStream(api, topic, this.#timeout());
    const stream = info && streamStateFrom(topic, info);
    const surroundings = stream && (await this.#around(stream));
    const holes = { known: question.knownHoles, timeoutMs: this.#timeout() };
    const partitions = Array.from({ length: question.partitions }, (_, partition) => partition).filter(
      (partition) => !question.ownedOnly || question.owned.has(partition),
    );
    return {
      firstSequence: stream?.firstSequence ?? 0,
      room: info && streamRoomFrom(info),
      holes: info === undefined ? NO_HOLES : await holesOf(api, info, holes),
      partitions: await inParallel(partitions, AT_ONCE, (partition) =>
        this.#partition(partition, surroundings),
      ),
    };
  }

  /** Undefined without positions: they are lost, or the group is deleted. */
  async #around(stream: StreamState): Promise<Surroundings | undefined> {
    if (this.options.missing?.positions === true) return undefined;
    const record = await this.#record();
    return record?.deleted === undefined ? { stream, record } : undefined;
  }

  async #record(): Promise<GroupRecord | undefined> {
    const { topic, question } = this.options;
    return (await new GroupRecordKey(this.options, topic, question.group, this.#timeout()).read()).value;
  }

  async #partition(partition: number, around: Surroundings | undefined): Promise<PartitionOnServer> {
    const { topic, question } = this.options;
    const { group, layout, partitions } = question;
    const address = { topic, group, layout, partitions, partition };
    const lease = question.owned.has(partition) ? undefined : await this.#lease(address);
    // A group outlives its topic's stream, and the stream of its positions; it has no position then.
    const stored = around && (await this.#position(address));
    // Nor is one told that a later release wrote.
    if (around === undefined || (stored !== undefined && !isReadable(stored))) {
      return { partition, lease, position: undefined, oldestStoredAt: undefined, oldestSequence: undefined };
    }
    const basis = basisOf(stored, around.record, around.stream);
    const { high, epoch, run, unsettled } = basis;
    const timeout = (): number => this.#timeout();
    const pending = await pendingAfter(this.options, address, { high, stream: around.stream, timeout });
    const oldest = await this.#oldest(address, basis, { pending, stream: around.stream });
    return {
      partition,
      lease,
      position: { high, epoch, run, unsettled: unsettled.length, pending },
      oldestStoredAt: oldest?.storedAt,
      oldestSequence: oldest?.sequence,
    };
  }

  async #lease(address: PartitionAddress): Promise<LeaseOnServer | undefined> {
    if (this.options.missing?.leases === true) return undefined;
    const place = leasePlace(address);
    const question = { last_by_subj: place.subject };
    const found = await findMessage(this.options.api, place.stream, question, this.#timeout());
    if (found === undefined) return undefined;
    const lease = storedValueOf<LeaseRecord>(found, place).value;
    if (lease === undefined) return undefined;
    const { owner, epoch, ttlMs, sessionTtlMs, released } = lease;
    const aliveAt = Math.max(Date.parse(found.time), await this.#renewedAt(lease));
    return { owner, epoch, ttlMs: sessionTtlMs ?? ttlMs, released: released === true, aliveAt };
  }

  /** When the session that keeps the lease was renewed; 0 if none does. */
  async #renewedAt(lease: LeaseRecord): Promise<number> {
    const { owner } = lease;
    const session = this.#sessions.get(owner) ?? this.#session(owner);
    this.#sessions.set(owner, session);
    const found = await session;
    return found !== undefined && keepsLease(lease, found.record) ? found.at : 0;
  }

  async #session(owner: string): Promise<FoundSession | undefined> {
    const { api, topic, question } = this.options;
    const place = memberPlace(topic, question.group, owner);
    const found = await findMessage(api, place.stream, { last_by_subj: place.subject }, this.#timeout());
    const record = found && storedValueOf<MemberRecord>(found, place).value;
    return record && { record, at: Date.parse(found.time) };
  }

  async #position(address: PartitionAddress): Promise<PositionRecord | undefined> {
    return (await readKey<PositionRecord>(this.options.api, positionPlace(address), this.#timeout())).value;
  }

  #oldest(
    address: PartitionAddress,
    { high, unsettled }: PositionBasis,
    { pending, stream }: { readonly pending: number; readonly stream: StreamState },
  ): Promise<OldestEvent | undefined> | undefined {
    const kept = unsettled.find((sequence) => sequence >= stream.firstSequence);
    const from = kept ?? (pending > 0 ? high + 1 : undefined);
    return from === undefined ? undefined : oldestFrom(this.options, address, from, this.#timeout());
  }

  #timeout(): number {
    const { clock, topic, question } = this.options;
    const left = this.#endsAt - clock.now();
    if (left > 0) return Math.min(TIMEOUT_MS, left);
    throw new AggregateTransportError(
      'JETSTREAM_REQUEST_FAILED',
      `expected the server to report group "${question.group}" on topic "${topic}" within ${question.withinMs} ms, ` +
        'found it slower; ask again',
    );
  }
}
