import type { Clock } from '../../clock.js';
import { delay } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { HEADER } from '../../message/headers.js';
import { partitionOf } from '../../message/partitioning.js';
import { subjectOf } from '../../message/subject.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { MemberRecord } from '../../records/member-record.js';
import type { PartitionAddress } from '../../records/partition-address.js';
import { decodeSequences, type PositionRecord } from '../../records/position-record.js';
import { allowsBatchedGet, BatchedGet } from '../api/batched-get.js';
import { findStream } from '../api/provision.js';
import { streamStateFrom } from '../api/stream-state.js';
import { leasePlace, memberPlace, parkedStreamOf, positionPlace } from '../keys/key-places.js';
import { readKey } from '../keys/kv.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { GroupRecordKey } from '../wires/group-record-key.js';
import { messagesOf, subjectMessages } from '../wires/history.js';
import { ParkedWire } from '../wires/parked-wire.js';
import { readTopicStream } from './topic-settings.js';

export interface ImportWireOptions extends KeyAccess {
  readonly clock: Clock;
  readonly topic: string;
  readonly group: string;
}

/** A partition whose position is confirmed, and the record of its group. */
interface Partition {
  readonly address: PartitionAddress;
  readonly group: GroupRecord;
  readonly position: PositionRecord;
}

/** Above the time that a lease without a sign of life stands. */
const MARGIN_MS = 500;

/** A group at rest, as an import of letters sees it. */
export class ImportWire {
  readonly port: ParkedWire;
  /** By partition: signs of life that were seen unchanged for longer than a lease stands. */
  readonly #atRest = new Map<number, string>();

  private constructor(
    private readonly options: ImportWireOptions,
    readonly parkedCreated: string,
  ) {
    this.port = new ParkedWire({ ...options, bits: '' });
  }

  /** @throws STREAM_MISSING, STREAM_MISMATCH, IMPORT_REFUSED if the group never started here */
  static async open(options: ImportWireOptions): Promise<ImportWire> {
    const { api, topic } = options;
    await readTopicStream(api, topic);
    const parked = await findStream(api, parkedStreamOf(topic));
    if (parked === undefined)
      throw refusedError(options, 'no stream of letters: start a replica once, and stop it');
    return new ImportWire(options, parked.created);
  }

  readonly atRest = async (token: string): Promise<{ epoch: number; guard: string }> => {
    const { address, group, position } = await this.#partition(token);
    const guard = await this.#whenQuiet(address);
    if (position.epoch <= group.start.epoch)
      throw refusedError(
        this.options,
        `partition ${address.partition} without an owner since its reset: start a replica once`,
      );
    return { epoch: position.epoch, guard };
  };

  readonly topic = async (): Promise<{ created: string; lastSequence: number }> => {
    const { api, topic } = this.options;
    return streamStateFrom(topic, await readTopicStream(api, topic));
  };

  readonly events = async (
    token: string,
  ): Promise<{ sequence: number; eventId: string | undefined; isSettled: boolean }[]> => {
    const { position } = await this.#partition(token);
    const { api, topic, connection, clock } = this.options;
    const { config } = await readTopicStream(api, topic);
    const batches = allowsBatchedGet(config, connection.serverVersion)
      ? new BatchedGet(connection, api, topic, clock)
      : undefined;
    const open = new Set(decodeSequences(position.unsettled));
    const found: { sequence: number; eventId: string | undefined; isSettled: boolean }[] = [];
    for await (const { sequence, headers } of messagesOf(
      subjectMessages(api, topic, subjectOf(topic, token), batches),
      1,
    )) {
      const id = headers[HEADER.messageId];
      const eventId = id?.startsWith(`${token}:`) === true ? id.slice(token.length + 1) : id;
      found.push({ sequence, eventId, isSettled: sequence <= position.high && !open.has(sequence) });
    }
    return found;
  };

  async #partition(token: string): Promise<Partition> {
    const { api, topic, group: name } = this.options;
    const { value: group } = await new GroupRecordKey(this.options, topic, name, TIMEOUT_MS).read();
    if (group === undefined)
      throw refusedError(this.options, 'no record of the group: start a replica once, and stop it');
    if (group.change !== undefined)
      throw refusedError(this.options, 'a change of its layout under way: let it end');
    const { layout, partitions } = group;
    const address = { topic, group: name, layout, partitions, partition: partitionOf(token, partitions) };
    const { value: position } = await readKey<PositionRecord>(api, positionPlace(address), TIMEOUT_MS);
    if (position?.v !== 1)
      throw refusedError(
        this.options,
        `no position of partition ${address.partition}: start a replica once, and stop it`,
      );
    if (position.origin !== undefined)
      throw refusedError(
        this.options,
        'partitions that were merged and have not caught up: start a replica until they have',
      );
    const { created, isRestored } = streamStateFrom(topic, await readTopicStream(api, topic));
    // The position of a topic that was restored with it counts, as for its next owner.
    if (position.created !== created && !isRestored)
      throw refusedError(
        this.options,
        'a position of a stream before this one: start a replica once, and stop it',
      );
    return { address, group, position };
  }

  /** Says what an owner would change, once it has not changed for longer than its lease stands. */
  async #whenQuiet(address: PartitionAddress): Promise<string> {
    const seen = await this.#signs(address);
    if (seen.isFree || this.#atRest.get(address.partition) === seen.text)
      return this.#quiet(address, seen.text);
    await delay(this.options.clock, seen.ttlMs + MARGIN_MS);
    const again = await this.#signs(address);
    if (again.text === seen.text) return this.#quiet(address, seen.text);
    throw refusedError(
      this.options,
      `partition ${address.partition} owned by ${again.owner}: stop all replicas of the group`,
    );
  }

  #quiet({ partition }: PartitionAddress, text: string): string {
    this.#atRest.set(partition, text);
    return text;
  }

  async #signs(
    address: PartitionAddress,
  ): Promise<{ text: string; isFree: boolean; ttlMs: number; owner: string }> {
    const { api, topic, group } = this.options;
    const lease = await readKey<LeaseRecord>(api, leasePlace(address), TIMEOUT_MS);
    const position = await readKey<PositionRecord>(api, positionPlace(address), TIMEOUT_MS);
    const { owner = 'none', ttlMs = 0, sessionTtlMs = ttlMs } = lease.value ?? {};
    const released = lease.value === undefined || lease.value.released === true;
    const session = released
      ? undefined
      : await readKey<MemberRecord>(api, memberPlace(topic, group, owner), TIMEOUT_MS);
    const text = `${lease.revision} ${position.revision} ${session?.revision ?? 0}`;
    const hasEnded = session?.value?.ended === true;
    return { text, isFree: released || hasEnded, ttlMs: sessionTtlMs, owner };
  }
}

const TIMEOUT_MS = 2_000;

function refusedError({ topic, group }: ImportWireOptions, found: string): AggregateTransportError {
  return new AggregateTransportError(
    'IMPORT_REFUSED',
    `expected group "${group}" on topic "${topic}" to be at rest, found ${found}; nothing was imported`,
  );
}
