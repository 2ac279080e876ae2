import { Controller, Get } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { type InvoicePaid, invoices } from '../../billing/src/invoices.topic.js';

export interface PaidOrders {
  orders: number;
  /** Events that said so: as many as orders, because billing stores each of them once. */
  announcements: number;
  cents: number;
}

/** Hears from billing which orders are paid. */
@Controller('paid')
export class PaidOrdersController {
  /** Per order, the position of the last event that said so. */
  readonly #positions = new Map<string, bigint>();
  #announcements = 0;
  #cents = 0;

  @AggregateHandler(invoices, { type: 'InvoicePaid' })
  paid(@Payload() { cents }: InvoicePaid, @AggregateId() id: string, @Ctx() ctx: AggregateContext): void {
    if ((this.#positions.get(id) ?? 0n) >= ctx.position) return;
    this.#positions.set(id, ctx.position);
    this.#announcements++;
    this.#cents += cents;
  }

  @Get()
  report(): PaidOrders {
    return { orders: this.#positions.size, announcements: this.#announcements, cents: this.#cents };
  }
}
