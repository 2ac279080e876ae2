import { inParallel } from '../../in-parallel.js';
import { partitionOf } from '../../message/partitioning.js';
import { streamSubjectOf, tokenOfSubject } from '../../message/subject.js';
import type { KnownGroup, ParkedCount } from '../../records/group-on-server.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import {
  groupPrefix,
  LEASE_BUCKET,
  leaseFilter,
  letterSubjects,
  MARKER_BUCKET,
  markerSubjects,
  parkedStreamOf,
  positionsStreamOf,
  streamOfBucket,
  tokenOfKey,
} from '../keys/key-places.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { findStream } from '../api/provision.js';
import { subjectsOf } from '../api/subjects.js';
import { GroupRecordKey } from '../wires/group-record-key.js';

/** What is asked for; undefined means all. */
export interface GroupFilter {
  readonly topic: string | undefined;
  readonly group: string | undefined;
}

const TIMEOUT_MS = 2_000;
const AT_ONCE = 16;
/** Of 1 024 names each. */
const MAX_PAGES = 64;
const EVERY_KEY_VALUE_SUBJECT = '$KV.*.>';
const SUBJECT_OF_ANY_TOPIC = streamSubjectOf('*');

interface NamesPage {
  readonly total: number;
  readonly streams: readonly string[] | null;
}

/**
 * The groups that have ever started and match, by their records, and by their leases where a record is lost. It costs
 * two requests for topics and leases, one per topic for its groups, and one for each record.
 * @throws JETSTREAM_REQUEST_FAILED, RECORD_INVALID
 */
export async function groupsOnServer(
  access: KeyAccess,
  { topic, group = '*' }: GroupFilter,
): Promise<KnownGroup[]> {
  const topics = topic === undefined ? await topicsWithGroups(access.api) : [topic];
  const listed = await inParallel(topics, AT_ONCE, async (name) => {
    const prefix = groupPrefix(name);
    const subjects = await subjectsOf(access.api, positionsStreamOf(name), prefix + group);
    return [...subjects.keys()].sort().map((subject) => [name, subject.slice(prefix.length)] as const);
  });
  const known = await inParallel(listed.flat(), AT_ONCE, async ([name, of]) => {
    const { value } = await new GroupRecordKey(access, name, of, TIMEOUT_MS).read();
    return (
      value && { topic: name, group: of, layout: value.layout, partitions: value.partitions, hasRecord: true }
    );
  });
  const found = known.filter((one) => one !== undefined);
  const names = new Set(found.map(nameOf));
  const leased = await groupsWithLeases(access.api, { topic, group });
  return [...found, ...leased.filter((one) => !names.has(nameOf(one)))];
}

/** Each with the highest layout that has a lease. None if the bucket is missing. */
async function groupsWithLeases(
  api: JetStreamApi,
  { topic = '*', group = '*' }: GroupFilter,
): Promise<KnownGroup[]> {
  const subjects = await subjectsOf(api, streamOfBucket(LEASE_BUCKET), leaseFilter(topic, group));
  const found = new Map<string, KnownGroup>();
  for (const subject of [...subjects.keys()].sort()) {
    const words = subject.split('.');
    const [layout = 0, partitions = 0] = words.slice(-3).map(Number);
    const [of = '', name = ''] = words.slice(-5, -3);
    const one = { topic: of, group: name, layout, partitions, hasRecord: false };
    const known = found.get(nameOf(one));
    if (known === undefined || known.layout < layout) found.set(nameOf(one), one);
  }
  return [...found.values()];
}

/**
 * The streams that take in the subjects of a topic and no others, also without a group. Sorted.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function topicStreams(api: JetStreamApi): Promise<string[]> {
  const names = await streamNames(api, SUBJECT_OF_ANY_TOPIC);
  const infos = await inParallel(names, AT_ONCE, (name) => findStream(api, name, TIMEOUT_MS));
  return names.filter((name, index) => infos[index]?.config.subjects.join() === streamSubjectOf(name)).sort();
}

/**
 * The topics that a lease tells of, also where the stream of positions is lost. Sorted.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function topicsWithLeases(api: JetStreamApi): Promise<string[]> {
  const leased = await groupsWithLeases(api, { topic: undefined, group: undefined });
  return [...new Set(leased.map(({ topic }) => topic))].sort();
}

function nameOf({ topic, group }: KnownGroup): string {
  return `${topic} ${group}`;
}

/**
 * The topics that have a stream of positions. Sorted.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function topicsWithGroups(api: JetStreamApi): Promise<string[]> {
  const suffix = positionsStreamOf('');
  const names = await streamNames(api, EVERY_KEY_VALUE_SUBJECT);
  return names
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
    .sort();
}

/** The streams that take in a subject that matches. */
async function streamNames(api: JetStreamApi, subject: string): Promise<string[]> {
  const found: string[] = [];
  for (let page = 0; page < MAX_PAGES; page++) {
    const { total, streams } = await api.request<NamesPage>('STREAM.NAMES', {
      subject,
      offset: found.length,
    });
    found.push(...(streams ?? []));
    if (streams === null || streams.length === 0 || found.length >= total) break;
  }
  return found;
}

/**
 * What is parked of a group, by partition: two requests, more only beyond 100 000 aggregates.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function parkedOnServer(
  api: JetStreamApi,
  { topic, group, partitions }: KnownGroup,
): Promise<ParkedCount[]> {
  const [markers, letters] = await Promise.all([
    subjectsOf(api, streamOfBucket(MARKER_BUCKET), markerSubjects(topic, group)),
    subjectsOf(api, parkedStreamOf(topic), letterSubjects(topic, group)),
  ]);
  const counts = Array.from({ length: partitions }, () => ({ aggregates: 0, letters: 0 }));
  for (const subject of markers.keys()) {
    const count = counts[partitionOf(tokenOfKey(subject), partitions)];
    if (count !== undefined) count.aggregates++;
  }
  for (const [subject, number] of letters) {
    const count = counts[partitionOf(tokenOfSubject(subject), partitions)];
    if (count !== undefined) count.letters += number;
  }
  return counts;
}
