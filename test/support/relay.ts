import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach } from '@jest/globals';
import { connect, type JetStreamManager, nanos } from 'nats';
import type { INestApplication } from '@nestjs/common';
import type { AggregateTransportOptions, StreamProgress } from 'nestjs-aggregate-transport';
import type { NatsServer } from 'nestjs-aggregate-transport/testing';
import type { PostgresServer } from 'nestjs-aggregate-transport-postgres/testing';
import { systemClock } from '#postgres/clock.js';
import type { RelayTarget } from '#postgres/relay/sending/sender.js';
import { ShardRelay, type ShardRelayOptions } from '#postgres/relay/shard-relay.js';
import { migrate } from '#postgres/schema/migrate.js';
import { publisherOf, startApp } from './app.js';
import { eventually } from './eventually.js';
import { PostgresFixture } from './postgres.js';
import type { RelayWorkerOptions } from './relay-worker.js';

let topics = 0;

export interface RelayFixtureOptions {
  /** Shorter than an application may ask for: the stream is edited. */
  readonly duplicateWindowMs?: number;
  readonly transport?: Partial<AggregateTransportOptions>;
  readonly topic?: AggregateTransportOptions['topics'][string];
}

/** An outbox in a real database, a stream in a real nats-server, and relays between them. */
export class RelayFixture extends PostgresFixture {
  readonly log: string[] = [];
  readonly stops: string[] = [];
  readonly #relays: ShardRelay[] = [];
  readonly #processes: RelayProcess[] = [];

  private constructor(
    url: string,
    readonly app: INestApplication,
    readonly topic: string,
    readonly servers: string,
  ) {
    super(url, 20);
  }

  static async open(
    postgres: PostgresServer,
    nats: NatsServer,
    { duplicateWindowMs, transport, topic: options }: RelayFixtureOptions = {},
  ): Promise<RelayFixture> {
    topics += 1;
    const topic = `relay_${process.pid}_${topics}`;
    const app = await startApp({
      options: {
        servers: nats.url,
        ...transport,
        topics: {
          [topic]: {
            publish: { giveUpAfterMs: 1_000 },
            ...options,
            stream: { maxBytes: 64 * 1_048_576, ...options?.stream },
          },
        },
      },
      publishers: [topic],
    });
    const fixture = new RelayFixture(postgres.url, app, topic, nats.url);
    await migrate(fixture.database, fixture.names);
    if (duplicateWindowMs !== undefined)
      await fixture.manage((jetstream) =>
        jetstream.streams.update(topic, { duplicate_window: nanos(duplicateWindowMs) }),
      );
    return fixture;
  }

  get publisher() {
    return publisherOf(this.app, this.topic);
  }

  get target(): RelayTarget {
    return this.publisher.chained;
  }

  progress(): Promise<StreamProgress> {
    return this.target.progress();
  }

  /** A relay of the only shard, started. */
  relay(options: Partial<ShardRelayOptions> = {}): ShardRelay {
    const relay = new ShardRelay({
      topic: this.topic,
      shard: { index: 0, count: 1 },
      names: this.names,
      database: this.database,
      target: this.target,
      limits: { rows: 10_000, bytes: 67_108_864 },
      pollMs: 200,
      keepPublishedMs: undefined,
      silentForMs: 10_000,
      holder: 'test',
      clock: systemClock,
      log: { write: (...[, , text]) => void this.log.push(text) },
      onStopped: ({ aggregate, code }) => void this.stops.push(`${aggregate} ${code}`),
      ...options,
    });
    this.#relays.push(relay);
    relay.start();
    return relay;
  }

  /** Adds events in a transaction of their own, as `aggregate:number`. */
  async add(...names: readonly string[]): Promise<void> {
    const outbox = this.outbox({ topic: this.topic });
    await this.database.transaction(({ client }) => outbox.add(client, names.map(eventNamed)));
  }

  /** A relay in a process of its own. It ends with the test. */
  process(options: Pick<RelayWorkerOptions, 'hold' | 'silentForMs'> = {}): RelayProcess {
    const { url, topic, servers } = this;
    const process = new RelayProcess({
      servers,
      database: url,
      schema: this.names.schema,
      topic,
      ...options,
    });
    this.#processes.push(process);
    return process;
  }

  /** Deletes the stream, and makes another one of the same name and settings. */
  async remakeStream(): Promise<void> {
    await this.manage(async ({ streams }) => {
      const { config } = await streams.info(this.topic);
      await streams.delete(this.topic);
      await streams.add(config);
    });
  }

  async manage(work: (jetstream: JetStreamManager) => Promise<unknown>): Promise<void> {
    const nats = await connect({ servers: this.servers });
    try {
      await work(await nats.jetstreamManager());
    } finally {
      await nats.close();
    }
  }

  /** What the stream holds of an aggregate: the payloads, in order. */
  async stored(aggregateId: string): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const { payload } of this.publisher.read(aggregateId)) found.push(payload);
    return found;
  }

  async untilEmpty(withinMs?: number): Promise<void> {
    await eventually('the outbox to be empty', async () => (await this.unpublished()) === 0, withinMs);
  }

  async unpublished(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      `select count(*)::int as count from ${this.names.of('outbox')} where published_at is null`,
    );
    return rows[0]!.count;
  }

  async untilHeld(): Promise<void> {
    await eventually('a relay to hold the lock', () => this.#relays.some(({ mode }) => mode === 'relaying'));
  }

  async closeRelays(): Promise<void> {
    await Promise.all(this.#relays.splice(0).map((relay) => relay.close()));
  }

  override async close(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()));
    await this.closeRelays();
    await this.app.close();
    await super.close();
  }
}

export function eventNamed(name: string) {
  return { aggregateId: name.split(':')[0]!, type: 'T', payload: name, eventId: name };
}

/** A fixture per test, closed after it. */
export function relayFixtures(
  postgres: () => PostgresServer,
  nats: () => NatsServer,
): (options?: RelayFixtureOptions) => Promise<RelayFixture> {
  const fixtures: RelayFixture[] = [];
  afterEach(async () => {
    for (const fixture of fixtures.splice(0)) await fixture.close();
  });
  return async (options) => {
    const fixture = await RelayFixture.open(postgres(), nats(), options);
    fixtures.push(fixture);
    return fixture;
  };
}

/** A relay in a process of its own, to be killed or frozen. */
class RelayProcess {
  readonly #child: ChildProcess;
  readonly #heard: string[] = [];

  constructor(options: RelayWorkerOptions) {
    const program = fileURLToPath(new URL('../../dist/test/support/relay-worker.js', import.meta.url));
    this.#child = fork(program, [JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#child.on('message', (message: string) => void this.#heard.push(message));
  }

  /** Resolves when the process has said this. */
  async says(text: string | RegExp): Promise<void> {
    await eventually(`the relay process to say ${text}`, () =>
      this.#heard.some((heard) => (typeof text === 'string' ? heard === text : text.test(heard))),
    );
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /** Lets it continue from the step. */
  continue(): void {
    this.#child.send('continue');
  }

  async kill(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.signal('SIGKILL');
    await exited;
  }
}
