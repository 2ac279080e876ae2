import 'reflect-metadata';
import { Controller, type DynamicModule, type INestApplication, Module, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { NestFactory } from '@nestjs/core';
import {
  AggregateHandler,
  AggregateId,
  AggregateServer,
  AggregateTransportModule,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { publisherOf } from '../app.js';

const TOPIC = 'orders';
const GROUP = 'billing';

/** What the handler of the service does with some aggregates. */
export interface Bedside {
  isRepaired: boolean;
  readonly release: () => void;
}

export interface RealService {
  readonly app: INestApplication;
  readonly url: string;
  readonly bedside: Bedside;
  readonly publish: (aggregateId: string, count?: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

const TIMEOUT_MS = 300;

/** A real service: events of `stuck` never settle, those of `broken` fail for good until it is repaired. */
export async function startRealService(
  servers: string,
  modules: readonly (Type | DynamicModule)[] = [],
  configure: (app: INestApplication) => void = () => undefined,
): Promise<RealService> {
  const waiting: (() => void)[] = [];
  const bedside = { isRepaired: false, release: () => waiting.splice(0).forEach((done) => done()) };

  @Controller()
  class Billing {
    @AggregateHandler(TOPIC)
    async handle(@Payload() _order: unknown, @AggregateId() id: string): Promise<void> {
      if (id.startsWith('stuck')) await new Promise<void>((resolve) => waiting.push(resolve));
      if (id.startsWith('broken') && !bedside.isRepaired)
        throw new UnrecoverableError(new Error('PaymentRefused: the card has expired'));
    }
  }

  @Module({
    imports: [
      AggregateTransportModule.forRoot({
        ...{ servers, group: GROUP },
        topics: { [TOPIC]: { consume: { timeoutMs: TIMEOUT_MS, leaseTtlMs: 1_500 } } },
      }),
      AggregateTransportModule.forFeature([TOPIC]),
      ...modules,
    ],
    controllers: [Billing],
  })
  class ServiceModule {}

  const app = await NestFactory.create(ServiceModule, { logger: false, abortOnError: false });
  configure(app);
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
  const publisher = publisherOf(app, TOPIC);
  return {
    app,
    url: await app.getUrl(),
    bedside,
    publish: async (aggregateId, count = 1) => {
      for (let n = 1; n <= count; n++)
        await publisher.publish({
          aggregateId,
          type: 'OrderPaid',
          payload: { id: aggregateId, n, secret: 'IBAN 4711' },
        });
    },
    close: async () => {
      bedside.release();
      await app.close();
    },
  };
}
