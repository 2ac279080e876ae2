import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AggregateTransportModule,
  type AggregateTransportOptions,
  partitionOf,
} from 'nestjs-aggregate-transport';
import {
  AggregatePostgresModule,
  getOutboxToken,
  type Outbox,
  type OutboxOptions,
} from 'nestjs-aggregate-transport-postgres';
import { type PostgresServer, startPostgres } from 'nestjs-aggregate-transport-postgres/testing';
import pg from 'pg';
import { PgDatabase } from '#postgres/database/pg-database.js';
import { migrate } from '#postgres/schema/migrate.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { Streams } from '../streams.js';
import { optionsFor, paddingFor } from '../workload.js';

/** Connections of the benches themselves; one session each of 200 needs more than the server has by default. */
const CONNECTIONS = '260';
const SLOTS = 256;
const BYTES = 256;
const LOOK_EVERY_MS = 5;
const STORED_WITHIN_MS = 300_000;

export const TEXT = paddingFor(BYTES);

/** What a contender's service may have otherwise. */
export interface ServiceOptions {
  readonly publish?: AggregateTransportOptions['publish'];
  readonly outbox?: Partial<OutboxOptions>;
}

/** A PostgreSQL server of this run alone, durable as in production, and a stream per contender and round. */
export class OutboxWorld {
  #topics = 0;

  readonly names = new SchemaNames({ schema: 'bench' });

  private constructor(
    readonly postgres: PostgresServer,
    readonly pool: pg.Pool,
    readonly natsUrl: string,
    readonly streams: Streams,
  ) {}

  static async open(natsUrl: string): Promise<OutboxWorld> {
    const postgres = await startPostgres({
      settings: { max_connections: CONNECTIONS, shared_buffers: '256MB', max_wal_size: '2GB' },
    });
    const pool = new pg.Pool({ connectionString: postgres.url, max: 230 });
    // Connections at rest are ended when the server stops.
    pool.on('error', () => undefined);
    const world = new OutboxWorld(postgres, pool, natsUrl, await Streams.open(natsUrl));
    await migrate(new PgDatabase(pool), world.names);
    return world;
  }

  nextTopic(): string {
    return `outbox-${++this.#topics}`;
  }

  /** The library as a service uses it: it adds, and its relay begins at once. */
  async service(topic: string, { publish = {}, outbox = {} }: ServiceOptions = {}): Promise<OutboxService> {
    @Module({
      imports: [
        AggregateTransportModule.forRoot(optionsFor(this.natsUrl, [topic], { publish })),
        AggregatePostgresModule.forRoot({
          connectionString: this.postgres.url,
          schema: 'bench',
          outbox: { topics: [topic], ...outbox },
          inbox: true,
        }),
      ],
    })
    class OutboxModule {}
    const app = await NestFactory.createApplicationContext(OutboxModule, {
      logger: ['error', 'warn'],
      abortOnError: false,
    });
    return new OutboxService(app, topic);
  }

  /** Runs `work` in a transaction of a connection of the pool. */
  async transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    try {
      await client.query('begin');
      const result = await work(client);
      await client.query('commit');
      return result;
    } finally {
      client.release();
    }
  }

  /** Rows as `add` would write them, of aggregates in turn, numbered by `payload.n`. */
  async fill(topic: string, rows: number, aggregates: number): Promise<void> {
    const tokens = Array.from({ length: aggregates }, (_, n) => `a${n}`);
    const event = `'{"event_id":"row-' || n || '","aggregate_id":"' || token || '","event_type":"Counted",
      "event_version":1,"timestamp":"2026-01-01T00:00:00.000Z","payload":{"n":' || n || ',"text":"${TEXT}"}}'`;
    await this.pool.query(
      `insert into ${this.names.of('outbox')} (topic, aggregate, slot, event_id, event)
      select $1, token, slot, 'row-' || n, (${event})::json from generate_series(1, $2::int) as n
      join unnest($3::text[], $4::smallint[]) with ordinality as given (token, slot, place)
        on place = 1 + n % $5::int order by n`,
      [topic, rows, tokens, tokens.map((token) => partitionOf(token, SLOTS)), aggregates],
    );
    await this.pool.query(`vacuum analyze ${this.names.of('outbox')}`);
  }

  /** Resolves when the stream holds so many messages. */
  async untilStored(topic: string, rows: number): Promise<void> {
    const until = performance.now() + STORED_WITHIN_MS;
    for (;;) {
      const stored = await this.streams.count(topic).catch(() => 0);
      if (stored >= rows) return;
      if (performance.now() > until) throw new Error(`${topic}: expected ${rows} stored, found ${stored}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** Resolves when every stored row is marked, too. Then the next contender begins with an empty table. */
  async untilMarked(): Promise<void> {
    for (;;) {
      const { rows } = await this.pool.query(`select from ${this.names.of('outbox')} limit 1`);
      if (rows.length === 0) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  async remove(topic: string): Promise<void> {
    await this.pool.query(`truncate ${this.names.of('outbox')}`);
    await this.streams.remove(topic);
  }

  /** Reads the whole stream: what is stored of each aggregate, in order. */
  async storedOf(topic: string): Promise<Map<string, number[]>> {
    const found = new Map<string, number[]>();
    const last = await this.streams.lastSequence(topic);
    const consumer = await this.streams.nats.jetstream().consumers.get(topic);
    for await (const message of await consumer.consume()) {
      const { aggregate_id: id, payload } = message.json<{ aggregate_id: string; payload: { n: number } }>();
      const numbers = found.get(id);
      if (numbers === undefined) found.set(id, [payload.n]);
      else numbers.push(payload.n);
      if (message.seq >= last) break;
    }
    return found;
  }

  async close(): Promise<void> {
    await this.streams.close();
    await this.pool.end();
    await this.postgres.stop();
  }
}

export class OutboxService {
  constructor(
    private readonly app: INestApplicationContext,
    readonly topic: string,
  ) {}

  get outbox(): Outbox {
    return this.app.get<Outbox>(getOutboxToken(this.topic));
  }

  get<T>(token: abstract new (...args: never[]) => T): T {
    return this.app.get(token);
  }

  close(): Promise<void> {
    return this.app.close();
  }
}

/** What is wrong with numbers that should rise by any amount, each being there once. */
export function disordersIn(numbers: readonly number[]): number {
  let disorders = 0;
  for (let index = 1; index < numbers.length; index++)
    if ((numbers[index] ?? 0) <= (numbers[index - 1] ?? 0)) disorders++;
  return disorders;
}
