import { expect, test } from '@jest/globals';
import { Controller, Injectable } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  EffectCollector,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const AGGREGATES = 50;
const EVENTS_EACH = 20;
const TRANSACTION_MS = 2;
const CULPRIT = 'a7';

interface Invoice {
  readonly order: string;
  readonly amount: number;
  readonly position: bigint;
}

/** Rows of a table, written in transactions that take a while. A row of a position that is known is left out. */
class Database {
  readonly rows = new Map<string, Invoice[]>();
  transactions = 0;

  async insertAll(invoices: readonly Invoice[]): Promise<void> {
    this.transactions++;
    await new Promise((resolve) => setTimeout(resolve, TRANSACTION_MS));
    if (invoices.some(({ amount }) => amount < 0)) throw new Error('an amount is below 0');
    for (const invoice of invoices) {
      const rows = this.rows.get(invoice.order) ?? [];
      if (invoice.position > (rows.at(-1)?.position ?? -1n)) this.rows.set(invoice.order, [...rows, invoice]);
    }
  }
}

// #region collector
@Injectable()
class InvoiceTable {
  constructor(private readonly database: Database) {}

  readonly effects = new EffectCollector<Invoice>({
    apply: (invoices) => this.database.insertAll(invoices), // one transaction
    concurrency: 2, // not more than the connection pool has
  });
}

@Controller()
class Invoicing {
  constructor(private readonly table: InvoiceTable) {}

  @AggregateHandler('orders', { type: 'OrderPaid', retry: { attempts: 2, firstDelayMs: 10 } })
  paid(
    @Payload() { amount }: { amount: number },
    @AggregateId() order: string,
    @Ctx() ctx: AggregateContext,
  ) {
    return this.table.effects.add({ order, amount, position: ctx.position });
  }
}
// #endregion

test('handlers of many aggregates share transactions, and one that fails parks its own aggregate alone', async () => {
  const database = new Database();
  const app = await startApp({
    options: { servers: server().url, group: 'billing', topics: { orders: {} } },
    publishers: ['orders'],
    controllers: [Invoicing],
    providers: [InvoiceTable, { provide: Database, useValue: database }],
  });
  const publisher = publisherOf(app, 'orders');
  const ids = Array.from({ length: AGGREGATES }, (_, index) => `a${index}`);
  await publisher.publishAll(
    Array.from({ length: EVENTS_EACH }, (_, amount) => amount).flatMap((amount) =>
      ids.map((aggregateId) => ({
        aggregateId,
        type: 'OrderPaid',
        payload: { amount: aggregateId === CULPRIT && amount === 5 ? -1 : amount },
      })),
    ),
  );
  const amountsOf = (id: string): number[] => (database.rows.get(id) ?? []).map(({ amount }) => amount);
  const all = Array.from({ length: EVENTS_EACH }, (_, amount) => amount);
  const innocent = ids.filter((id) => id !== CULPRIT);
  await eventually('all innocent rows', () => innocent.every((id) => amountsOf(id).length === EVENTS_EACH));
  await eventually('the culprit parked', async () => {
    const parked = await app.get(ParkedAggregates).list({ topic: 'orders', group: 'billing' });
    return parked.some(({ aggregateId }) => aggregateId === CULPRIT);
  });
  expect(innocent.map(amountsOf)).toEqual(innocent.map(() => all));
  expect(amountsOf(CULPRIT)).toEqual([0, 1, 2, 3, 4]);
  expect(database.transactions).toBeLessThan((AGGREGATES * EVENTS_EACH) / 4);
  await app.close();
});
