import { Module } from '@nestjs/common';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
import { AggregatePostgresModule } from 'nestjs-aggregate-transport-postgres';
import { DatabaseModule } from '../../../orders/src/postgres/database.module.js';
import { ServiceDatabase } from '../../../orders/src/postgres/service-database.js';
import { invoices } from '../invoices.topic.js';
import { PaymentGateway } from '../payment-gateway.js';
import { Witness } from '../witness.js';
import { WitnessController } from '../witness.controller.js';
import { WitnessInterceptor } from '../witness.interceptor.js';
import { BillingController } from './billing.controller.js';
import { INVOICE_TABLES, InvoiceRows } from './invoice-rows.js';

/** The billing service with rows: it handles through the inbox. */
@Module({
  imports: [
    DatabaseModule.with(INVOICE_TABLES),
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'billing',
      topics: { orders: {}, invoices: {} },
    }),
    AggregateTransportModule.forFeature([invoices]),
    AggregatePostgresModule.forRootAsync({
      inject: [ServiceDatabase],
      useFactory: ({ source }: ServiceDatabase) => ({ ...source, migrate: true, inbox: true }),
    }),
  ],
  controllers: [BillingController, WitnessController],
  providers: [InvoiceRows, PaymentGateway, Witness, WitnessInterceptor],
})
export class AppModule {}
