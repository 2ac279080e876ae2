import type { KV } from 'nats';
import { systemClock } from '../clock.js';
import type { EventHandlers } from '../consumer/event-handlers.js';
import { soleOwnership } from '../consumer/ownership.js';
import { PartitionConsumer } from '../consumer/partition-consumer.js';
import type { Log } from '../log.js';
import { consumerNameOf, type PartitionAddress } from '../stream/configuration.js';
import { ConsumerWire } from '../stream/consumer-wire.js';
import { groupRecordOf } from '../stream/group-record.js';
import { provisionConsumer } from '../stream/provision.js';
import type { TopicLink } from './topic-links.js';

export interface GroupConsumerOptions {
  readonly link: TopicLink;
  readonly group: string;
  readonly bucket: KV;
  /** The handlers, made when the number of partitions is known: each partition has its own scope. */
  readonly handlersOf: (partition: number) => EventHandlers;
  readonly log: Log;
}

/**
 * Finds or makes a group's partitions on a topic, and a consumer for each.
 * @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function openGroup(options: GroupConsumerOptions): Promise<PartitionConsumer[]> {
  const { link, group, bucket, log } = options;
  const { name: topic, consume } = link.topic;
  const record = await groupRecordOf(bucket, topic, group, consume.partitions);
  if (record.partitions !== consume.partitions) {
    log.warn(
      `topic "${topic}": group "${group}" has ${record.partitions} partitions since its first start; ` +
        `consume.partitions ${consume.partitions} is not followed`,
    );
  }
  const consumers: PartitionConsumer[] = [];
  for (let partition = 0; partition < record.partitions; partition++) {
    const address = { topic, group, partition, partitions: record.partitions };
    await provisionConsumer(link.api, {
      address,
      options: consume,
      startAt: consume.startAt,
      log,
    });
    consumers.push(consumerOf(options, address));
  }
  return consumers;
}

function consumerOf(options: GroupConsumerOptions, address: PartitionAddress): PartitionConsumer {
  const { link, log } = options;
  const { topic, group, partition, partitions } = address;
  const { consume, codec } = link.topic;
  return new PartitionConsumer({
    name: `topic "${topic}", group "${group}", partition ${partition}`,
    connect: (listener) =>
      new ConsumerWire(
        {
          connection: link.connection,
          api: link.api,
          stream: topic,
          consumer: consumerNameOf(address),
          clock: systemClock,
        },
        listener,
      ),
    ownership: soleOwnership,
    handlers: options.handlersOf(partition),
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
}
