import {
  AckPolicy,
  connect,
  headers,
  type JetStreamManager,
  type NatsConnection,
  nanos,
  type StoredMsg,
} from 'nats';
import { partitionFilter } from '#library/message/partitioning.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { parkedStreamOf, positionFilter, positionsStreamOf } from '#library/stream/keys/key-places.js';
import { pipelined } from './contenders/raw-publish.js';
import { type RawMessage, STREAM } from './workload.js';

/** The server's error for a message that expects another stream. */
const WRONG_STREAM = 10_060;

/** The server's side of a bench: streams, their contents, and how far a consumer is. */
export class Streams {
  private constructor(
    readonly nats: NatsConnection,
    private readonly manager: JetStreamManager,
  ) {}

  static async open(url: string): Promise<Streams> {
    const nats = await connect({ servers: url, noAsyncTraces: true });
    return new Streams(nats, await nats.jetstreamManager());
  }

  close(): Promise<void> {
    return this.nats.close();
  }

  /** A stream as the library would make it, without its mark: for benches that only read it raw, or never. */
  async add(name: string, subjects: readonly string[], limits: object = {}): Promise<void> {
    await this.manager.streams.add({
      name,
      subjects: [...subjects],
      duplicate_window: nanos(STREAM.duplicateWindowMs),
      num_replicas: STREAM.replicas,
      ...limits,
    });
  }

  /** Changes a stream's own settings. */
  async allow(name: string, settings: object): Promise<void> {
    const { config } = await this.manager.streams.info(name);
    await this.manager.streams.update(name, { ...config, ...settings });
  }

  async empty(name: string): Promise<void> {
    await this.manager.streams.purge(name);
  }

  /** Removes a stream, and those for its positions and parked events, if the library has made them. */
  async remove(name: string): Promise<void> {
    await this.manager.streams.delete(name);
    for (const other of [positionsStreamOf(name), parkedStreamOf(name)])
      await this.manager.streams.delete(other).catch(() => undefined);
  }

  async count(name: string): Promise<number> {
    return (await this.manager.streams.info(name)).state.messages;
  }

  /**
   * Resolves when the server has stored or dropped what this connection has published without asking for answers. It
   * takes a stream's messages in order, so it asks for the answer to one more, which is refused.
   */
  async whenUnackedStored(subject: string): Promise<void> {
    const refused = headers();
    refused.set('Nats-Expected-Stream', 'none');
    for (let code = 0; code !== WRONG_STREAM;) {
      const answer = await this.nats.request(subject, undefined, { headers: refused, timeout: 30_000 });
      // Another error: the stream's queue is full, and the question was not put into it.
      code = answer.json<{ error?: { err_code?: number } }>().error?.err_code ?? 0;
    }
  }

  /** How many messages a stream holds, by subject. */
  async countBySubject(name: string): Promise<ReadonlyMap<string, number>> {
    const { state } = await this.manager.streams.info(name, { subjects_filter: '>' });
    return new Map(Object.entries(state.subjects ?? {}));
  }

  async lastSequence(name: string): Promise<number> {
    return (await this.manager.streams.info(name)).state.last_seq;
  }

  /** The last message of a subject. */
  read(stream: string, subject: string): Promise<StoredMsg> {
    return this.manager.streams.getMessage(stream, { last_by_subj: subject });
  }

  /** The last sequence of each stream. */
  async lastSequences(): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for await (const { config, state } of this.manager.streams.list()) found.set(config.name, state.last_seq);
    return found;
  }

  /** Writes events into a stream as fast as it takes them, and checks that it has them all. */
  async fill(stream: string, events: number, messageOf: (index: number) => RawMessage): Promise<void> {
    const before = await this.count(stream);
    await pipelined(this.nats, { events, window: 4_000, messageOf, withId: true });
    const stored = (await this.count(stream)) - before;
    if (stored !== events) throw new Error(`expected ${events} events in ${stream}, found ${stored}`);
  }

  async addConsumer(stream: string, name: string, limits: object = {}): Promise<void> {
    await this.manager.consumers.add(stream, {
      durable_name: name,
      ack_policy: 'explicit' as never,
      max_ack_pending: 10_000,
      ...limits,
    });
  }

  /** Removes all consumers and positions of a stream: each run reads it from the start, under a group of its own. */
  async forgetReading(stream: string): Promise<void> {
    for await (const { name } of this.manager.consumers.list(stream))
      // A reader may have been deleted by its own process meanwhile.
      await this.manager.consumers.delete(stream, name).catch(() => undefined);
    await this.manager.streams.purge(positionsStreamOf(stream)).catch(() => undefined);
  }

  /**
   * Resolves when every reader of the stream has settled all its events: consumers by their acks, partitions by their
   * confirmed positions. Asks every few milliseconds. Nothing may be published meanwhile.
   */
  async settled(stream: string, withinMs = 120_000): Promise<void> {
    const until = performance.now() + withinMs;
    while (!((await this.#areAcked(stream)) && (await this.#areCommitted(stream)))) {
      if (performance.now() > until)
        throw new Error(`${stream}: events are not settled within ${withinMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async #areAcked(stream: string): Promise<boolean> {
    for await (const { config, num_pending, num_ack_pending } of this.manager.consumers.list(stream))
      if (config.ack_policy !== AckPolicy.None && num_pending + num_ack_pending > 0) return false;
    return true;
  }

  async #areCommitted(stream: string): Promise<boolean> {
    const positions = positionsStreamOf(stream);
    const found = await this.manager.streams
      .info(positions, { subjects_filter: positionFilter(stream, '*') })
      .catch(() => undefined);
    for (const subject of Object.keys(found?.state.subjects ?? {})) {
      const [partitions, partition] = subject.split('.').slice(-2).map(Number);
      const stored = await this.manager.streams.getMessage(positions, { last_by_subj: subject });
      const { high, unsettled } = stored.json<PositionRecord>();
      const last = await this.#lastOf(stream, partitionFilter(stream, partition!, partitions!));
      if (unsettled !== '' || high < last) return false;
    }
    return true;
  }

  /** The last sequence of a partition; 0 if it has no event. */
  async #lastOf(stream: string, filter: string): Promise<number> {
    const last = await this.manager.streams
      .getMessage(stream, { last_by_subj: filter })
      .catch(() => undefined);
    return last?.seq ?? 0;
  }
}
