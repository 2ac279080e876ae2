import { Module } from '@nestjs/common';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
import { OrdersController } from './orders.controller.js';
import { OrdersHandler } from './orders.handler.js';
import { OrdersPublisher } from './orders.publisher.js';
import { ordersTopic } from './orders.topic.js';
import { OrdersView } from './orders.view.js';

@Module({
  imports: [AggregateTransportModule.forFeature([ordersTopic])],
  controllers: [OrdersController, OrdersHandler],
  providers: [OrdersPublisher, OrdersView],
})
export class OrdersModule {}
