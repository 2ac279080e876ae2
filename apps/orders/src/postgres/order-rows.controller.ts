import { Controller, Get } from '@nestjs/common';
import { AggregatePostgresStatus } from 'nestjs-aggregate-transport-postgres';
import { ServiceDatabase } from './service-database.js';

export interface OrderRows {
  orders: number;
  entries: number;
  /** Committed, and not yet in the stream. */
  waiting: number;
}

/** Counts what the order service has committed. */
@Controller('rows')
export class OrderRowsController {
  constructor(
    private readonly database: ServiceDatabase,
    private readonly status: AggregatePostgresStatus,
  ) {}

  @Get()
  async count(): Promise<OrderRows> {
    const [row] = await this.database.query(
      'select count(distinct order_id)::int as orders, count(*)::int as entries from order_entry',
    );
    const { outboxes } = await this.status.snapshot();
    return { ...(row as { orders: number; entries: number }), waiting: outboxes[0]?.rows ?? 0 };
  }
}
