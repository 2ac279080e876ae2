import { isSabotaged, reached } from '#sabotage';
import { AggregateTransportError } from '../../errors.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import {
  beginChange,
  beginsAnew,
  cancelChange,
  completeChange,
  type GroupRecord,
  isSameChange,
  type LayoutChange,
  type ReachedLayout,
} from '../../records/group-record.js';
import type { StoredValue } from '../../records/key-port.js';
import { decodeSequences, isReadable, type PositionRecord } from '../../records/position-record.js';
import { nameChange } from './change-texts.js';
import { type DrainedPartition, initialPositions } from './initial-positions.js';
import { mostRuns } from './recovered-group.js';
import type { LayoutPlace, RepartitionPorts } from './repartition-ports.js';

/** What to change: the number of partitions, or for a reset where they begin; or that there is no group any more. */
export type WantedChange = Omit<LayoutChange, 'number'>;

/**
 * Partitions whose record is lost and whose lease the caller took, with the epoch it took it in. Every later claim of
 * such a partition halts, so it is at rest for good.
 */
export type LostPartitions = ReadonlyMap<number, number>;

/** How far a change has come. */
export type ChangeProgress =
  /** None is under way. */
  | { readonly kind: 'none'; readonly group: GroupRecord }
  | {
      readonly kind: 'draining';
      readonly group: GroupRecord;
      readonly change: LayoutChange;
      /** Partitions of the layout in force that are not drained. */
      readonly open: readonly number[];
    };

interface StoredGroup {
  readonly value: GroupRecord;
  readonly revision: number;
}

const NONE_LOST: LostPartitions = new Map();

/**
 * Changes the layout of a group: how many partitions it has, or for a reset where they begin. Keeps nothing between
 * calls; every step may be taken by any process, several times, at once, and after a long sleep.
 *
 * 1. {@link begin} writes the change, under a number that is never used twice, into the group's record.
 * 2. Owners drain their partitions. The last commit of a drain carries the mark of the change, and a claim keeps the
 *    mark. Nothing starts under it unless the change is known to be cancelled.
 * 3. {@link advance}: once all records carry the mark, the records of the new layout are made. Their keys carry its
 *    number, so they are written once and by no other change. A reset makes none: its partitions begin at its start.
 *    Nor does a deletion.
 * 4. The group's record switches by compare-and-set, against the revision at which the marks were read. A cancelled
 *    change has moved that revision, so what was prepared for it is never used.
 *
 * Records of layouts no longer in force are left: their marks keep late owners from starting.
 */
export class Repartition {
  constructor(
    private readonly name: string,
    private readonly ports: RepartitionPorts,
  ) {}

  /** @throws GROUP_UNKNOWN, also if it is deleted; JETSTREAM_REQUEST_FAILED */
  async group(): Promise<GroupRecord> {
    return (await this.#readLiving()).value;
  }

  /**
   * Begins a change, unless the same one is under way or complete. Resolves with the change under way; undefined if it
   * is complete.
   * @throws CHANGE_UNDER_WAY if another change is
   * @throws GROUP_UNKNOWN, JETSTREAM_REQUEST_FAILED
   */
  async begin(wanted: WantedChange): Promise<LayoutChange | undefined> {
    for (;;) {
      const stored = await (wanted.deletes === undefined ? this.#readLiving() : this.#read());
      const { value: group, revision } = stored;
      const { change } = group;
      if (change !== undefined) {
        if (isSameChange(change, wanted)) return change;
        throw new AggregateTransportError(
          'CHANGE_UNDER_WAY',
          `expected no change of ${this.name} under way, found ${nameChange(change)}; ` +
            'finish it with --resume, or call it off with --cancel',
        );
      }
      if (isComplete(group, wanted)) return undefined;
      const begun = beginChange(group, wanted);
      if ((await this.ports.group.write(begun, revision)) === undefined) continue;
      reached('repartition: begun');
      return begun.change;
    }
  }

  /** Calls a change off. Resolves with false if none is under way: there was none, or it is complete. */
  async cancel(): Promise<boolean> {
    for (;;) {
      const { value: group, revision } = await this.#read();
      if (group.change === undefined) return false;
      if ((await this.ports.group.write(cancelChange(group), revision)) === undefined) continue;
      reached('repartition: cancelled');
      return true;
    }
  }

  /**
   * Takes all steps of a change that can be taken now, and tells how far it is. Only a reset or a deletion may count
   * partitions as drained whose record is `lost`.
   * @throws RECORD_INVALID if a record of the new layout would be too large, or cannot be read by this release
   * @throws RECORD_MISSING if a record made for the new layout was deleted
   * @throws GROUP_UNKNOWN, JETSTREAM_REQUEST_FAILED
   */
  async advance(lost: LostPartitions = NONE_LOST): Promise<ChangeProgress> {
    for (;;) {
      const { value: group, revision } = await this.#read();
      const { change } = group;
      if (change === undefined) return { kind: 'none', group };
      const found = await this.#recordsOf(group, change);
      const isDrained = (record: PositionRecord | undefined, partition: number): boolean =>
        record === undefined
          ? beginsAnew(change) && lost.has(partition)
          : record.drained?.change === change.number;
      const open = found.flatMap((record, partition) => (isDrained(record, partition) ? [] : [partition]));
      if (open.length > 0) return { kind: 'draining', group, change, open };
      const records = found.filter((record) => record !== undefined);
      if (!beginsAnew(change)) await this.#prepare(change, records);
      const lostEpochs = found.flatMap((record, partition) => (record ? [] : [lost.get(partition) ?? 0]));
      const complete = completeChange(group, change, reachedOf({ group, change, records, lostEpochs }));
      const next = isSabotaged('run-stands-still') ? { ...complete, run: group.run } : complete;
      if ((await this.ports.group.write(next, revision)) === undefined) continue;
      reached('repartition: switched');
      return { kind: 'none', group: next };
    }
  }

  /** Makes the records of the new layout. A record that another process made from the same marks says the same. */
  async #prepare(change: LayoutChange, records: readonly PositionRecord[]): Promise<void> {
    const { created } = await this.ports.stream();
    const isMerge = change.to < records.length;
    const drained = await inParallel(
      records,
      REQUESTS_AT_ONCE,
      async (record, partition): Promise<DrainedPartition> => {
        const isHere = isMerge && record.created === created;
        return { record, firstUnsettled: isHere ? await this.#firstUnsettled(records, partition) : 1 };
      },
    );
    await inParallel(
      initialPositions({ change, drained, created }),
      REQUESTS_AT_ONCE,
      async (record, partition) => {
        await this.#make({ layout: change.number, partitions: change.to, partition }, record);
        reached('repartition: position prepared');
      },
    );
  }

  async #firstUnsettled(records: readonly PositionRecord[], partition: number): Promise<number> {
    const { high = 0, unsettled = '' } = records[partition] ?? {};
    const [first] = decodeSequences(unsettled);
    return first ?? this.ports.firstAfter({ partitions: records.length, partition }, high);
  }

  async #make(place: LayoutPlace, record: PositionRecord): Promise<void> {
    const key = this.ports.position(place);
    const bytes = Buffer.byteLength(JSON.stringify(record));
    const most = Math.floor(key.maxBytes / 2);
    if (bytes > most) {
      throw new AggregateTransportError(
        'RECORD_INVALID',
        `expected the position of partition ${place.partition} of ${place.partitions} of ${this.name} to fit into ` +
          `${most} bytes, half of the server's max_payload, found ${bytes}; call the change off with --cancel, ` +
          'let the group catch up, and begin again',
      );
    }
    if ((await key.write(record, 0)) !== undefined) return;
    // Written by another process. A key without a value was deleted; made again it could replace a lost position.
    if ((await key.read()).value !== undefined) return;
    throw new AggregateTransportError(
      'RECORD_MISSING',
      `expected the position of partition ${place.partition} of ${place.partitions} of ${this.name} that was made for ` +
        'the change under way, found it deleted; call the change off with --cancel and begin again',
    );
  }

