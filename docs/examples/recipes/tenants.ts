import { AsyncLocalStorage } from 'node:async_hooks';
import { Controller, Injectable, Module } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateTransportModule,
  type AttemptContext,
  defineTopic,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { Pool } from 'pg';
import { DatabaseModule } from './database.js';

export interface InvoiceSent {
  readonly cents: number;
}
export const invoices = defineTopic<{ InvoiceSent: InvoiceSent }>('invoices');

// #region tenants
/** Two tenants may both have an invoice 7: the tenant is a part of the aggregate's id. */
export const invoiceOf = (tenant: number, number: number) => ({
  aggregateId: `${tenant}-${number}`,
  tenantId: tenant,
});

const tenantOfAttempt = new AsyncLocalStorage<number>();

/** Surrounds every attempt. An event without a tenant, or of another tenant than its id says, is parked. */
function inTenant(ctx: AttemptContext, next: () => Promise<void>): Promise<void> {
  const { tenantId, aggregateId } = ctx;
  if (tenantId === undefined || !aggregateId.startsWith(`${tenantId}-`))
    throw new UnrecoverableError(
      new Error(`expected the tenant of ${aggregateId}, found ${String(tenantId)}`),
    );
  return tenantOfAttempt.run(tenantId, next);
}

/** The schema of the tenant whose event is being handled. */
@Injectable()
export class TenantDatabase {
  constructor(private readonly pool: Pool) {}

  async query(statement: (schema: string) => string, values: readonly unknown[]): Promise<void> {
    const tenant = tenantOfAttempt.getStore();
    if (tenant === undefined) throw new Error('expected to be called from a handler');
    await this.pool.query(statement(`tenant_${tenant}`), [...values]);
  }
}
// #endregion

@Controller()
export class Ledger {
  constructor(private readonly database: TenantDatabase) {}

  @AggregateHandler(invoices, { type: 'InvoiceSent' })
  async sent(@Payload() { cents }: InvoiceSent, @Ctx() ctx: AggregateContext): Promise<void> {
    await this.database.query(
      (schema) => `
        insert into ${schema}.ledger as row (invoice, cents, position) values ($1, $2, $3)
        on conflict (invoice) do update set cents = row.cents + excluded.cents, position = excluded.position
        where row.position < excluded.position`,
      [ctx.aggregateId, cents, ctx.position],
    );
  }
}

// #region module
@Module({
  imports: [
    DatabaseModule,
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'ledger',
      topics: { invoices: { consume: { around: inTenant } } },
    }),
  ],
  controllers: [Ledger],
  providers: [TenantDatabase],
})
export class AppModule {}
// #endregion
