import { isPartitionCount, partitionOf } from '../../message/partitioning.js';
import { BUCKET } from './group-bucket.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { readKey } from '../api/kv.js';
import { MARKER_BUCKET, parkedStreamOf } from './parked-streams.js';
import { tokenOfKey } from '../wires/parked-wire.js';
import { subjectsOf } from '../api/subjects.js';
import { tokenOfSubject } from '../../message/subject.js';

export interface KnownGroup {
  readonly topic: string;
  readonly group: string;
  readonly partitions: number;
}

const TIMEOUT_MS = 2_000;

/**
 * The groups that have ever started and match, by their records: one request for the list, one for each record.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function groupsOnServer(
  api: JetStreamApi,
  { topic, group }: { readonly topic: string | undefined; readonly group: string | undefined },
): Promise<KnownGroup[]> {
  const prefix = `$KV.${BUCKET}.group.`;
  const subjects = await subjectsOf(api, `KV_${BUCKET}`, `${prefix}${topic ?? '*'}.${group ?? '*'}`);
  const found: KnownGroup[] = [];
  for (const subject of [...subjects.keys()].sort()) {
    const [name = '', of = ''] = subject.slice(prefix.length).split('.');
    const record = await readKey<{ partitions?: number }>(api, BUCKET, subject, TIMEOUT_MS);
    const partitions = record?.value.partitions ?? 0;
    if (isPartitionCount(partitions)) found.push({ topic: name, group: of, partitions });
  }
  return found;
}

export interface ParkedCount {
  /** Aggregates with a marker. */
  aggregates: number;
  letters: number;
}

/**
 * What is parked of a group, by partition: two requests, more only beyond 100 000 aggregates.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function parkedOnServer(
  api: JetStreamApi,
  { topic, group, partitions }: KnownGroup,
): Promise<ParkedCount[]> {
  const bits = '*.*.*.*.*.*.*.*.*';
  const [markers, letters] = await Promise.all([
    subjectsOf(api, `KV_${MARKER_BUCKET}`, `$KV.${MARKER_BUCKET}.${topic}.${group}.${bits}`),
    subjectsOf(api, parkedStreamOf(topic), `${parkedStreamOf(topic)}.${group}.${bits}`),
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
