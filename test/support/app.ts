import type {
  DynamicModule,
  INestApplication,
  INestMicroservice,
  LoggerService,
  Provider,
  Type,
} from '@nestjs/common';
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
import { inThisWay } from './direct-calls.js';

export interface TestAppOptions {
  readonly options: AggregateTransportOptions;
  readonly publishers?: readonly TopicRef[];
  readonly controllers?: Type[];
  /** Imported beside the transport's own. */
  readonly modules?: readonly (Type | DynamicModule)[];
  readonly providers?: Provider[];
  /** Where Nest's log goes, and with it ours. */
  readonly logger?: LoggerService;
  /** Global pipes, guards and the like: Nest reads them when the microservice is connected. */
  readonly configure?: (app: INestApplication) => void;
  readonly inheritAppConfig?: boolean;
  /** Show Nest's log. */
  readonly verbose?: boolean;
}

/** A hybrid Nest application as the README builds it, without an HTTP port. Close it with `app.close()`. */
export async function startApp(test: TestAppOptions): Promise<INestApplication> {
  @Module({
    imports: [
      AggregateTransportModule.forRoot(inThisWay(test.options)),
      AggregateTransportModule.forFeature(test.publishers ?? []),
      ...(test.modules ?? []),
    ],
    controllers: test.controllers ?? [],
    providers: test.providers ?? [],
  })
  class TestModule {}

  const app = await NestFactory.create(TestModule, {
    logger: test.logger ?? (test.verbose === true ? ['error', 'warn', 'log'] : false),
    abortOnError: false,
  });
  try {
    test.configure?.(app);
    if (test.controllers !== undefined) {
      const inheritAppConfig = test.inheritAppConfig ?? true;
      app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig });
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

/** Readers that all partitions have made since the application started: one per lease, reconnect and gap. */
export function readersOf(app: INestApplication): number {
  return app.get(AggregateServer).partitions.reduce((sum, { counts }) => sum + counts.readers, 0);
}

/** A pure microservice around the strategy; not listening yet. */
export function createPure(module: Type): Promise<INestMicroservice> {
  return NestFactory.createMicroservice(module, {
    inject: [AggregateServer],
    useFactory: (strategy: AggregateServer) => ({ strategy }),
    logger: false,
    abortOnError: false,
  });
}