  async #recordsOf(
    { layout, partitions }: GroupRecord,
    change: LayoutChange,
  ): Promise<(PositionRecord | undefined)[]> {
    return inParallel(Array.from({ length: partitions }), REQUESTS_AT_ONCE, async (_, partition) => {
      const stored = await this.ports.position({ layout, partitions, partition }).read();
      return readableFor(change, stored, `partition ${partition} of ${this.name}`).value;
    });
  }

  async #readLiving(): Promise<StoredGroup> {
    const stored = await this.#read();
    const { deleted } = stored.value;
    if (deleted === undefined) return stored;
    throw new AggregateTransportError(
      'GROUP_UNKNOWN',
      `expected a record of ${this.name}, found that it was deleted at ${new Date(deleted.at).toISOString()}; ` +
        'a group of its name begins with the next start of a service that has it',
    );
  }

  async #read(): Promise<StoredGroup> {
    const { value, revision }: StoredValue<GroupRecord> = await this.ports.group.read();
    if (value !== undefined) return { value, revision };
    throw new AggregateTransportError(
      'GROUP_UNKNOWN',
      `expected a record of ${this.name}, found none; check the names. A group that has started before has lost it: ` +
        'restore the stream of positions from a backup, or run group reset',
    );
  }
}

/**
 * What a change can carry on of a stored position. A reset and a deletion carry nothing on, so what a later release
 * wrote counts as lost there.
 * @throws RECORD_INVALID if a later release wrote the record, and the change carries it on
 */
export function readableFor(
  change: LayoutChange,
  stored: StoredValue<PositionRecord>,
  partition: string,
): StoredValue<PositionRecord> {
  const { value, revision } = stored;
  if (value === undefined || isReadable(value)) return stored;
  if (beginsAnew(change)) return { value: undefined, revision };
  throw new AggregateTransportError(
    'RECORD_INVALID',
    `expected the position of ${partition} to be of version 1, found version ${value.v as number}; ` +
      'call the change off with --cancel, and use the release that wrote it, or run group reset',
  );
}

function isComplete(group: GroupRecord, { to, id, start, deletes }: WantedChange): boolean {
  if (deletes !== undefined) return group.deleted !== undefined;
  if (start === undefined) return group.partitions === to;
  return id !== undefined && group.lastReset === id;
}

interface Drained {
  readonly group: GroupRecord;
  readonly change: LayoutChange;
  readonly records: readonly PositionRecord[];
  /** Of partitions whose record is lost. */
  readonly lostEpochs: readonly number[];
}

function reachedOf({ group, change: { start }, records, lostEpochs }: Drained): ReachedLayout {
  const epoch = Math.max(0, ...records.map((record) => record.epoch), ...lostEpochs);
  // As long as the stream is the one the group has begun in, no partition has begun another run.
  const isSameStream = group.start.created === start?.created;
  const lostRun = lostEpochs.length === 0 || isSameStream ? 0 : mostRuns(epoch);
  // Sequences of another stream are no places in this one.
  const here = records.filter(({ created }) => created === start?.created);
  return {
    epoch,
    run: Math.max(lostRun, ...records.map(({ run }) => run)),
    high: Math.max(0, ...here.map(({ high }) => high)),
  };
}
