import { afterAll, beforeAll } from '@jest/globals';
import { systemClock } from '#library/clock.js';
import { silentLog } from '#library/log.js';
import { Connection } from '#library/stream/connection/connection.js';
import { JetStreamApi } from '#library/stream/api/jetstream-api.js';
import type { KeyAccess } from '#library/stream/keys/partition-key.js';
import { NatsWires } from '#library/transport/nats-wires.js';
import type { AggregateTransportOptions, TopicOptions } from '#library/transport/options.js';
import { resolveOptions } from '#library/transport/resolve-options.js';
import type { GroupWire, TopicWire } from '#library/transport/wires.js';
import type { Log } from '#library/log.js';
import { subjectOf, tokenOf } from '#library/message/subject.js';
import { type NatsServer, startNatsServer } from '#library/testing/nats/nats-server.js';

export const VERSIONS = ['2.15', '2.10'] as const;

/** The first start of a version may have to fetch it. */
const START_WITHIN_MS = 90_000;

/** One server and one connection to it for all tests of a block. */
export class StreamWorld implements KeyAccess {
  #opened: KeyAccess | undefined;
  readonly #wires: NatsWires[] = [];
  #server: NatsServer | undefined;

  constructor(version: string) {
    beforeAll(async () => {
      this.#server = await startNatsServer({ version });
      const connection = await Connection.open({ servers: this.url }, 'spec', silentLog);
      this.#opened = { connection, api: new JetStreamApi(connection) };
    }, START_WITHIN_MS);
    afterAll(async () => {
      await Promise.all(this.#wires.map((wires) => wires.close()));
      await this.#opened?.connection.close();
      await this.#server?.stop();
    });
  }

  get url(): string {
    return this.#server!.url;
  }

  /** As a crash and a start of the server. */
  async crash(): Promise<void> {
    await this.#server!.kill();
  }

  async start(): Promise<void> {
    await this.#server!.start();
  }

  get connection(): Connection {
    return this.#opened!.connection;
  }

  get api(): JetStreamApi {
    return this.#opened!.api;
  }

  /** A topic as a process of its own opens it. */
  async topic(name: string, options: TopicOptions = {}, log: Log = silentLog): Promise<TopicWire> {
    const given: AggregateTransportOptions = { servers: this.url, topics: { [name]: options } };
    const resolved = resolveOptions(given);
    const wires = new NatsWires({ ...resolved, clock: systemClock, log });
    this.#wires.push(wires);
    return wires.open(resolved.topics.get(name)!);
  }

  async group(topic: string, group: string, options: TopicOptions = {}, log?: Log): Promise<GroupWire> {
    return (await this.topic(topic, options, log)).openGroup(group);
  }

  /** Stores an event of an aggregate as it is; resolves with its sequence. */
  async publish(topic: string, aggregateId: string, body = '{}'): Promise<number> {
    const answer = await this.connection.nats.request(subjectOf(topic, tokenOf(aggregateId)), body);
    return (answer.json() as { seq: number }).seq;
  }

  /** Writes a key without a compare. */
  async put(subject: string, value: object): Promise<void> {
    await this.connection.nats.request(subject, JSON.stringify(value));
  }

  async remove(stream: string): Promise<void> {
    await this.api.request(`STREAM.DELETE.${stream}`);
  }
}
