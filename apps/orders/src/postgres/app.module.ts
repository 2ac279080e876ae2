import { Module } from '@nestjs/common';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
import { AggregatePostgresModule } from 'nestjs-aggregate-transport-postgres';
import { OrderService } from '../order.service.js';
import { OrdersController } from '../orders.controller.js';
import { orders } from '../orders.topic.js';
import { DatabaseModule } from './database.module.js';
import { OrderRowsController } from './order-rows.controller.js';
import { ORDER_TABLES, OutboxOrders } from './outbox-orders.js';
import { PAID_TABLES, PaidOrderRowsController } from './paid-order-rows.controller.js';
import { ServiceDatabase } from './service-database.js';

/** The order service with rows: it publishes through the outbox, and handles through the inbox. */
@Module({
  imports: [
    DatabaseModule.with(ORDER_TABLES, PAID_TABLES),
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'orders',
      topics: { orders: {}, invoices: {} },
    }),
    AggregatePostgresModule.forRootAsync({
      outboxTopics: [orders],
      inject: [ServiceDatabase],
      useFactory: ({ source }: ServiceDatabase) => ({
        ...source,
        migrate: true,
        outbox: { topics: [orders] },
        inbox: true,
      }),
    }),
  ],
  controllers: [OrdersController, OrderRowsController, PaidOrderRowsController],
  providers: [{ provide: OrderService, useClass: OutboxOrders }],
})
export class AppModule {}
