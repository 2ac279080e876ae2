import { afterAll, afterEach, beforeAll } from '@jest/globals';
import type { CheckedEvent } from 'nestjs-aggregate-transport';
import {
  type PostgresServer,
  startPostgres,
  type StartPostgresOptions,
} from 'nestjs-aggregate-transport-postgres/testing';
import pg from 'pg';
import { type Codec, jsonCodec } from '#library/message/codec.js';
import { checkedEvent } from '#library/message/outgoing/checked-event.js';
import { prepareEvent } from '#library/message/outgoing/prepare-event.js';
import { PgDatabase } from '#postgres/database/pg-database.js';
import { type EventChecker, Outbox, type OutboxParts } from '#postgres/outbox/outbox.js';
import { migrate } from '#postgres/schema/migrate.js';
import { quoted, SchemaNames } from '#postgres/schema/schema-names.js';

/** A real PostgreSQL server for all tests of a file. Call at the top. */
export function postgresForAll(options?: StartPostgresOptions): () => PostgresServer {
  let server: PostgresServer | undefined;
  beforeAll(async () => {
    server = await startPostgres(options);
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
  });
  return () => {
    if (server === undefined) throw new Error('expected the server to be used within a test');
    return server;
  };
}

let schemas = 0;

/** The tables of one test, in a schema of its own, and connections to them that close after the test. */
export class PostgresFixture {
  readonly names: SchemaNames;
  readonly pool: pg.Pool;
  readonly database: PgDatabase;
  readonly #clients: pg.Client[] = [];

  constructor(
    readonly url: string,
    max = 10,
  ) {
    schemas += 1;
    this.names = new SchemaNames({ schema: `test_${process.pid}_${schemas}` });
    this.pool = new pg.Pool({ connectionString: url, max });
    this.pool.on('error', () => undefined);
    this.database = new PgDatabase(this.pool);
  }

  /** A connection of its own. */
  async client(): Promise<pg.Client> {
    const client = new pg.Client(this.url);
    client.on('error', () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  /** The same tables over one connection. Close it. */
  single(): PgDatabase {
    const pool = new pg.Pool({ connectionString: this.url, max: 1 });
    pool.on('error', () => undefined);
    return new PgDatabase(pool, () => pool.end());
  }

  /** The same server as another role sees it. Close it. */
  databaseOf(role: string): PgDatabase {
    const pool = new pg.Pool({ connectionString: this.url.replace('postgres@', `${role}@`), max: 2 });
    return new PgDatabase(pool, () => pool.end());
  }

  /** An outbox without a NATS server: events are checked as the publisher of a server with 1 MiB messages would. */
  outbox(parts: Partial<OutboxParts> = {}, codec: Codec = jsonCodec): Outbox {
    const { topic = 'orders' } = parts;
    return new Outbox({ topic, names: this.names, checker: checkerOf(topic, codec), notify: true, ...parts });
  }

  /** What the outbox holds, in the order of ids. */
  async rows(): Promise<OutboxLine[]> {
    const { rows } = await this.pool.query<OutboxLine>(
      `select id::text, topic, aggregate, slot, event_id, event::text, body, headers from ${this.names.of('outbox')} o order by o.id`,
    );
    return rows;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end().catch(() => undefined)));
    await this.pool
      .query(`drop schema if exists ${quoted(this.names.schema)} cascade`)
      .catch(() => undefined);
    await this.pool.end();
  }
}

export interface OutboxLine {
  id: string;
  topic: string;
  aggregate: string;
  slot: number;
  event_id: string;
  event: string | null;
  body: Buffer | null;
  headers: Record<string, string> | null;
}

export function checkerOf(topic: string, codec: Codec = jsonCodec): EventChecker {
  const options = { topic, codec, maxPayloadBytes: 1_048_576 };
  return {
    // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection, as the publisher's
    checkAll: async (events): Promise<CheckedEvent[]> =>
      events.map((event) =>
        checkedEvent(prepareEvent(event, { ...options, wallMs: Date.now() }), event.headers, codec),
      ),
  };
}

/** A fixture with migrated tables per test. */
export function fixtureForEach(server: () => PostgresServer, max?: number): () => Promise<PostgresFixture> {
  const fixtures: PostgresFixture[] = [];
  afterEach(async () => {
    for (const fixture of fixtures.splice(0)) await fixture.close();
  });
  return async () => {
    const fixture = new PostgresFixture(server().url, max);
    fixtures.push(fixture);
    await migrate(fixture.database, fixture.names);
    return fixture;
  };
}
