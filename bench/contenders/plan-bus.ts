import { connect, createInbox, type Msg, nanos, type NatsConnection, type Subscription } from 'nats';
import type { RawMessage } from '../workload.js';
import { clientPublish } from './raw-publish.js';

/** What the plan switches on, one after the other, and `lanes`, without which none of it shows. */
export interface PlanSettings {
  /** Optimisation 1: do not wait for one publish before the next. */
  readonly asyncPublish: boolean;
  /** Optimisation 2: 10 or 500. */
  readonly batch: number;
  /** Optimisation 3: how long a fetch waits to be full. */
  readonly waitMs: number;
  /** Optimisation 5. */
  readonly connectionPerTopic: boolean;
  /** Optimisation 8: limits of consumer and stream. */
  readonly wideLimits: boolean;
  /** Aggregates side by side, instead of one event of a topic at a time. */
  readonly lanes: boolean;
}

export const BEFORE: PlanSettings = {
  asyncPublish: false,
  batch: 10,
  waitMs: 1_000,
  connectionPerTopic: false,
  wideLimits: false,
  lanes: false,
};

/** The plan's limits of a stream and of its consumer, before and after. */
export function limitsOf({ wideLimits }: PlanSettings): { stream: object; consumer: object } {
  const kib = 1_024;
  return wideLimits
    ? {
        stream: { max_bytes: kib ** 3, max_msgs: 1_000_000 },
        consumer: { max_ack_pending: 10_000, max_waiting: 1_000 },
      }
    : {
        stream: { max_bytes: 512 * kib ** 2, max_msgs: 100_000 },
        consumer: { max_ack_pending: 500, max_waiting: 200 },
      };
}

export type PlanHandler = (body: {
  aggregate_id: string;
  aggregate_version: number;
  payload: unknown;
}) => unknown;

/**
 * The bus of the plan, in this client: a fetch loop per topic that handles its batch. Failures are not its subject: it
 * would lose order with the first one.
 */
export class PlanBus {
  readonly #connections: NatsConnection[] = [];
  readonly #loops: Promise<void>[] = [];
  #stopped = false;

  constructor(
    private readonly url: string,
    private readonly settings: PlanSettings,
  ) {}

  async open(topics: readonly string[], consumer: string, handle: PlanHandler): Promise<void> {
    const count = this.settings.connectionPerTopic ? topics.length : 1;
    for (let n = 0; n < count; n++) this.#connections.push(await connect({ servers: this.url }));
    for (const [index, topic] of topics.entries())
      this.#loops.push(this.#read(new Fetching(this.#connectionOf(index), topic, consumer), handle));
  }

  /** All events of all topics: one publisher per topic if they go through connections of their own, else one for all. */
  async publish(
    events: number,
    messageOf: (index: number) => RawMessage & { topicIndex: number },
  ): Promise<void> {
    if (!this.settings.asyncPublish) {
      for (let index = 0; index < events; index++) {
        const { topicIndex, subject, body } = messageOf(index);
        await this.#connectionOf(topicIndex).jetstream().publish(subject, body);
      }
      return;
    }
    const clients = this.#connections.map((connection) => connection.jetstream());
    const byClient = clients.map((): (RawMessage & { topicIndex: number })[] => []);
    for (let index = 0; index < events; index++) {
      const message = messageOf(index);
      byClient[message.topicIndex % clients.length]?.push(message);
    }
    await Promise.all(
      clients.map((client, n) => {
        const messages = byClient[n] ?? [];
        return clientPublish(client, {
          events: messages.length,
          window: 10_000 / clients.length,
          messageOf: (index) => messages[index]!,
        });
      }),
    );
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#connections.map((connection) => connection.close()));
    await Promise.all(this.#loops);
  }

  #connectionOf(topicIndex: number): NatsConnection {
    return this.#connections[topicIndex % this.#connections.length]!;
  }

  async #read(fetching: Fetching, handle: PlanHandler): Promise<void> {
    const { batch, waitMs, lanes } = this.settings;
    const chains = new Map<string, Promise<unknown>>();
    while (!this.#stopped) {
      for (const message of await fetching.next(batch, waitMs)) {
        const body = JSON.parse(message.string()) as Parameters<PlanHandler>[0];
        const run = async (): Promise<void> => {
          await handle(body);
          if (!this.#stopped) message.respond('+ACK');
        };
        if (!lanes) await run();
        else {
          const chain = (chains.get(body.aggregate_id) ?? Promise.resolve()).then(run);
          chains.set(body.aggregate_id, chain);
        }
      }
    }
  }
}

/** `Fetch(batch, MaxWait(waitMs))` as the plan's client does it: what is there at once; if nothing is, wait for a full batch. */
class Fetching {
  readonly #inbox = createInbox();
  readonly #subject: string;
  readonly #feed: Subscription;
  #messages: Msg[] = [];
  #wanted = 0;
  #wake: () => void = () => undefined;

  constructor(
    private readonly nats: NatsConnection,
    stream: string,
    consumer: string,
  ) {
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#feed = nats.subscribe(this.#inbox, {
      callback: (error, message) => {
        const isEvent = error === null && message.reply?.startsWith('$JS.ACK.') === true;
        if (isEvent) this.#messages.push(message);
        if (!isEvent || this.#messages.length === this.#wanted) this.#wake();
      },
    });
    // A closed connection ends a fetch that waits.
    void nats.closed().then(() => this.#wake());
  }

  async next(batch: number, waitMs: number): Promise<readonly Msg[]> {
    const atOnce = await this.#ask(batch, { no_wait: true });
    if (atOnce.length > 0 || this.nats.isClosed()) return atOnce;
    return this.#ask(batch, { expires: nanos(waitMs) });
  }

  async #ask(batch: number, how: object): Promise<readonly Msg[]> {
    if (this.#feed.isClosed() || this.nats.isClosed()) return [];
    this.#messages = [];
    this.#wanted = batch;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.nats.publish(this.#subject, JSON.stringify({ batch, ...how }), { reply: this.#inbox });
    });
    return this.#messages;
  }
}
