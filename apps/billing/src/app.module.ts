import { Module } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
import { BillingController } from './billing.controller.js';
import { HistoryController } from './history.controller.js';
import { Invoices } from './invoices.js';
import { invoices } from './invoices.topic.js';
import { InvoicesController } from './invoices.controller.js';
import { PaymentGateway } from './payment-gateway.js';
import { Witness } from './witness.js';
import { WitnessController } from './witness.controller.js';
import { WitnessInterceptor } from './witness.interceptor.js';

// #region module
@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'billing',
      metrics: { meter: metrics.getMeter('billing') }, // measures nothing until a provider is registered
      topics: { orders: {}, journal: {}, invoices: {} },
    }),
    AggregateTransportModule.forFeature([invoices]), // what the handlers publish
  ],
  controllers: [BillingController, HistoryController, InvoicesController, WitnessController],
  providers: [Invoices, PaymentGateway, Witness, WitnessInterceptor],
})
export class AppModule {}
// #endregion
