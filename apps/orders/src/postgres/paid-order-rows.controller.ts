import { Controller, Get } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { Inbox, type InboxOutcome } from 'nestjs-aggregate-transport-postgres';
import { type InvoicePaid, invoices } from '../../../billing/src/invoices.topic.js';
import type { PaidOrders } from '../paid-orders.controller.js';
import { ServiceDatabase } from './service-database.js';

export const PAID_TABLES = `
  create table if not exists paid_order (order_id text primary key, announcements int not null, cents int not null);`;

/** Hears from billing which orders are paid, and keeps it in rows. */
@Controller('paid')
export class PaidOrderRowsController {
  constructor(
    private readonly inbox: Inbox,
    private readonly database: ServiceDatabase,
  ) {}

  @AggregateHandler(invoices, { type: 'InvoicePaid' })
  paid(
    @Payload() { cents }: InvoicePaid,
    @AggregateId() id: string,
    @Ctx() ctx: AggregateContext,
  ): Promise<InboxOutcome> {
    return this.inbox.once(ctx, (transaction) =>
      transaction.query(
        `insert into paid_order as known values ($1, 1, $2)
         on conflict (order_id) do update set announcements = known.announcements + 1`,
        [id, cents],
      ),
    );
  }

  @Get()
  async report(): Promise<PaidOrders> {
    const [row] = await this.database.query(
      `select count(*)::int as orders, coalesce(sum(announcements), 0)::int as announcements,
         coalesce(sum(cents), 0)::int as cents from paid_order`,
    );
    return row as unknown as PaidOrders;
  }
}
