// What it costs, per event, that a failure is reported with its stage and its original error: the same method
// behind Nest's pipeline as a bare @EventPattern and as an @AggregateHandler, called as the transport calls it.
// No server, no NATS. Run: npm run build && node dist/bench/handler-stage.js
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, type MessageHandler, Payload, Server } from '@nestjs/microservices';
import { AGGREGATE_TRANSPORT, AggregateContext, AggregateHandler } from 'nestjs-aggregate-transport';
import { watchPipeline } from '#library/nest/attempt-trace.js';
import { ErrorWitness } from '#library/nest/error-witness.js';
import { Delivery } from '#library/message/delivery.js';

const CALLS = 200_000;
const ROUNDS = 15;

@Controller()
class Handlers {
  @EventPattern<unknown>('bare', AGGREGATE_TRANSPORT)
  bare(@Payload() payload: unknown): Promise<unknown> {
    return Promise.resolve(payload);
  }

  @AggregateHandler('traced')
  traced(@Payload() payload: unknown): Promise<unknown> {
    return Promise.resolve(payload);
  }

  @AggregateHandler('watched')
  watched(@Payload() payload: unknown): Promise<unknown> {
    return Promise.resolve(payload);
  }
}

@Module({ controllers: [Handlers] })
class BenchModule {}

class BenchServer extends Server {
  override readonly transportId = AGGREGATE_TRANSPORT;
  listen(callback: () => void): void {
    callback();
  }
  close(): void {
    // Nothing is open.
  }
  on(): void {
    // Nothing happens here.
  }
  unwrap(): never {
    throw new Error('there is nothing behind this server');
  }
}

const { value: watched } = Object.getOwnPropertyDescriptor(Handlers.prototype, 'watched') as {
  value: object;
};
watchPipeline(Handlers.prototype, 'watched', watched, new ErrorWitness());
const server = new BenchServer();
const app = await NestFactory.createMicroservice(BenchModule, { strategy: server, logger: false });
await app.listen();

const delivery = new Delivery({
  subject: 'traced.0.0.0.0.0.0.0.0.a',
  token: 'a',
  ackSubject: '',
  sequence: 1,
  consumerSequence: 1,
  deliveryCount: 1,
  body: new Uint8Array(),
  readHeaders: () => ({}),
});
const envelope = {
  event_id: '1',
  aggregate_id: 'a',
  event_type: 'A',
  event_version: 1,
  timestamp: '',
  payload: {},
};
const ownership = { epoch: 1, isValid: () => true };
const scope = { topic: 'traced', group: 'bench', partition: 0, ownership, firstStage: 'guard' } as const;

/** Calls one after the other, as a lane does; microseconds per call. */
async function measure(handler: MessageHandler): Promise<number> {
  const startedAt = performance.now();
  for (let call = 0; call < CALLS; call++) {
    await handler(envelope.payload, new AggregateContext(delivery, envelope, scope));
  }
  return ((performance.now() - startedAt) * 1_000) / CALLS;
}

const contenders = ['bare', 'traced', 'watched'] as const;
const times = Object.fromEntries(contenders.map((name) => [name, [] as number[]]));
for (let round = 0; round < ROUNDS; round++) {
  for (const name of contenders) {
    const took = await measure(server.getHandlerByPattern(name) as MessageHandler);
    // The first rounds are the compiler's.
    if (round >= 3) times[name]?.push(took);
  }
}
for (const name of contenders) {
  const sorted = (times[name] ?? []).toSorted((a, b) => a - b);
  const [low = 0, middle = 0, high = 0] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
  console.log(
    `${name.padEnd(8)} ${middle.toFixed(2)} µs per event (${low.toFixed(2)} to ${high.toFixed(2)})`,
  );
}
await app.close();
