import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AggregateServer } from 'nestjs-aggregate-transport';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import { startPostgres } from 'nestjs-aggregate-transport-postgres/testing';
import type pg from 'pg';
import { BillingModule } from './billing.js';
import { POOL } from './database.js';
import { Shop, ShopModule } from './shop.js';

const ORDERS = 30;
const WITHIN_MS = 30_000;

const nats = await startNatsServer();
const postgres = process.env['DATABASE_URL'] === undefined ? await startPostgres() : undefined;
process.env['NATS_URL'] = nats.url;
if (postgres !== undefined) process.env['DATABASE_URL'] = postgres.url;
const quiet = { logger: ['error', 'fatal'] as ('error' | 'fatal')[] };

// In production each is a process of its own, often with a database of its own.
const shopApp = await NestFactory.createApplicationContext(ShopModule, quiet);
const pool = shopApp.get<pg.Pool>(POOL);
await pool.query('create table shop_order (id text primary key, cents int)');
await pool.query('create table invoice (order_id text primary key, cents int)');
const billingApp = await NestFactory.createMicroservice(BillingModule, {
  ...quiet,
  inject: [AggregateServer],
  useFactory: (strategy: AggregateServer) => ({ strategy }),
});
await billingApp.listen();

const ids = Array.from({ length: ORDERS }, (_, index) => String(index + 1));
const placed = await Promise.allSettled(ids.map((id) => shopApp.get(Shop).place(id, Number(id) * 100)));
const committed = placed.filter(({ status }) => status === 'fulfilled').length;

const count = async (): Promise<{ orders: number; invoices: number }> => {
  const { rows } = await pool.query<{ orders: number; invoices: number }>(
    `select (select count(*)::int from shop_order) as orders,
       (select count(*)::int from invoice join shop_order on order_id = id and invoice.cents = shop_order.cents) as invoices`,
  );
  return rows[0] ?? { orders: 0, invoices: 0 };
};
let found = await count();
for (
  const until = Date.now() + WITHIN_MS;
  found.invoices < committed && Date.now() < until;
  found = await count()
)
  await new Promise((resolve) => setTimeout(resolve, 50));

await billingApp.close();
await shopApp.close();
await postgres?.stop();
await nats.stop();
console.log(
  `${found.orders} orders were committed of ${ORDERS}, and ${found.invoices} invoices agree with them`,
);
process.exitCode = found.orders === committed && found.invoices === committed ? 0 : 1;
