import 'reflect-metadata';
import { createRequire } from 'node:module';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AggregateHandler,
  type AggregatePublisher,
  AggregateServer,
  AggregateTransportModule,
  getAggregatePublisherToken,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';

// A service with or without option tracing. Prints the files of @opentelemetry that it has loaded, as JSON.

const [, , wanted = ''] = process.argv;
const streams = new TestingStreams();
let handled = 0;

@Controller()
class Handler {
  @AggregateHandler('orders')
  on(): void {
    handled++;
  }
}

const span = { spanContext: () => ({}), isRecording: () => false, end: () => undefined };
const tracing = wanted === 'traced' ? { tracing: { tracer: { startSpan: () => span as never } } } : {};

@Module({
  imports: [
    AggregateTransportTestingModule.forRoot({ group: 'g', topics: { orders: {} }, ...tracing }, streams),
    AggregateTransportModule.forFeature(['orders']),
  ],
  controllers: [Handler],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: false });
app.connectMicroservice({ strategy: app.get(AggregateServer) });
await app.init();
await app.startAllMicroservices();
const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken('orders'));
await publisher.publish({ aggregateId: 'a', type: 'T', payload: 1 });
await streams.settle();
const { cache } = createRequire(import.meta.url);
const loaded = Object.keys(cache).filter((path) => path.includes('@opentelemetry'));
process.stdout.write(JSON.stringify({ handled, loaded }));
process.exit(0);
