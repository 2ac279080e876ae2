import { connect, Events, type Msg, type NatsConnection } from 'nats';
import { HeardAcks } from '../../support/heard-acks.js';
import type { Journal, ParentLine } from '../harness/journal.js';
import { type ConsumerSetup, GROUP, TOPIC } from './scenario.js';

const NANOS_PER_MS = 1_000_000;
const RECONNECT_AFTER_MS = 20;
const ANSWER_WITHIN_MS = 500;
/** Written out again: a judge does not ask the judged what is on the wire. */
const LETTER_HEADER = 'Aggregate-Transport-Letter';
const STRANGER = '_STRANGER.inbox';
const FOREIGN_PULL = { batch: 20, expires: 300_000_000 };

interface ConsumerCounts {
  readonly num_pending: number;
  readonly num_ack_pending: number;
}

/**
 * A direct connection to the server, past all proxies: it sees every ack and confirmation, and plays the admin.
 *
 * It listens to inboxes of three tokens only, which are those of answers. An ear on the inboxes of pulls, which
 * have two, would keep the pulls of dead processes alive.
 */
export class Tap {
  readonly #acks: HeardAcks;

  private constructor(
    readonly nats: NatsConnection,
    private readonly consumers: ConsumerSetup,
    private readonly journal: Journal<ParentLine>,
    isLone: boolean,
  ) {
    this.#acks = new HeardAcks({
      isLone,
      sent: ({ sequence: seq }) => journal.write({ what: 'ack.sent', seq }),
      confirmed: (seq) => journal.write({ what: 'ack.ok', seq }),
    });
    nats.subscribe(`$JS.ACK.${TOPIC}.>`, { callback: (_error, message) => this.#acks.acked(message) });
    nats.subscribe('_INBOX.*.*', { callback: (_error, message) => this.#acks.answered(message) });
    nats.subscribe(`${TOPIC}_parked.${GROUP}.>`, {
      callback: (_error, { headers }) => {
        const { sequence: seq } = JSON.parse(headers?.get(LETTER_HEADER) || '{}') as { sequence?: number };
        if (seq !== undefined) journal.write({ what: 'letter', seq });
      },
    });
    nats.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${TOPIC}.*`, {
      callback: (_error, message) => this.#pulled(message),
    });
    // A pull whose reply nobody listens to is dropped by the server at once.
    nats.subscribe(STRANGER, { callback: () => undefined });
    void this.#follow();
  }

  static async open(servers: string[], consumers: ConsumerSetup, journal: Journal<ParentLine>): Promise<Tap> {
    const nats = await connect({
      servers,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_AFTER_MS,
      reconnectJitter: 0,
    });
    return new Tap(nats, consumers, journal, servers.length === 1);
  }

  /** The consumer's counts, or undefined while there is no answer. */
  async counts(partition: number): Promise<ConsumerCounts | undefined> {
    try {
      const name = await this.#consumerOf(partition);
      const info = await this.#ask<Partial<ConsumerCounts>>(`CONSUMER.INFO.${TOPIC}.${name}`);
      const { num_pending, num_ack_pending } = info;
      return num_pending === undefined || num_ack_pending === undefined
        ? undefined
        : { num_pending, num_ack_pending };
    } catch {
      return undefined;
    }
  }

  /** Letters that wait in the parked stream; undefined while there is no answer. */
  async letters(): Promise<number | undefined> {
    try {
      const info = await this.#ask<{ state?: { messages: number } }>(`STREAM.INFO.${TOPIC}_parked`);
      return info.state?.messages;
    } catch {
      return undefined;
    }
  }

  async deleteConsumer(partition: number): Promise<void> {
    const name = await this.#consumerOf(partition);
    this.nats.publish(`$JS.API.CONSUMER.DELETE.${TOPIC}.${name}`);
  }

  /** Pulls as a stranger and drops what it gets. */
  async pullAsStranger(partition: number): Promise<void> {
    const name = await this.#consumerOf(partition);
    this.nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${TOPIC}.${name}`, JSON.stringify(FOREIGN_PULL), {
      reply: STRANGER,
    });
  }

  /** The stream's, its consumer's or the leases' leader steps down. */
  async stepDown(what: 'stream' | 'consumer' | 'kv', partition: number): Promise<void> {
    const name = await this.#consumerOf(partition);
    const call = {
      stream: `STREAM.LEADER.STEPDOWN.${TOPIC}`,
      consumer: `CONSUMER.LEADER.STEPDOWN.${TOPIC}.${name}`,
      kv: 'STREAM.LEADER.STEPDOWN.KV_aggregate-transport',
    }[what];
    this.nats.publish(`$JS.API.${call}`);
  }

  async close(): Promise<void> {
    await this.nats.close();
  }

  /** The partition's lease names its consumer: one that was deleted is followed by one of another name. */
  async #consumerOf(partition: number): Promise<string> {
    const key = `$KV.aggregate-transport.lease.${TOPIC}.${GROUP}.${this.consumers.partitions}.${partition}`;
    const found = await this.#ask<{ message?: { data: string } }>(
      'STREAM.MSG.GET.KV_aggregate-transport',
      JSON.stringify({ last_by_subj: key }),
    );
    const json = Buffer.from(found.message?.data ?? '', 'base64').toString('utf8') || '{}';
    const { generation = 0 } = JSON.parse(json) as { generation?: number };
    return `${GROUP}-${this.consumers.partitions}-${partition}${generation === 0 ? '' : `-g${generation}`}`;
  }

  async #ask<T>(call: string, body = ''): Promise<T> {
    const answer = await this.nats.request(`$JS.API.${call}`, body, { timeout: ANSWER_WITHIN_MS });
    return answer.json<T>();
  }

  #pulled(message: Msg): void {
    const expiresMs = (message.json<{ expires?: number }>().expires ?? 0) / NANOS_PER_MS;
    const consumer = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    const isOurs = consumer.startsWith(`${GROUP}-`);
    if (isOurs && expiresMs > this.consumers.leaseTtlMs)
      this.journal.write({ what: 'pull.long', consumer, expiresMs });
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.nats.status()) {
      if (type !== Events.Reconnect && type !== Events.Disconnect) continue;
      // Acks of this time were seen by nobody here.
      this.#acks.interrupted();
      this.journal.write({ what: 'tap.gap' });
    }
  }
}
