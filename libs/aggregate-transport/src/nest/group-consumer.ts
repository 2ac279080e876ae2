import type { KV } from 'nats';
import { systemClock } from '../clock.js';
import { Breaker } from '../consumer/breaker.js';
import type { EventHandlers } from '../consumer/event-handlers.js';
import type { LeaseRecord } from '../consumer/lease.js';
import type { LeaseView } from '../consumer/ownership.js';
import { Partition } from '../consumer/partition.js';
import type { Log } from '../log.js';
import { consumerConfigOf, type PartitionAddress } from '../stream/configuration.js';
import { ConsumerWire } from '../stream/consumer-wire.js';
import { groupRecordOf } from '../stream/group-record.js';
import { partitionBits } from '../message/partition.js';
import { KeyStore, partitionKey } from '../stream/key-store.js';
import { provisionParkedStreams } from '../stream/parked-streams.js';
import { ParkedWire } from '../stream/parked-wire.js';
import { untilAnswered } from '../stream/patience.js';
import { checkConsumer, provisionConsumer } from '../stream/provision.js';
import { type AggregateHooks, observerOf } from './aggregate-hooks.js';
import type { TopicLink } from './topic-links.js';

export interface GroupConsumerOptions {
  readonly link: TopicLink;
  readonly group: string;
  readonly bucket: KV;
  /** The handlers, made when the number of partitions is known: each partition has its own scope. */
  readonly handlersOf: (partition: number, ownership: LeaseView) => EventHandlers;
  readonly hooks: AggregateHooks;
  readonly log: Log;
}

const START_UP_TIMEOUT_MS = 2_000;

/**
 * Finds or makes a group's partitions on a topic, and a consumer for each.
 * @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function openGroup(options: GroupConsumerOptions): Promise<Partition[]> {
  const { link, group, bucket, log } = options;
  const { name: topic, consume } = link.topic;
  const record = await untilAnswered(systemClock, () =>
    groupRecordOf(bucket, topic, group, consume.partitions),
  );
  if (record.partitions !== consume.partitions) {
    log.warn(
      `topic "${topic}": group "${group}" has ${record.partitions} partitions since its first start; ` +
        `consume.partitions ${consume.partitions} is not followed`,
    );
  }
  const { provision, parked, stream } = link.topic;
  await untilAnswered(systemClock, () =>
    provisionParkedStreams(link.api, { topic, provision, options: parked, stream }),
  );
  const breaker = new Breaker(consume.breaker);
  const partitions: Partition[] = [];
  for (let partition = 0; partition < record.partitions; partition++) {
    const address = { topic, group, partition, partitions: record.partitions };
    const leaseStore = new KeyStore<LeaseRecord>(link.connection, link.api, partitionKey('lease', address));
    const lease = await untilAnswered(systemClock, () => leaseStore.read(START_UP_TIMEOUT_MS));
    // Behind the group's first start only the partition's owner makes consumers, each under a name of its own.
    await untilAnswered(systemClock, async () => {
      if (lease === undefined) await provisionConsumer(link.api, { address, options: consume, log });
      else await checkConsumer(link.api, { address, options: consume, generation: lease.value.generation });
    });
    partitions.push(partitionOf(options, address, leaseStore, breaker));
  }
  return partitions;
}

function partitionOf(
  options: GroupConsumerOptions,
  address: PartitionAddress,
  leasePort: KeyStore<LeaseRecord>,
  breaker: Breaker,
): Partition {
  const { link, log, hooks } = options;
  const { topic, group, partition, partitions } = address;
  const { consume, codec } = link.topic;
  const opened: Partition = new Partition({
    partition,
    topic,
    name: `topic "${topic}", group "${group}", partition ${partition}`,
    connect: (listener) =>
      new ConsumerWire(
        {
          connection: link.connection,
          api: link.api,
          stream: topic,
          configFrom: (generation, startAt) => consumerConfigOf(address, consume, startAt, generation),
          clock: systemClock,
        },
        listener,
      ),
    leasePort,
    suspectPort: new KeyStore(link.connection, link.api, partitionKey('suspects', address)),
    parkedPort: new ParkedWire({
      connection: link.connection,
      api: link.api,
      topic,
      group,
      bits: partitionBits(partition, partitions),
    }),
    breaker,
    observer: observerOf(hooks, { topic, group, partition }, log),
    leaseTtlMs: consume.leaseTtlMs,
    handlers: options.handlersOf(partition, {
      get epoch() {
        return opened.lease.epoch;
      },
      isValid: () => opened.lease.isValid(),
    }),
    codec,
    onUnhandledType: consume.onUnhandledType,
    failurePolicy: consume,
    concurrency: Math.max(1, Math.ceil(consume.concurrency / partitions)),
    batch: consume.batch,
    maxAckPending: consume.maxAckPending,
    maxBufferedBytes: consume.maxBufferedBytes,
    pullExpiresMs: consume.pullExpiresMs,
    clock: systemClock,
    random: Math.random,
    log,
  });
  return opened;
}
