import { connect, type JetStreamManager, type NatsConnection, nanos } from 'nats';
import { pipelined } from './contenders/raw-publish.js';
import { type RawMessage, STREAM } from './workload.js';

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

  /** Removes a stream, and the one for its parked events, if the library has made it. */
  async remove(name: string): Promise<void> {
    await this.manager.streams.delete(name);
    await this.manager.streams.delete(`${name}_parked`).catch(() => undefined);
  }

  async count(name: string): Promise<number> {
    return (await this.manager.streams.info(name)).state.messages;
  }

  async lastSequence(name: string): Promise<number> {
    return (await this.manager.streams.info(name)).state.last_seq;
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

  /** Removes all consumers of a stream: each run reads it anew. */
  async removeConsumers(stream: string): Promise<void> {
    for await (const { name } of this.manager.consumers.list(stream))
      await this.manager.consumers.delete(stream, name);
  }

  /** Resolves when all consumers of the stream have settled all that they are to deliver; asks every few milliseconds. */
  async settled(stream: string, withinMs = 120_000): Promise<void> {
    const until = performance.now() + withinMs;
    for (;;) {
      const open = await this.unsettled(stream);
      if (open === 0) return;
      if (performance.now() > until) throw new Error(`${stream}: ${open} events are not settled in time`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async unsettled(stream: string): Promise<number> {
    let open = 0;
    for await (const { num_pending, num_ack_pending } of this.manager.consumers.list(stream))
      open += num_pending + num_ack_pending;
    return open;
  }
}
