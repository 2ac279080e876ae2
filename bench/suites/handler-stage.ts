import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, type MessageHandler, Payload, Server } from '@nestjs/microservices';
import { AGGREGATE_TRANSPORT, AggregateContext, AggregateHandler } from 'nestjs-aggregate-transport';
import { watchPipeline } from '#library/nest/handling/attempt-trace.js';
import { ErrorWitness } from '#library/nest/handling/error-witness.js';
import { Delivery } from '#library/message/delivery.js';
import type { Bench, Suite } from '../suite.js';

const CALLS = 200_000;
const BARE = 'a bare @EventPattern';

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

const delivery = new Delivery({
  subject: 'traced.0.0.0.0.0.0.0.0.a',
  token: 'a',
  sequence: 1,
  consumerSequence: 1,
  body: new Uint8Array(),
  readHeaders: () => ({}),
  readStoredAt: () => '',
});
const envelope = {
  event_id: '1',
  aggregate_id: 'a',
  event_type: 'A',
  event_version: 1,
  timestamp: '',
  payload: {},
};
const view = {
  ...{ epoch: 1, created: '', replayRun: 0, replayUntil: 0, startedThrough: 0 },
  runOf: () => 0,
  isValid: () => true,
};
const scope = { topic: 'traced', group: 'bench', partition: 0, view, firstStage: 'guard' } as const;

/** Calls one after the other, as a lane does; microseconds per call. */
async function measure(handler: MessageHandler, calls: number): Promise<number> {
  const startedAt = performance.now();
  for (let call = 0; call < calls; call++) {
    await handler(envelope.payload, new AggregateContext(delivery, envelope, scope));
  }
  return ((performance.now() - startedAt) * 1_000) / calls;
}

async function run(bench: Bench): Promise<void> {
  watchPipeline(Handlers.prototype, 'watched', watched, new ErrorWitness());
  const server = new BenchServer();
  const app = await NestFactory.createMicroservice(BenchModule, { strategy: server, logger: false });
  await app.listen();
  const calls = bench.scaled(CALLS, 100);
  const contender = (name: string, pattern: string) => ({
    name,
    run: async () => ({
      us: await measure(server.getHandlerByPattern(pattern) as MessageHandler, calls),
    }),
  });
  await bench.compare({
    id: 'stage',
    title: 'calling a handler through Nest’s pipeline, one call after the other',
    metrics: [{ key: 'us', unit: 'µs per event', better: 'less' }],
    baseline: BARE,
    // The first rounds are the compiler's.
    warmUps: 3,
    contenders: [
      contender(BARE, 'bare'),
      contender('@AggregateHandler', 'traced'),
      contender('… with its stage and error watched', 'watched'),
    ],
  });
  await app.close();
}

export const handlerStage: Suite = {
  name: 'handler-stage',
  about: 'what it costs that a failure is reported with its stage and its own error; no server takes part',
  goals: [],
  isQuick: true,
  run,
};
