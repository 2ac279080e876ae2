import { Controller, Get, Module, type OnModuleInit } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
  AggregateTransportStatus,
} from 'nestjs-aggregate-transport';
import { orders } from '../../../orders/src/orders.topic.js';
import { type JournalLine, note } from './journal.js';

const { JOURNAL = '', REPLICA = '', NATS_URL = '', PORT = '' } = process.env;
const HANDLER_MAX_MS = 5;
const FAILING_SHARE = 0.01;

/** A replica of billing that keeps no rows: it writes down when each handler starts and ends. */
@Controller()
class ReplicaController implements OnModuleInit {
  constructor(private readonly status: AggregateTransportStatus) {}

  onModuleInit(): void {
    if (JOURNAL === '')
      throw new Error('expected a file in JOURNAL, found none; run npm run demo -- --break');
  }

  @AggregateHandler(orders)
  async handle(@Payload() _event: object, @Ctx() ctx: AggregateContext): Promise<void> {
    this.#note('started', ctx);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * HANDLER_MAX_MS));
    const fails = ctx.attempt === 1 && Math.random() < FAILING_SHARE;
    this.#note(fails ? 'failed' : 'handled', ctx);
    if (fails) throw new Error('the first attempt fails');
  }

  /** The partitions that this replica owns now. */
  @Get('partitions')
  async partitions(): Promise<number[]> {
    const { topics } = await this.status.snapshot({ slowest: 0 });
    return topics
      .flatMap(({ groups }) => groups)
      .flatMap(({ partitions }) => partitions)
      .filter(({ owner }) => owner?.isThisProcess === true)
      .map(({ partition }) => partition);
  }

  #note(what: JournalLine['what'], { aggregateId, aggregateVersion = 0 }: AggregateContext): void {
    note(JOURNAL, { replica: REPLICA, what, order: aggregateId, version: aggregateVersion });
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: NATS_URL,
      group: 'billing',
      topics: { orders: { consume: { partitions: 4 } } },
    }),
  ],
  controllers: [ReplicaController],
})
class ReplicaModule {}

const app = await NestFactory.create(ReplicaModule);
app.connectMicroservice({ strategy: app.get(AggregateServer) });
app.enableShutdownHooks();
await app.init();
await app.startAllMicroservices();
await app.listen(Number(PORT), '127.0.0.1');
