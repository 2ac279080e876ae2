import type { LeaseRecord } from '../../records/lease-record.js';
import { API_ERROR, type JetStreamApi, JetStreamApiError } from '../api/jetstream-api.js';
import {
  LEASE_BUCKET,
  leaseFilter,
  letterFilter,
  MARKER_BUCKET,
  markerFilter,
  parkedStreamOf,
  positionFilter,
  positionsStreamOf,
  streamOfBucket,
} from '../keys/key-places.js';
import { storedValueOf } from '../keys/kv.js';
import { findMessage, type RawMessage } from '../api/stored-message.js';

/** Decides whether the value of a key proves that its group has run; undefined for a deleted key. */
type Proof = (value: Partial<LeaseRecord> | undefined) => boolean;

/** A place where a group that has run leaves keys. */
interface Place {
  readonly stream: string;
  readonly filter: string;
  readonly what: string;
  readonly proves: Proof;
}

const hasValue: Proof = (value) => value !== undefined;
const isClaimed: Proof = (value) => value?.claimed === true;

/**
 * What proves that a group has run before, as an error text names it; undefined if nothing does. Asked only when the
 * group's record is missing: with a trace the record is lost, without one the group has never started.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function traceOf(api: JetStreamApi, topic: string, group: string): Promise<string | undefined> {
  for (const place of placesOf(topic, group)) {
    const found = await firstKey(api, place);
    if (found !== undefined) return `${place.what} ("${found}")`;
  }
  const letter = await nextMessage(api, parkedStreamOf(topic), 1, letterFilter(topic, group));
  return letter === undefined ? undefined : `a parked event ("${letter.subject}")`;
}

/**
 * A marker or a letter of a group that is deleted, as an error text names it; undefined if there is none.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function parkedTraceOf(
  api: JetStreamApi,
  topic: string,
  group: string,
): Promise<string | undefined> {
  const [marker, letter] = await Promise.all([
    nextMessage(api, streamOfBucket(MARKER_BUCKET), 1, markerFilter(topic, group)),
    nextMessage(api, parkedStreamOf(topic), 1, letterFilter(topic, group)),
  ]);
  if (marker !== undefined) return `there is the marker of a parked aggregate ("${marker.subject}")`;
  return letter && `there is a parked event ("${letter.subject}")`;
}

function placesOf(topic: string, group: string): Place[] {
  return [
    {
      stream: streamOfBucket(LEASE_BUCKET),
      filter: leaseFilter(topic, group),
      what: 'a lease under which a position was claimed',
      proves: isClaimed,
    },
    {
      stream: positionsStreamOf(topic),
      filter: positionFilter(topic, group),
      what: 'a position',
      proves: hasValue,
    },
    {
      stream: streamOfBucket(MARKER_BUCKET),
      filter: markerFilter(topic, group),
      what: 'the marker of a parked aggregate',
      proves: hasValue,
    },
  ];
}

/** The subject of the first key there that is a proof. */
async function firstKey(api: JetStreamApi, { stream, filter, proves }: Place): Promise<string | undefined> {
  let found = await nextMessage(api, stream, 1, filter);
  while (found !== undefined) {
    const { subject, seq } = found;
    const place = { stream, subject, remedy: 'restore it from a backup, or delete it' };
    if (proves(storedValueOf<Partial<LeaseRecord>>(found, place).value)) return subject;
    found = await nextMessage(api, stream, seq + 1, filter);
  }
  return undefined;
}

/** None if there is no such stream. */
async function nextMessage(
  api: JetStreamApi,
  stream: string,
  seq: number,
  filter: string,
): Promise<RawMessage | undefined> {
  try {
    return await findMessage(api, stream, { seq, next_by_subj: filter });
  } catch (error) {
    if (error instanceof JetStreamApiError && error.errorCode === API_ERROR.streamNotFound) return undefined;
    throw error;
  }
}
