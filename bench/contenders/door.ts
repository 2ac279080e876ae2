import type { AggregateTransportOptions } from 'nestjs-aggregate-transport';
import { systemClock } from '#library/clock.js';
import { EventHandlers } from '#library/consumer/event-handlers.js';
import type { Partition } from '#library/consumer/partition.js';
import type { ReplicaGroup } from '#library/consumer/replica-group.js';
import type { Delivery } from '#library/message/delivery.js';
import { openGroup } from '#library/nest/group-consumer.js';
import { resolveOptions } from '#library/nest/resolve-options.js';
import { TopicLinks } from '#library/nest/topic-links.js';
import { DEFAULTS } from '#library/nest/options.js';

const DRAIN_MS = 10_000;

/**
 * The library's whole way up to the handler's door, without Nest behind it: pull loop, gate, lanes, decoding, confirmed
 * acks. What lies between this and a service is what Nest's wrapper costs.
 */
export class Door {
  private constructor(
    private readonly links: TopicLinks,
    private readonly replicas: ReplicaGroup,
  ) {}

  get partitions(): readonly Partition[] {
    return this.replicas.partitions;
  }

  /** Opens a group on a topic; `handle` may return a promise, which must not reject. */
  static async open(
    options: AggregateTransportOptions & { group: string },
    topic: string,
    handle: (event: Delivery) => Promise<undefined> | undefined,
  ): Promise<Door> {
    const log = { info: () => undefined, warn: console.warn, error: console.error };
    const links = new TopicLinks(resolveOptions(options), systemClock, log);
    const handlers = new EventHandlers();
    const { retry, onExhausted, classify, timeoutMs } = DEFAULTS.consume;
    handlers.add(undefined, { failurePolicy: { retry, onExhausted, classify }, timeoutMs, handle });
    const replicas = await openGroup({
      link: await links.open(topic),
      group: options.group,
      handlersOf: () => handlers,
      hooks: {},
      measures: undefined,
      drainMs: DRAIN_MS,
      clock: systemClock,
      log,
    });
    replicas.start();
    return new Door(links, replicas);
  }

  async close(): Promise<void> {
    await this.replicas.close(DRAIN_MS);
    await this.links.close();
  }
}
