import { reached } from '#sabotage';
import { AggregateTransportError } from '../../errors.js';
import type { LogAt } from '../../log.js';
import { firstGroupRecord, type GroupRecord, nextGroupRecord } from '../../records/group-record.js';
import type { StoredValue } from '../../records/key-port.js';
import type { StartAt } from '../api/configuration.js';
import { positionsStreamOf } from '../keys/key-places.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { createStream, findStream, type Provision } from '../api/provision.js';
import { GroupRecordKey } from '../wires/group-record-key.js';
import { describeStart, resolveStart } from './group-start.js';
import { parkedTraceOf, traceOf } from './group-traces.js';
import { oldConsumersOf, refuseOldConsumers } from './old-consumers.js';
import {
  checkPositionsStream,
  positionsConfigOf,
  type PositionsOptions,
  type TopicStorage,
} from './positions-stream.js';

export interface GroupRecordRequest {
  readonly topic: string;
  readonly group: string;
  readonly provision: Provision;
  readonly positions: PositionsOptions;
  /** Of the topic's stream, as the server has it. */
  readonly storage: TopicStorage;
  /** Used at the group's first start only. */
  readonly partitions: number;
  readonly startAt: StartAt;
  /** The group is never begun: a process that follows it found it before. */
  readonly mustExist: boolean;
}

/** A server that has just begun may need longer than a partition has. */
const TIMEOUT_MS = 2_000;
const NOT_FOUND: StoredValue<GroupRecord> = { value: undefined, revision: 0 };

/**
 * Finds the record that all replicas of a group follow, or makes it at the group's first start. A record that should
 * exist and does not is never made in silence: the group would begin again from where it once started.
 */
export class GroupRecordOpening {
  constructor(
    private readonly access: KeyAccess,
    private readonly request: GroupRecordRequest,
    private readonly log: LogAt<'group'>,
  ) {}

  /**
   * @throws OLD_CONSUMERS, RECORD_MISSING, RECORD_INVALID, GROUP_DELETED, STREAM_MISSING, STREAM_MISMATCH,
   *   OPTIONS_INVALID, JETSTREAM_REQUEST_FAILED
   */
  async open(): Promise<GroupRecord> {
    const { topic, group } = this.request;
    const { api } = this.access;
    const key = new GroupRecordKey(this.access, topic, group, TIMEOUT_MS);
    const hasStream = await this.#checkStream();
    const found = hasStream ? await key.read() : NOT_FOUND;
    if (found.value?.deleted !== undefined) return this.#afterDeletion(key, found.value, found.revision);
    if (found.value !== undefined) return found.value;
    refuseOldConsumers(topic, group, await oldConsumersOf(api, topic, group));
    const trace = await traceOf(api, topic, group);
    if (trace !== undefined) return this.#startedMeanwhile(key, trace);
    if (!hasStream) await this.#createStream();
    return this.#first(key, found.revision);
  }

  /** Resolves with false if there is no stream of positions. */
  async #checkStream(): Promise<boolean> {
    const { topic, provision, storage } = this.request;
    const found = await findStream(this.access.api, positionsStreamOf(topic), TIMEOUT_MS);
    if (found === undefined) return false;
    if (provision !== 'off') checkPositionsStream(topic, found.config, storage);
    return true;
  }

  /** Another replica may have started the group since: it writes the record before it leaves any trace. */
  async #startedMeanwhile(key: GroupRecordKey, trace: string): Promise<GroupRecord> {
    const { topic, group } = this.request;
    const stream = positionsStreamOf(topic);
    const hasStream = await this.#checkStream();
    const { value } = hasStream ? await key.read() : NOT_FOUND;
    if (value !== undefined) return value;
    const missing = hasStream ? `a record of group "${group}" in stream "${stream}"` : `a stream "${stream}"`;
    throw new AggregateTransportError(
      'RECORD_MISSING',
      `expected ${missing}, found none, but ${trace}: the group has run before, and where it stood is lost; ` +
        `restore ${stream} from the backup taken with the topic, or start over: ` +
        `npx aggregate-transport group reset ${topic} ${group} --to start`,
    );
  }

  async #createStream(): Promise<void> {
    const { topic, provision, positions, storage } = this.request;
    const wanted = positionsConfigOf(topic, positions, storage);
    if (provision !== 'ensure') {
      throw new AggregateTransportError(
        'STREAM_MISSING',
        `expected a stream "${wanted.name}" for the positions of topic "${topic}", found none; ` +
          'create it, or set stream.provision to "ensure"',
      );
    }
    const made = await createStream(this.access.api, wanted);
    checkPositionsStream(topic, made.config, storage);
  }

  /** A group of the name of a deleted one begins when nothing of that is left. */
  async #afterDeletion(key: GroupRecordKey, deleted: GroupRecord, revision: number): Promise<GroupRecord> {
    const { topic, group, mustExist } = this.request;
    const { at = 0, removed } = deleted.deleted ?? {};
    const when = new Date(at).toISOString();
    if (mustExist) throw deletedError(this.request, `that it was deleted at ${when}`);
    // A process that slept through the deletion may have written since.
    const trace =
      removed === true ? await parkedTraceOf(this.access.api, topic, group) : 'its keys are still there';
    if (trace !== undefined)
      throw deletedError(this.request, `that its deletion, begun at ${when}, is not complete: ${trace}`);
    const run = deleted.run + 1;
    this.log.write(
      'group-created-again',
      { run },
      `topic "${topic}": group "${group}" was deleted at ${when}; a new group of its name begins, in run ${run}`,
    );
    return this.#first(key, revision, deleted);
  }

  /** Resolves with the record of the replica that was first. */
  async #first(key: GroupRecordKey, revision: number, deleted?: GroupRecord): Promise<GroupRecord> {
    const { topic, group, partitions, startAt } = this.request;
    const start = await resolveStart(this.access.api, topic, startAt);
    const record =
      deleted === undefined
        ? firstGroupRecord(partitions, start)
        : nextGroupRecord(deleted, partitions, start);
    if ((await key.write(record, revision)) !== undefined) {
      reached('start: group record made');
      this.log.write(
        'group-created',
        { sequence: start.sequence, partitions },
        `topic "${topic}": group "${group}" starts for the first time, after sequence ${start.sequence} ` +
          `(consume.startAt: ${describeStart(startAt)}), with ${partitions} partition(s)`,
      );
      return record;
    }
    const { value } = await key.read();
    if (value !== undefined) return value;
    throw new AggregateTransportError(
      'JETSTREAM_REQUEST_FAILED',
      `expected a record of group "${group}" on topic "${topic}", found that another process wrote and deleted it; ` +
        'start again',
    );
  }
}

function deletedError(
  { topic, group }: Pick<GroupRecordRequest, 'topic' | 'group'>,
  found: string,
): AggregateTransportError {
  return new AggregateTransportError(
    'GROUP_DELETED',
    `expected group "${group}" of topic "${topic}" to be there, or to be free to begin, found ${found}; finish it with ` +
      `npx aggregate-transport group delete ${topic} ${group}, then start again`,
  );
}
