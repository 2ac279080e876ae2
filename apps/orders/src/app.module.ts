import { Module } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
import { JournalController } from './journal.controller.js';
import { OrderService } from './order.service.js';
import { OrdersController } from './orders.controller.js';
import { orders } from './orders.topic.js';
import { PaidOrdersController } from './paid-orders.controller.js';

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'orders',
      metrics: { meter: metrics.getMeter('orders') }, // measures nothing until a provider is registered
      topics: { orders: {}, journal: {}, invoices: {} },
    }),
    AggregateTransportModule.forFeature([orders, 'journal']),
  ],
  controllers: [OrdersController, JournalController, PaidOrdersController],
  providers: [OrderService],
})
export class AppModule {}
