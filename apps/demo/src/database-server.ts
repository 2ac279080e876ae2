import { type PostgresServer, startPostgres } from 'nestjs-aggregate-transport-postgres/testing';
import pg from 'pg';
import type { Databases } from './services.js';

/** A PostgreSQL server of our own, with an empty database for each service. */
export async function startDatabases(): Promise<{ server: PostgresServer; databases: Databases }> {
  // Any settings, even none, ask for a server of our own, even where DATABASE_URL names another: it gets killed.
  const server = await startPostgres({ settings: {} });
  const client = new pg.Client(server.url);
  await client.connect();
  await client.query('create database orders');
  await client.query('create database billing');
  await client.end();
  const urlOf = (name: string): string => {
    const url = new URL(server.url);
    url.pathname = `/${name}`;
    return url.href;
  };
  return { server, databases: { orders: urlOf('orders'), billing: urlOf('billing') } };
}
