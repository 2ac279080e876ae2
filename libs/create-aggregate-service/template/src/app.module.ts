import { Module } from '@nestjs/common';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
import { OrdersModule } from './orders.module.js';
import { ordersTopic } from './orders.topic.js';

@Module({
  imports: [
    AggregateTransportModule.forRootAsync({
      useFactory: () => ({
        servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
        group: 'my-service', // processes of one group share the work; another group gets every event, too
        topics: { [ordersTopic.name]: {} },
      }),
    }),
    OrdersModule,
  ],
})
export class AppModule {}
