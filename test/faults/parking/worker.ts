import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Controller, type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
} from 'nestjs-aggregate-transport';
import { Journal } from '../harness/journal.js';
import {
  OUTAGE,
  PARKING_GROUP,
  type ParkingLine,
  type Plan,
  type Run,
  SETUP_VARIABLE,
  type WorkerMessage,
  type WorkerSetup,
} from './setup.js';

// One replica of a service whose events fail, hang or end the process as long as their cause stands. It writes down
// what it does and judges nothing.

const setup = JSON.parse(process.env[SETUP_VARIABLE] ?? '{}') as WorkerSetup;
const journal = new Journal<ParkingLine>(setup.journal);
const LOOK_EVERY_MS = 10;
const EXIT_CODE = 70;

class PlannedFailure extends Error {
  override readonly name = 'PlannedFailure';
}

class SkippedFailure extends Error {
  override readonly name = 'SkippedFailure';
}

function stands(cause: string | undefined): boolean {
  return cause !== undefined && existsSync(join(setup.causes, cause));
}

@Controller()
class JudgedController {
  @AggregateHandler(setup.topic)
  async handle(@Payload() plan: Plan, @Ctx() ctx: AggregateContext): Promise<void> {
    const { aggregateId: key, sequence: seq, fencingToken: epoch, partition, attempt, isReplay } = ctx;
    const run: Run = { key, n: plan.n, seq, epoch, partition, attempt, run: ctx.run, isReplay };
    journal.write({ what: 'start', ...run });
    try {
      if (setup.handlerMs > 0) await delay(setup.handlerMs);
      if (stands(OUTAGE)) throw new PlannedFailure(OUTAGE);
      if (stands(plan.cause)) await this.#suffer(plan);
      journal.write({ what: 'end', ok: true, ...run });
    } catch (error) {
      journal.write({ what: 'end', ok: false, ...run });
      throw error;
    }
  }

  async #suffer({ cause, trouble, lateMs = 0 }: Plan): Promise<void> {
    if (trouble === 'exit') process.exit(EXIT_CODE);
    if (lateMs > 0) await delay(lateMs);
    if (trouble === 'skip') throw new SkippedFailure(cause);
    if (trouble !== 'hang') throw new PlannedFailure(cause);
    while (stands(cause)) await delay(LOOK_EVERY_MS);
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: setup.url,
      connection: { waitOnFirstConnect: true },
      group: PARKING_GROUP,
      topics: { [setup.topic]: { parked: { maxLetters: setup.maxLetters } } },
      consume: {
        partitions: setup.partitions,
        leaseTtlMs: setup.leaseTtlMs,
        maxAckPending: setup.maxAckPending,
        batch: setup.batch,
        maxBufferedBytes: setup.maxBufferedBytes,
        commitEveryMs: setup.commitEveryMs,
        concurrency: setup.concurrency,
        retry: { attempts: setup.attempts, firstDelayMs: 5, maxDelayMs: 200 },
        classify: ({ error }) => (error instanceof SkippedFailure ? 'skip' : undefined),
        breaker: setup.breaker,
      },
      shutdown: { drainMs: 3_000 },
    }),
  ],
  controllers: [JudgedController],
})
class JudgedModule {}

function tell(message: WorkerMessage): void {
  if (process.connected) process.send?.(message);
}

/** Keeps what the library says, and tells the parent when a lease is held. */
function log(level: string): (message: unknown) => void {
  return (message) => {
    const text = String(message);
    journal.write({ what: 'log', level, text });
    const held = /partition (\d+): lease held/.exec(text);
    if (held !== null) tell({ held: Number(held[1]) });
  };
}

const logger: LoggerService = {
  debug: log('debug'),
  log: log('info'),
  warn: log('warn'),
  error: log('error'),
};
const app = await NestFactory.create(JudgedModule, { logger, abortOnError: false });
process.on('disconnect', () => process.exit(1));
process.on('SIGTERM', () => void app.close().then(() => process.exit(0)));
app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
await app.init();
await app.startAllMicroservices();
tell({ ready: true });
