import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  AggregateServer,
  AggregateTransportModule,
} from 'nestjs-aggregate-transport';
import { directCalls } from './direct-calls.js';

// A process with one handler that dies of one event type, until it is fixed. Ends by itself once it has handled enough.
const [, , servers = '', untilHandled = '1', fixed] = process.argv;
let handled = 0;

@Controller()
class Handler {
  @AggregateHandler('poison')
  async handle(@Payload() payload: { n: number }, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (ctx.type === 'Poison' && fixed === undefined) process.exit(70);
    process.stdout.write(`handled ${id} ${payload.n}\n`);
    if (++handled === Number(untilHandled)) setTimeout(() => void end(), 500);
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers,
      group: 'poison',
      topics: { poison: { consume: { directCalls, leaseTtlMs: 1_000, retry: { attempts: 3 } } } },
    }),
  ],
  controllers: [Handler],
})
class WorkerModule {}

const app = await NestFactory.create(WorkerModule, { logger: ['error', 'warn'] });
app.connectMicroservice({ strategy: app.get(AggregateServer) });
await app.init();
await app.startAllMicroservices();

async function end(): Promise<void> {
  await app.close();
  process.exit(0);
}
