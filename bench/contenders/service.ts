import { Controller, type INestApplication, type LogLevel, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  type AggregateContext,
  AggregateHandler,
  type AggregatePublisher,
  AggregateServer,
  AggregateTransportModule,
  type AggregateTransportOptions,
  getAggregatePublisherToken,
  type TopicRef,
} from 'nestjs-aggregate-transport';

export type Handle = (payload: unknown, context: AggregateContext) => unknown;

/** A controller as a service has it, whose handler does what the bench wants. */
export function controllerFor(topic: TopicRef, handle: Handle, decorate: MethodDecorator[] = []): Type {
  class BenchController {
    on(payload: unknown, context: AggregateContext): unknown {
      return handle(payload, context);
    }
  }
  const { prototype } = BenchController;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'on')!;
  Reflect.defineMetadata('design:paramtypes', [Object, Object], prototype, 'on');
  Payload()(prototype, 'on', 0);
  Ctx()(prototype, 'on', 1);
  AggregateHandler(topic as string)(prototype, 'on', descriptor);
  for (const decorator of decorate) decorator(prototype, 'on', descriptor);
  Object.defineProperty(prototype, 'on', descriptor);
  Controller()(BenchController);
  return BenchController;
}

/** The library as a service uses it: a Nest application with publishers, and with handlers if there are controllers. */
export class Service {
  private constructor(private readonly app: INestApplication) {}

  static async start(
    options: AggregateTransportOptions,
    controllers: Type[] = [],
    configure: (app: INestApplication) => void = () => undefined,
    logger: LogLevel[] = ['error', 'warn'],
  ): Promise<Service> {
    @Module({
      imports: [
        AggregateTransportModule.forRoot(options),
        AggregateTransportModule.forFeature(Object.keys(options.topics)),
      ],
      controllers,
    })
    class BenchModule {}
    const app = await NestFactory.create(BenchModule, { logger, abortOnError: false });
    configure(app);
    if (controllers.length > 0)
      app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
    await app.init();
    if (controllers.length > 0) await app.startAllMicroservices();
    return new Service(app);
  }

  publisher(topic: string): AggregatePublisher {
    return this.app.get<AggregatePublisher>(getAggregatePublisherToken(topic));
  }

  get<T>(token: Type<T>): T {
    return this.app.get(token);
  }

  /** Partitions of this process, whether it owns them or not. */
  get partitions(): AggregateServer['partitions'] {
    return this.app.get(AggregateServer).partitions;
  }

  /** Resolves when every partition is owned and reads. */
  async consuming(): Promise<void> {
    while (!this.partitions.every(({ consumer }) => consumer.mode === 'running'))
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Readers beyond the first of each partition: a delivery was lost on the way, and the figure means little. */
  get extraReaders(): number {
    return this.partitions.reduce((sum, { counts }) => sum + Math.max(0, counts.readers - 1), 0);
  }

  close(): Promise<void> {
    return this.app.close();
  }
}
