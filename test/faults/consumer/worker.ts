import 'reflect-metadata';
import { closeSync, openSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Controller, type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  AggregateServer,
  AggregateTransportModule,
} from 'nestjs-aggregate-transport';
import { EffectClient } from './effect-client.js';
import { type Handling, Journal, type WorkerLine } from '../harness/journal.js';
import { type EventPlan, GROUP, TOPIC, type WorkerMessage, type WorkerSetup } from './scenario.js';
import { randomFor } from '../harness/random.js';

// One replica of the judged service: a hybrid Nest application with one controller. It has a process of its own, so
// that it can be killed, frozen and blocked. It writes down what it does and judges nothing.

const setup = JSON.parse(process.env['FAULT_WORKER'] ?? '{}') as WorkerSetup;
const name = basename(setup.journal, '.jsonl');
const journal = new Journal<WorkerLine>(setup.journal);
const effects = new EffectClient(setup.effectSocket, name);
const SHARE_WITHOUT_WAIT = 0.2;

class PlannedFailure extends Error {
  override readonly name = 'PlannedFailure';
}

class WriterOutOfDate extends Error {
  override readonly name = 'WriterOutOfDate';
}

/** True for one process only: a fault that came back with every repeat would never end. */
function isFirst(fault: string, key: string, n: number): boolean {
  try {
    closeSync(openSync(join(setup.onceFolder, `${fault}-${key}-${n}`), 'wx'));
    return true;
  } catch {
    return false;
  }
}

function blockEventLoop(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

@Controller()
class JudgedController {
  @AggregateHandler(TOPIC)
  async handle(
    @Payload() plan: EventPlan,
    @AggregateId() key: string,
    @Ctx() ctx: AggregateContext,
  ): Promise<void> {
    const handling = (): Handling => ({
      key,
      n: plan.n,
      seq: ctx.sequence,
      partition: ctx.partition,
      epoch: ctx.fencingToken,
      attempt: ctx.attempt,
    });
    const started = handling();
    journal.write({ what: 'start', ...started });
    noteOwner(started.partition, started.epoch);
    try {
      await this.#work(plan, key);
      if (ctx.attempt <= plan.failures) throw new PlannedFailure();
      // The token is read again, as a user's handler does it: it must be the one the handler started with.
      if (!(await effects.apply(handling()))) throw new WriterOutOfDate();
      journal.write({ what: 'end', ok: true, ...started });
    } catch (error) {
      journal.write({ what: 'end', ok: false, why: (error as Error).name, ...started });
      throw error;
    }
  }

  async #work(plan: EventPlan, key: string): Promise<void> {
    const { n, blockMs, hangMs, slowMs, kills } = plan;
    if (kills === true) process.kill(process.pid, 'SIGKILL');
    if (blockMs !== undefined && isFirst('block', key, n)) {
      journal.write({ what: 'block', on: true, key, n });
      blockEventLoop(blockMs);
      journal.write({ what: 'block', on: false, key, n });
    }
    if (hangMs !== undefined && isFirst('hang', key, n)) {
      journal.write({ what: 'hang', on: true, key, n });
      await delay(hangMs);
      journal.write({ what: 'hang', on: false, key, n });
    }
    if (slowMs !== undefined) await delay(slowMs);
    const { maxHandlerMs, steadyHandlers } = setup;
    if (steadyHandlers) await delay(maxHandlerMs);
    else {
      // Drawn by the event: the same one waits as long in each run.
      const random = randomFor(n, ...Buffer.from(key));
      if (random() >= SHARE_WITHOUT_WAIT) await delay(random() * maxHandlerMs);
    }
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: setup.url,
      // A replica that is started while the server is away waits for it.
      // It knows one server of a cluster, through its proxy: a way around would spare it the faults.
      connection: {
        waitOnFirstConnect: true,
        ignoreClusterUpdates: true,
      },
      group: GROUP,
      topics: { [TOPIC]: { stream: { replicas: setup.replicas } } },
      consume: {
        partitions: setup.partitions,
        startAt: setup.startAt,
        leaseTtlMs: setup.leaseTtlMs,
        maxAckPending: setup.maxAckPending,
        batch: setup.batch,
        commitEveryMs: setup.commitEveryMs,
        concurrency: setup.concurrency,
        retry: { attempts: setup.attempts, firstDelayMs: 5, maxDelayMs: 200 },
      },
      shutdown: { drainMs: setup.drainMs },
    }),
  ],
  controllers: [JudgedController],
})
class JudgedModule {}

function tell(message: WorkerMessage): void {
  if (process.connected) process.send?.(message);
}

const told = new Map<number, number>();

/** Tells the parent which partitions this process owns: the nemesis aims at owners. */
function noteOwner(partition: number, epoch: number): void {
  if ((told.get(partition) ?? 0) >= epoch) return;
  told.set(partition, epoch);
  tell({ held: { partition, epoch } });
}

/** Keeps what the library says as evidence. */
function log(level: string): (message: unknown) => void {
  return (message) => {
    const text = String(message);
    journal.write({ what: 'log', level, text });
    const held = /partition (\d+): lease held, epoch (\d+)/.exec(text);
    if (held !== null) noteOwner(Number(held[1]), Number(held[2]));
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
process.on('SIGTERM', () => {
  journal.write({ what: 'stopping' });
  void app.close().then(() => {
    journal.write({ what: 'stopped' });
    process.exit(0);
  });
});
app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
await app.init();
await app.startAllMicroservices();
journal.write({ what: 'ready' });
tell({ ready: true });
