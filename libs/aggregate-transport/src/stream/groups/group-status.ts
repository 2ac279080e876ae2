import type {
  GroupOnServer,
  GroupQuestion,
  LeaseOnServer,
  PartitionOnServer,
} from '../../records/group-on-server.js';
import { AggregateTransportError } from '../../errors.js';
import { partitionFilter } from '../../message/partitioning.js';
import type { Clock } from '../../clock.js';
import { consumerNameOf } from '../api/configuration.js';
import { BUCKET } from './group-bucket.js';
import { API_ERROR, type JetStreamApi } from '../api/jetstream-api.js';
import { partitionKey } from '../api/partition-key.js';
import { findMessage } from '../wires/stored-message.js';

interface StreamInfo {
  readonly state: { readonly first_seq: number };
}

interface ConsumerInfo {
  readonly name: string;
  readonly delivered: { readonly stream_seq: number };
  readonly ack_floor: { readonly stream_seq: number };
  readonly num_ack_pending: number;
  readonly num_pending: number;
}

/** The part of a lease record that a look needs; `consumer/lease.ts` has all of it. */
interface LeaseRecord {
  readonly owner: string;
  readonly epoch: number;
  readonly ttlMs: number;
  readonly released?: boolean;
  readonly generation?: number;
}

type FoundLease = LeaseOnServer & { readonly generation: number };

const AT_ONCE = 16;
const TIMEOUT_MS = 2_000;
/** Of 256 consumers each. */
const MAX_PAGES = 64;

/**
 * Looks at a group from outside, changing nothing. It costs, per call: one request for the stream, one per 256
 * consumers of the topic, one for each lease that is not known, and one for each partition that lags.
 * @throws JETSTREAM_REQUEST_FAILED, also when the time is over
 */
export async function lookAtGroup(
  api: JetStreamApi,
  topic: string,
  { clock, ...question }: GroupQuestion & { readonly clock: Clock },
): Promise<GroupOnServer> {
  const { group, partitions: count, known, knownOnly } = question;
  const endsAt = clock.now() + question.withinMs;
  const timeout = (): number => {
    const left = endsAt - clock.now();
    if (left > 0) return Math.min(TIMEOUT_MS, left);
    throw new AggregateTransportError(
      'JETSTREAM_REQUEST_FAILED',
      `expected the server to tell of group "${group}" on topic "${topic}" within ${question.withinMs} ms, found it slower`,
    );
  };
  const call = `STREAM.INFO.${topic}`;
  const stream = await api.find<StreamInfo>(call, undefined, API_ERROR.streamNotFound, timeout());
  // A group outlives its topic's stream; it has no consumers then.
  const consumers =
    stream === undefined ? new Map<string, ConsumerInfo>() : await consumersOf(api, topic, timeout);
  const partitions: PartitionOnServer[] = [];
  const wanted = Array.from({ length: count }, (_, partition) => partition).filter(
    (partition) => !knownOnly || known.has(partition),
  );
  await inParallel(wanted, async (partition) => {
    const address = { topic, group, partition, partitions: count };
    const generation = known.get(partition);
    const lease = generation === undefined ? await leaseOf(api, address, timeout()) : undefined;
    const info = consumers.get(consumerNameOf(address, generation ?? lease?.generation ?? 0));
    partitions.push({
      partition,
      lease,
      consumer: info && {
        delivered: info.delivered.stream_seq,
        pending: info.num_pending,
        unsettled: info.num_ack_pending,
      },
      oldestStoredAt:
        info &&
        (await oldestOf(api, info, {
          stream: topic,
          filter: partitionFilter(topic, partition, count),
          timeout,
        })),
    });
  });
  partitions.sort((a, b) => a.partition - b.partition);
  return { firstSequence: stream?.state.first_seq ?? 0, partitions };
}

async function consumersOf(
  api: JetStreamApi,
  topic: string,
  timeout: () => number,
): Promise<Map<string, ConsumerInfo>> {
  const consumers = new Map<string, ConsumerInfo>();
  for (let offset = 0, page = 0; page < MAX_PAGES; page++) {
    const found = await api.request<{ total: number; consumers: ConsumerInfo[] | null }>(
      `CONSUMER.LIST.${topic}`,
      { offset },
      timeout(),
    );
    for (const info of found.consumers ?? []) consumers.set(info.name, info);
    offset += found.consumers?.length ?? 0;
    if ((found.consumers?.length ?? 0) === 0 || offset >= found.total) break;
  }
  return consumers;
}

async function leaseOf(
  api: JetStreamApi,
  address: Parameters<typeof partitionKey>[1],
  timeoutMs: number,
): Promise<FoundLease | undefined> {
  const key = { last_by_subj: `$KV.${BUCKET}.${partitionKey('lease', address)}` };
  const found = await findMessage(api, `KV_${BUCKET}`, key, timeoutMs);
  if (found?.data === undefined) return undefined;
  const record = JSON.parse(Buffer.from(found.data, 'base64').toString('utf8')) as LeaseRecord;
  return {
    owner: record.owner,
    epoch: record.epoch,
    ttlMs: record.ttlMs,
    released: record.released === true,
    generation: record.generation ?? 0,
    writtenAt: Date.parse(found.time),
  };
}

/** Everything up to the ack floor is settled, so the next event behind it is the oldest that is not. */
async function oldestOf(
  api: JetStreamApi,
  info: ConsumerInfo,
  { stream, filter, timeout }: { stream: string; filter: string; timeout: () => number },
): Promise<number | undefined> {
  if (info.num_pending + info.num_ack_pending === 0) return undefined;
  const behind = info.num_ack_pending > 0 ? info.ack_floor.stream_seq : info.delivered.stream_seq;
  const found = await findMessage(api, stream, { seq: behind + 1, next_by_subj: filter }, timeout());
  return found === undefined ? undefined : Date.parse(found.time);
}

async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}
