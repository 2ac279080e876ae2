import type { INestApplication, Type } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AggregateServer,
  AggregateTransportModule,
  type AggregateTransportOptions,
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
