import { connect, Events, type NatsConnection } from 'nats';
import type { Journal, ParentLine } from '../harness/journal.js';
import { PositionReader } from '../harness/position-reader.js';
import { PositionTap } from '../harness/position-tap.js';
import { GROUP, TOPIC } from './scenario.js';

const RECONNECT_AFTER_MS = 20;
const ANSWER_WITHIN_MS = 500;
/** Written out again: a judge does not ask the judged what is on the wire. */
const LETTER_HEADER = 'Aggregate-Transport-Letter';
const STRANGER = '_STRANGER.inbox';
const FOREIGN_PULL = { batch: 20, expires: 300_000_000 };
const READER_PREFIX = `${GROUP}-`;
const STREAMS = {
  topic: TOPIC,
  positions: `${TOPIC}_positions`,
  leases: 'KV_aggregate-transport',
} as const;
/** Who may speak to the meta leader, if the servers have a system account; its password is its name. */
export const SYSTEM_USER = 'system';
export type SteppingDown = keyof typeof STREAMS;

/** A direct connection to the server, past all proxies: it hears positions and letters, and plays the admin. */
export class Tap {
  /** What the server holds now. */
  readonly positions: PositionReader;
  readonly #positions: PositionTap;

  private constructor(
    readonly nats: NatsConnection,
    private readonly servers: string[],
    private readonly journal: Journal<ParentLine>,
  ) {
    this.positions = new PositionReader(nats, TOPIC, GROUP);
    this.#positions = new PositionTap(nats, TOPIC, GROUP, journal);
    nats.subscribe(`${TOPIC}_parked.${GROUP}.>`, {
      callback: (_error, { headers }) => {
        const { sequence: seq } = JSON.parse(headers?.get(LETTER_HEADER) || '{}') as { sequence?: number };
        if (seq !== undefined) journal.write({ what: 'letter', seq });
      },
    });
    // A pull whose reply has no subscriber is dropped by the server at once.
    nats.subscribe(STRANGER, { callback: () => undefined });
    void this.#follow();
  }

  static async open(servers: string[], journal: Journal<ParentLine>): Promise<Tap> {
    const nats = await connect({
      servers,
      timeout: 3_000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_AFTER_MS,
      reconnectJitter: 0,
    });
    return new Tap(nats, servers, journal);
  }

  /** Positions that were written so far. */
  get writes(): number {
    return this.#positions.writes;
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

  /** The names of the group's readers. */
  async readers(): Promise<string[]> {
    const { consumers } = await this.#ask<{ consumers?: string[] | null }>(`CONSUMER.NAMES.${TOPIC}`);
    return (consumers ?? []).filter((name) => name.startsWith(READER_PREFIX));
  }

  async deleteReaders(): Promise<void> {
    for (const name of await this.readers()) this.nats.publish(`$JS.API.CONSUMER.DELETE.${TOPIC}.${name}`);
  }

  /** An operator narrows the filter of each reader to one half of its aggregates. */
  async narrowReaders(): Promise<void> {
    for (const name of await this.readers()) {
      const { config } = await this.#ask<{ config: object }>(`CONSUMER.INFO.${TOPIC}.${name}`);
      const filter_subject = `${TOPIC}.0.>`;
      const body = { stream_name: TOPIC, config: { ...config, filter_subject }, action: 'update' };
      await this.#ask(`CONSUMER.CREATE.${TOPIC}.${name}.${filter_subject}`, JSON.stringify(body));
    }
  }

  /** Events that the readers which are there have passed over in the whole of the topic. */
  async passedOver(): Promise<number> {
    let passed = 0;
    for (const name of await this.readers()) {
      const info = await this.#ask<{
        config?: { opt_start_seq?: number };
        delivered?: { consumer_seq: number; stream_seq: number };
      }>(`CONSUMER.INFO.${TOPIC}.${name}`);
      const { config: { opt_start_seq: from = 1 } = {}, delivered } = info;
      if (delivered !== undefined && delivered.consumer_seq > 0)
        passed += delivered.stream_seq - from + 1 - delivered.consumer_seq;
    }
    return passed;
  }

  /** Pulls from a reader as a stranger and drops what it gets. */
  async pullAsStranger(): Promise<void> {
    for (const name of await this.readers()) {
      this.nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${TOPIC}.${name}`, JSON.stringify(FOREIGN_PULL), {
        reply: STRANGER,
      });
    }
  }

  /** The leader of one of the streams steps down. */
  stepDown(what: SteppingDown): void {
    this.nats.publish(`$JS.API.STREAM.LEADER.STEPDOWN.${STREAMS[what]}`);
  }

  /** The leader of the cluster's metadata steps down: until the next one, no stream or reader can be made. */
  async stepDownMeta(): Promise<void> {
    const { servers } = this;
    const system = await connect({ servers, user: SYSTEM_USER, pass: SYSTEM_USER });
    try {
      await system.request('$JS.API.META.LEADER.STEPDOWN', '', { timeout: ANSWER_WITHIN_MS });
    } finally {
      await system.close();
    }
  }

  /** The name of the server that leads a stream; undefined if there is none, or no answer. */
  async leaderOf(what: SteppingDown): Promise<string | undefined> {
    try {
      const info = await this.#ask<{ cluster?: { leader?: string } }>(`STREAM.INFO.${STREAMS[what]}`);
      return info.cluster?.leader;
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.nats.close();
  }

  async #ask<T>(call: string, body = ''): Promise<T> {
    const answer = await this.nats.request(`$JS.API.${call}`, body, { timeout: ANSWER_WITHIN_MS });
    return answer.json<T>();
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.nats.status()) {
      if (type !== Events.Reconnect && type !== Events.Disconnect) continue;
      this.#positions.interrupted();
      this.journal.write({ what: 'tap.gap' });
    }
  }
}
