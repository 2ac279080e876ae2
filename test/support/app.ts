import type { INestApplication, Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  type AggregatePublisher,
  AggregateServer,
  AggregateTransportModule,
  type AggregateTransportOptions,
  getAggregatePublisherToken,
  type TopicRef,
} from 'nestjs-aggregate-transport';

export interface TestAppOptions {
  readonly options: AggregateTransportOptions;
  readonly publishers?: readonly TopicRef[];
  readonly controllers?: Type[];
  readonly providers?: Type[];
  /** Show Nest's log. */
  readonly verbose?: boolean;
}

/** A hybrid Nest application as the README builds it, without an HTTP port. Close it with `app.close()`. */
export async function startApp(test: TestAppOptions): Promise<INestApplication> {
  @Module({
    imports: [
      AggregateTransportModule.forRoot(test.options),
      AggregateTransportModule.forFeature(test.publishers ?? []),
    ],
    controllers: test.controllers ?? [],
    providers: test.providers ?? [],
  })
  class TestModule {}

  const app = await NestFactory.create(TestModule, {
    logger: test.verbose === true ? ['error', 'warn', 'log'] : false,
    abortOnError: false,
  });
  try {
    if (test.controllers !== undefined) {
      app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
    }
    await app.init();
    if (test.controllers !== undefined) await app.startAllMicroservices();
  } catch (error) {
    await app.close();
    throw error;
  }
  return app;
}

export function publisherOf(app: INestApplication, topic: string): AggregatePublisher {
  return app.get<AggregatePublisher>(getAggregatePublisherToken(topic));
}

/** Takeovers of all partitions since the application started. */
export function takeoversOf(app: INestApplication): number {
  return app.get(AggregateServer).partitions.reduce((sum, { consumer }) => sum + consumer.takeoverCount, 0);
}
