import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller } from '@nestjs/common';
import { connect, nanos } from 'nats';
import { AggregateHandler } from 'nestjs-aggregate-transport';
import { type PostgresServer, startPostgres } from 'nestjs-aggregate-transport-postgres/testing';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import pg from 'pg';
import { PgDatabase } from '#postgres/database/pg-database.js';
import { migrate } from '#postgres/schema/migrate.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { startApp } from '../../support/app.js';
import { Member } from './member.js';
import {
  BILLING_SCHEMA,
  GROUP,
  type HandlerSetup,
  type RelaySetup,
  SHOP_SCHEMA,
  type ShopSetup,
  TOPIC,
} from './processes/setup.js';
import type { Role } from './steps.js';

type Of<S> = Omit<S, 'nats' | 'postgres' | 'journal' | 'seed'>;

export interface WorldOptions {
  readonly seed: number;
  readonly serverVersion: string;
  readonly shop?: Partial<Of<ShopSetup>>;
  /** One for each relay process. */
  readonly relays?: readonly Partial<Of<RelaySetup>>[];
  readonly handler?: Partial<Of<HandlerSetup>>;
  readonly handlers?: number;
  readonly shops?: number;
  readonly sabotage?: string | undefined;
}

/** Shorter than an application may ask for: the stream is edited. */
const WINDOW_MS = 1_000;
/** After so long the stream knows no id any more. */
export const AFTER_WINDOW_MS = 2_000;
/** PostgreSQL ends the session of a relay that is silent for so long. More than three polls. */
export const SILENT_FOR_MS = 1_500;
export const LEASE_TTL_MS = 1_000;
const MAX_CONNECTIONS = 60;

const SHOP: Of<ShopSetup> = { sessions: 6, aggregates: 16, pauseMs: 120, maxConnections: 4 };
const RELAY: Of<RelaySetup> = { shards: 1, maxRows: 10_000, silentForMs: SILENT_FOR_MS };
const HANDLER: Of<HandlerSetup> = {
  partitions: 4,
  leaseTtlMs: LEASE_TTL_MS,
  maxConnections: 4,
  commitEveryMs: 20,
  alwaysOwn: false,
};

const SHOP_TABLES = `
create table counters (aggregate text primary key, n integer not null);
create table orders (
  aggregate text not null, n integer not null, tx text not null, events text[] not null, primary key (aggregate, n)
);`;
// Nothing here refuses an effect that comes twice.
const BILLING_TABLES = `
create table counters (aggregate text primary key, n integer not null);
create table effects (
  aggregate text not null, n integer not null, event_id text not null, position bigint not null, token bigint not null,
  outcome text not null
);`;

interface Parts {
  readonly folder: string;
  readonly postgres: PostgresServer;
  readonly nats: NatsServer;
  readonly members: readonly Member[];
}

/** Both servers, both databases, the stream, and the processes between them. */
export class World {
  private constructor(private readonly parts: Parts) {}

  static async open(options: WorldOptions): Promise<World> {
    const { seed, serverVersion } = options;
    const folder = mkdtempSync(join(tmpdir(), `postgres-faults-${seed}-`));
    const [postgres, nats] = await Promise.all([
      startPostgres({
        settings: { max_connections: String(MAX_CONNECTIONS), deadlock_timeout: '100ms', autovacuum: 'on' },
      }),
      // Naming a configuration asks for a server of our own.
      startNatsServer({ version: serverVersion, config: '' }),
    ]);
    const aggregates = options.shop?.aggregates ?? SHOP.aggregates;
    await Promise.all([
      makeDatabases(postgres, aggregates),
      makeStream(nats, options.handler?.partitions ?? HANDLER.partitions),
    ]);
    const members = await openMembers(options, folder, postgres, nats);
    return new World({ folder, postgres, nats, members });
  }

  get folder(): string {
    return this.parts.folder;
  }

  get postgres(): PostgresServer {
    return this.parts.postgres;
  }

  get nats(): NatsServer {
    return this.parts.nats;
  }

  get members(): readonly Member[] {
    return this.parts.members;
  }

  of(role: Role): Member[] {
    return this.members.filter((member) => member.role === role);
  }

  /** A plain connection, past every proxy. Close it. */
  async database(name: 'shop' | 'billing' | 'postgres'): Promise<pg.Client> {
    const client = new pg.Client(databaseUrl(this.postgres, name));
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.close()));
    await Promise.all([this.postgres.stop(), this.nats.stop()]);
  }

  /** Removes all journals. */
  forget(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function databaseUrl(postgres: PostgresServer, name: string): string {
  return postgres.url.replace(/\/postgres$/, `/${name}`);
}

async function makeDatabases(postgres: PostgresServer, aggregates: number): Promise<void> {
  const names = { shop: SHOP_SCHEMA, billing: BILLING_SCHEMA };
  const first = new pg.Client(postgres.url);
  await first.connect();
  for (const name of Object.keys(names)) await first.query(`create database ${name}`);
  await first.end();
  for (const [name, schema] of Object.entries(names)) {
    const pool = new pg.Pool({ connectionString: databaseUrl(postgres, name), max: 2 });
    await migrate(new PgDatabase(pool), new SchemaNames({ schema }));
    await pool.query(name === 'shop' ? SHOP_TABLES : BILLING_TABLES);
    if (name === 'shop')
      await pool.query(
        `insert into counters select 'order-' || i, 0 from generate_series(0, $1::int - 1) as i`,
        [aggregates],
      );
    await pool.end();
  }
}

/** The service makes its streams, and the operator gives the events' one a short window. */
async function makeStream(nats: NatsServer, partitions: number): Promise<void> {
  @Controller()
  class FirstStart {
    @AggregateHandler(TOPIC)
    handle(): void {
      // There is no event yet.
    }
  }
  const app = await startApp({
    options: {
      servers: nats.url,
      group: GROUP,
      topics: { [TOPIC]: { stream: { maxBytes: 256 * 2 ** 20 }, consume: { partitions } } },
    },
    controllers: [FirstStart],
  });
  await app.close();
  const connection = await connect({ servers: nats.url });
  const manager = await connection.jetstreamManager();
  await manager.streams.update(TOPIC, { duplicate_window: nanos(WINDOW_MS) });
  await connection.close();
}

function openMembers(
  options: WorldOptions,
  folder: string,
  postgres: PostgresServer,
  nats: NatsServer,
): Promise<Member[]> {
  const { seed, sabotage, relays = [{}, {}], handlers = 2, shops = 2 } = options;
  const postgresPort = Number(new URL(postgres.url).port);
  const shared = { folder, sabotage, postgresPort, natsPort: nats.port };
  const member = (role: Role, index: number, database: string, setup: object): Promise<Member> =>
    Member.open({ ...shared, role, database, name: `${role}-${index}`, setup: { ...setup, seed } });
  return Promise.all([
    ...Array.from({ length: shops }, (_, index) =>
      member('shop', index, 'shop', { ...SHOP, ...options.shop }),
    ),
    ...relays.map((relay, index) => member('relay', index, 'shop', { ...RELAY, ...relay })),
    ...Array.from({ length: handlers }, (_, index) =>
      member('handler', index, 'billing', { ...HANDLER, ...options.handler }),
    ),
  ]);
}
