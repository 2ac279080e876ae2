import type { AggregateTransportOptions } from 'nestjs-aggregate-transport';
import { systemClock } from '#library/clock.js';
import { AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import type { Partition } from '#library/consumer/partition.js';
import { levelOf, type Log } from '#library/log.js';
import type { Delivery } from '#library/message/delivery.js';
import { Group } from '#library/transport/served-group.js';
import { resolveOptions } from '#library/transport/resolve-options.js';
import { TopicLinks } from '#library/transport/open-topics.js';
import { DEFAULTS } from '#library/transport/options.js';

const DRAIN_MS = 10_000;

/**
 * The library's whole way up to the handler's door, without Nest: reader, gate, lanes, decoding, ledger, commits. The
 * difference between this and a service is the cost of Nest's wrapper.
 */
export class Door {
  private constructor(
    private readonly links: TopicLinks,
    private readonly group: Group,
  ) {}

  get partitions(): readonly Partition[] {
    return this.group.partitions;
  }

  /** Opens a group on a topic; `handle` may return a promise, which must not reject. */
  static async open(
    options: AggregateTransportOptions & { group: string },
    topic: string,
    handle: (event: Delivery) => Promise<undefined> | undefined,
  ): Promise<Door> {
    const log: Log = {
      write: (event, _fields, text) => {
        if (['warn', 'error'].includes(levelOf(event))) console.error(text);
      },
    };
    const links = new TopicLinks(resolveOptions(options), systemClock, log);
    const handlers = new EventHandlers();
    const { retry, onExhausted, classify, timeoutMs } = DEFAULTS.consume;
    handlers.add(undefined, { failurePolicy: { retry, onExhausted, classify }, timeoutMs, handle });
    const group = await Group.open({
      link: await links.open(topic),
      group: options.group,
      handlers: { handlersOf: () => handlers, handled: handlers.handled },
      hooks: {},
      measures: undefined,
      tracing: undefined,
      drainMs: DRAIN_MS,
      turns: new AloneTurns(systemClock),
      clock: systemClock,
      log,
    });
    group.start();
    return new Door(links, group);
  }

  async close(): Promise<void> {
    await this.group.close(DRAIN_MS);
    await this.links.close();
  }
}
