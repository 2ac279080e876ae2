import { AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import { type EventHandler, EventHandlers } from '#library/consumer/handling/event-handlers.js';
import type { Failure } from '#library/consumer/handling/outcome.js';
import type { Delivery } from '#library/message/delivery.js';
import { silentLog } from '#library/log.js';
import { TopicLinks } from '#library/transport/open-topics.js';
import { resolveOptions } from '#library/transport/resolve-options.js';
import { Group } from '#library/transport/served-group.js';
import type { TestingStreams } from '#library/testing/memory/testing-streams.js';

const TOPIC = 'orders';

const RETRY = { attempts: 20, firstDelayMs: 150, factor: 1.5, maxDelayMs: 600, jitter: 0.2 };

/** What a handler of the page does with an event; rejects if the attempt fails. */
export type Handle = (key: number, n: number, attempt: number) => Promise<void>;

/**
 * One process of a service: the library's own publisher, readers, leases and lanes, over streams in memory. What Nest
 * adds to that, such as decorators, is left out.
 */
export class Replica {
  readonly #links: TopicLinks;
  #group: Group | undefined;

  constructor(
    private readonly streams: TestingStreams,
    private readonly handle: Handle,
  ) {
    const consume = { partitions: 4, leaseTtlMs: 1_000, commitEveryMs: 0, retry: RETRY, concurrency: 64 };
    const options = resolveOptions({ group: 'billing', topics: { [TOPIC]: { consume } } });
    this.#links = new TopicLinks(options, streams.clock, silentLog, streams);
  }

  async start(): Promise<void> {
    const handlers = new EventHandlers();
    handlers.add(undefined, this.#handler());
    this.#group = await Group.open({
      link: await this.#links.open(TOPIC),
      group: 'billing',
      handlers: { handlersOf: () => handlers, handled: handlers.handled },
      hooks: {},
      drainMs: 5_000,
      measures: undefined,
      tracing: undefined,
      turns: new AloneTurns(this.streams.clock),
      clock: this.streams.clock,
      log: silentLog,
    });
    this.#group.start();
  }

  async publish(aggregateId: string, payload: { key: number; n: number }): Promise<void> {
    const link = await this.#links.open(TOPIC);
    await link.sequencer.publish(link.prepare({ aggregateId, type: 'Counted', payload }));
  }

  /** Hands its partitions over and ends. */
  async stop(): Promise<void> {
    await this.#group?.close(5_000);
    await this.#links.close();
  }

  #handler(): EventHandler {
    return {
      failurePolicy: { retry: RETRY, onExhausted: 'park' },
      timeoutMs: 60_000,
      handle: (event) => this.#run(event),
    };
  }

  async #run({ envelope, attempt }: Delivery): Promise<Failure | undefined> {
    const { key, n } = envelope?.payload as { key: number; n: number };
    try {
      await this.handle(key, n, attempt);
      return undefined;
    } catch (error) {
      return { stage: 'handler', error, unrecoverable: false };
    }
  }
}
