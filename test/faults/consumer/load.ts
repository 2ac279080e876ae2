import type { INestApplication } from '@nestjs/common';
import {
  type AggregatePublisher,
  type AggregateTransportError,
  getAggregatePublisherToken,
} from 'nestjs-aggregate-transport';
import { startApp } from '../../support/app.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import type { Journal, ParentLine } from '../harness/journal.js';
import { randomFor } from '../harness/random.js';
import { type EventPlan, TOPIC } from './scenario.js';

export interface LoadOptions {
  readonly natsPort: number;
  readonly replicas: number;
  readonly seed: number;
  readonly keys: number;
  readonly eventsPerSecond: number;
  readonly failureShare: number;
  readonly journal: Journal<ParentLine>;
}

const TICK_MS = 10;
/** While the publisher cannot get rid of its events, it is given no more. */
const MAX_PENDING = 1_500;
/** One key gets this share of all events: a hot aggregate. */
const HOT_SHARE = 0.15;
const PURPOSE_LOAD = 1;

/** The service that publishes: one process-wide sequencer behind a proxy of its own. */
export class Load {
  readonly #numbers = new Map<string, number>();
  readonly #random: () => number;
  readonly #outcomes = new Set<Promise<void>>();
  readonly #requests: Partial<EventPlan>[] = [];
  #timer: NodeJS.Timeout | undefined;
  #owed = 0;
  #calls = 0;

  private constructor(
    private readonly app: INestApplication,
    readonly proxy: TcpProxy,
    private readonly options: LoadOptions,
  ) {
    this.#random = randomFor(options.seed, PURPOSE_LOAD);
  }

  static async open(options: LoadOptions): Promise<Load> {
    const proxy = await TcpProxy.listen(options.natsPort);
    const app = await startApp({
      options: {
        servers: proxy.url,
        connection: { ignoreClusterUpdates: true },
        topics: { [TOPIC]: { stream: { replicas: options.replicas } } },
      },
      publishers: [TOPIC],
    });
    return new Load(app, proxy, options);
  }

  get calls(): number {
    return this.#calls;
  }

  get #publisher(): AggregatePublisher {
    return this.app.get<AggregatePublisher>(getAggregatePublisherToken(TOPIC));
  }

  start(): void {
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#owed += ((now - last) / 1_000) * this.options.eventsPerSecond;
      last = now;
      for (; this.#owed >= 1; this.#owed--) {
        if (this.#publisher.pending < MAX_PENDING) this.publish(this.#drawKey());
      }
    }, TICK_MS);
  }

  /** The next event carries this order for its handler. */
  request(order: Partial<EventPlan>): void {
    this.#requests.push(order);
  }

  /** Publishes the key's next event; its outcome is written down when it is known. */
  publish(key: string): void {
    const { journal, failureShare } = this.options;
    const n = (this.#numbers.get(key) ?? 0) + 1;
    this.#numbers.set(key, n);
    this.#calls++;
    const failures = this.#random() < failureShare ? 1 + Math.floor(this.#random() * 2) : 0;
    const payload: EventPlan = { n, failures, ...this.#requests.shift() };
    journal.write({ what: 'pub.call', key, n });
    const outcome = this.#publisher.publish({ aggregateId: key, type: 'Counted', payload }).then(
      ({ sequence }) => journal.write({ what: 'pub.ok', key, n, seq: sequence }),
      (error: unknown) => {
        const { code } = error as AggregateTransportError;
        journal.write({ what: code === 'OUTCOME_UNKNOWN' ? 'pub.unknown' : 'pub.fail', key, n, code });
      },
    );
    this.#outcomes.add(outcome);
    void outcome.finally(() => this.#outcomes.delete(outcome));
  }

  /** Publishes nothing any more; resolves when every event has its outcome. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#outcomes);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.app.close();
    await this.proxy.close();
  }

  #drawKey(): string {
    const { keys } = this.options;
    return this.#random() < HOT_SHARE ? 'key-0' : `key-${Math.floor(this.#random() * keys)}`;
  }
}
