import { inParallel } from '../../in-parallel.js';
import { partitionOf } from '../../message/partitioning.js';
import { aggregateIdOf } from '../../message/subject.js';
import type { ParkReason } from '../../message/park-reason.js';
import type { MarkedReplay, ParkedState } from '../../records/marker.js';
import type { AggregatePorts, PartitionOwner, StartedGroup } from './aggregate-ports.js';

/** Why an aggregate is not in the live flow of a group, or is to leave it. */
export interface ParkedPlace {
  /** `parked`, or what its owner does with it now. */
  readonly state: ParkedState;
  /** Why it was parked. */
  readonly reason: ParkReason;
  /** The text of the last attempt's error. */
  readonly error: string;
  /** Attempts at the event that failed. */
  readonly attempts: number;
  /** Of the event that failed, in the topic's stream. */
  readonly sequence: number;
  /** When it was parked, by its owner's clock. */
  readonly since: Date;
  /** Of a replay that is not ended: what is left of it. */
  readonly replay: Pick<MarkedReplay, 'from' | 'to'> | undefined;
}

/** Where an aggregate stands in one group. */
export interface AggregatePlace {
  /** The aggregate that was asked about. */
  readonly aggregateId: string;
  /** The group that this is about. */
  readonly group: string;
  /** The group's partition that it belongs to, from 0. */
  readonly partition: number;
  /** Undefined if no process has ever owned the partition. */
  readonly owner: PartitionOwner | undefined;
  /** The aggregate's last event that is settled: handled, or a letter; 0 for none. */
  readonly settledThrough: number;
  /** Its events that are not settled, and the first of them. */
  readonly waiting: number;
  /** The sequence of the first of them; undefined without one. */
  readonly firstWaiting: number | undefined;
  /** Undefined if it is live. */
  readonly parked: ParkedPlace | undefined;
  /** Letters and skipped events of it. */
  readonly letters: number;
}

/** The same, with the events that are not settled. */
export interface AggregateStand {
  readonly place: AggregatePlace;
  /** Ascending. */
  readonly waiting: readonly number[];
}

const AT_ONCE = 8;

/**
 * Where an aggregate stands in every group of a topic, or in one. `sequences` are its events, ascending. Read from the
 * server alone, so it works without any replica.
 * @throws JETSTREAM_REQUEST_FAILED, RECORD_INVALID
 */
export async function placesOf(
  ports: AggregatePorts,
  token: string,
  of: { readonly sequences: readonly number[]; readonly group?: string | undefined },
): Promise<AggregatePlace[]> {
  return (await standsOf(ports, token, of)).map(({ place }) => place);
}

/** As {@link placesOf}, with the events that are not settled. */
export async function standsOf(
  ports: AggregatePorts,
  token: string,
  { sequences, group }: { readonly sequences: readonly number[]; readonly group?: string | undefined },
): Promise<AggregateStand[]> {
  const groups = (await ports.groups()).filter((one) => group === undefined || one.group === group);
  const letters = new Map((await ports.letters(token)).map((one) => [one.group, one.count]));
  return inParallel(groups, AT_ONCE, async (one) => {
    const { place, waiting } = await standOf(ports, token, one, sequences);
    return { place: { ...place, letters: letters.get(one.group) ?? 0 }, waiting };
  });
}

async function standOf(
  ports: AggregatePorts,
  token: string,
  { group, layout, partitions }: StartedGroup,
  sequences: readonly number[],
): Promise<{ readonly place: Omit<AggregatePlace, 'letters'>; readonly waiting: readonly number[] }> {
  const partition = partitionOf(token, partitions);
  const address = { topic: ports.topic, group, layout, partitions, partition };
  const [{ high, unsettled }, owner, parked] = await Promise.all([
    ports.position(address),
    ports.owner(address),
    parkedPlaceOf(ports, group, token),
  ]);
  const open = new Set(unsettled);
  const waiting = sequences.filter((sequence) => sequence > high || open.has(sequence));
  const settled = sequences.filter((sequence) => sequence <= high && !open.has(sequence));
  const place = {
    aggregateId: aggregateIdOf(token),
    group,
    partition,
    owner,
    settledThrough: settled.at(-1) ?? 0,
    waiting: waiting.length,
    firstWaiting: waiting[0],
    parked,
  };
  return { place, waiting };
}

async function parkedPlaceOf(
  ports: AggregatePorts,
  group: string,
  token: string,
): Promise<ParkedPlace | undefined> {
  const found = await ports.parked(group).readMarker(token);
  if (found === undefined) return undefined;
  const { state, reason, error, attempts, sequence, since, replay } = found.marker;
  const left =
    replay !== undefined && replay.from <= replay.to ? { from: replay.from, to: replay.to } : undefined;
  return { state, reason, error, attempts, sequence, since: new Date(since), replay: left };
}
