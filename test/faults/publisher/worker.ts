import 'reflect-metadata';
import { type INestApplication, type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  type AggregatePublisher,
  type AggregateTransportError,
  AggregateTransportModule,
  defineTopic,
  getAggregatePublisherToken,
  type PublishResult,
  type StandardSchemaV1,
  type TopicRef,
} from 'nestjs-aggregate-transport';
import { Journal, readJournal } from '../harness/journal.js';
import { randomFor } from '../harness/random.js';
import { TOPIC } from '../consumer/scenario.js';
import type { PublisherLine } from './journal-lines.js';
import { type Order, OVERSIZE_BYTES, type ProcessSetup, type Told } from './scenario.js';

// A service that publishes, in a process of its own, so that it can be killed and frozen. Its journal is its outbox:
// a new life publishes again, in order, what the lives before left without a final outcome. It judges nothing.

const setup = JSON.parse(process.env['FAULT_PUBLISHER'] ?? '{}') as ProcessSetup;
const journal = new Journal<PublisherLine>(setup.journal);
const random = randomFor(setup.seed, 11, setup.life);
const TICK_MS = 10;
const HOT_SHARE = 0.15;
const ABORT_SHARE = 0.01;
const LONGEST_ABORT_MS = 4;
const LONGEST_CHECK_MS = 50;
/** While the publisher cannot get rid of its events, the steady load gives it no more. */
const STEADY_PENDING = 200;
const FLUSH_WITHIN_MS = 100_000;
const NOT_STARTED = 3;

for (const kind of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(kind, (error: unknown) => journal.write({ what: 'crash', kind, text: String(error) }));
}

/** A topic whose schema takes every payload, for some of them only after a while. */
function checkedTopic(): TopicRef {
  const validate = (value: unknown): { value: unknown } | Promise<{ value: unknown }> =>
    random() < setup.laterShare
      ? new Promise((resolve) => setTimeout(() => resolve({ value }), random() * LONGEST_CHECK_MS))
      : { value };
  const schema: StandardSchemaV1 = { '~standard': { version: 1, vendor: 'faults', validate } };
  return defineTopic(TOPIC, { Counted: { version: 1, schema } });
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: [...setup.urls],
      connection: { waitOnFirstConnect: true, noRandomize: true, ignoreClusterUpdates: true },
      topics: { [TOPIC]: {} },
      stream: { discard: 'new', replicas: setup.replicas, duplicateWindowMs: setup.duplicateWindowMs },
      publish: {
        maxInFlight: setup.maxInFlight,
        maxBatch: setup.maxBatch,
        maxPending: setup.maxPending,
        maxBlocked: setup.maxBlocked,
        giveUpAfterMs: setup.giveUpAfterMs,
      },
    }),
    AggregateTransportModule.forFeature([setup.laterShare > 0 ? checkedTopic() : TOPIC]),
  ],
})
class PublishingModule {}

/** What the lives before have called and how it ended, as an outbox table would hold it. */
function readOutbox(): { numbers: Map<string, number>; open: { key: string; n: number }[] } {
  const numbers = new Map<string, number>();
  const open = new Map<string, { key: string; n: number }>();
  for (const path of setup.earlier) {
    for (const line of readJournal<PublisherLine>(path)) {
      if (line.what === 'call') {
        numbers.set(line.key, Math.max(line.n, numbers.get(line.key) ?? 0));
        open.set(`${line.key} ${line.n}`, { key: line.key, n: line.n });
      } else if (line.what === 'ok' || line.what === 'fail') {
        open.delete(`${line.key} ${line.n}`);
        // The publisher took a later one, so it has found out what became of an unknown one before it.
        if (line.what === 'ok') passOver(open, line.key, line.n);
      }
    }
  }
  return { numbers, open: [...open.values()].sort((a, b) => a.n - b.n) };
}

function passOver(open: Map<string, { key: string; n: number }>, key: string, before: number): void {
  for (const [name, event] of open) if (event.key === key && event.n < before) open.delete(name);
}

class Load {
  readonly #numbers: Map<string, number>;
  #timer: NodeJS.Timeout | undefined;
  #owed = 0;

  constructor(
    private readonly publisher: AggregatePublisher,
    numbers: Map<string, number>,
  ) {
    this.#numbers = numbers;
  }

  start(): void {
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#owed += ((now - last) / 1_000) * setup.eventsPerSecond;
      last = now;
      for (; this.#owed >= 1; this.#owed--) {
        if (this.publisher.pending < STEADY_PENDING) this.next(this.drawKey());
      }
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  drawKey(): string {
    return random() < HOT_SHARE ? 'key-0' : `key-${Math.floor(random() * setup.keys)}`;
  }

  next(key: string, bytes?: number): void {
    const n = (this.#numbers.get(key) ?? 0) + 1;
    this.#numbers.set(key, n);
    this.call(key, n, { bytes });
  }

  call(
    key: string,
    n: number,
    { bytes, again = false }: { bytes?: number | undefined; again?: boolean } = {},
  ): void {
    journal.write({ what: 'call', key, n, again });
    const payload = { n, ...(bytes === undefined ? {} : { filler: 'x'.repeat(bytes) }) };
    const event = { aggregateId: key, type: 'Counted', eventId: `e-${n}`, payload };
    this.publisher.publish(event, this.#options(again)).then(
      ({ sequence, duplicate }) => journal.write({ what: 'ok', key, n, seq: sequence, duplicate }),
      (error: unknown) => {
        const { code } = error as AggregateTransportError;
        journal.write({ what: code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'fail', key, n, code });
      },
    );
  }

  /** What an outbox publishes again is never called off. */
  #options(again: boolean): { signal?: AbortSignal } {
    if (again || random() >= ABORT_SHARE) return {};
    const controller = new AbortController();
    setTimeout(() => controller.abort(), random() * LONGEST_ABORT_MS);
    return { signal: controller.signal };
  }
}

function writeResult(result: PublishResult): void {
  const { outcome, event } = result;
  const { n } = event.payload as { n: number };
  const how = outcome === 'stored' ? { seq: result.receipt.sequence } : { code: result.error.code };
  journal.write({ what: 'result', key: event.aggregateId, n, outcome, ...how });
}

function log(level: string): (message: unknown) => void {
  return (message) => journal.write({ what: 'log', level, text: String(message) });
}

const logger: LoggerService = { log: log('info'), warn: log('warn'), error: log('error') };
process.on('disconnect', () => process.exit(1));
const app = await start();
const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken(TOPIC));
publisher.results$.subscribe(writeResult);
const outbox = readOutbox();
const load = new Load(publisher, outbox.numbers);

/** While the server does not answer the start fails; the driver then starts the next life. */
async function start(): Promise<INestApplication> {
  try {
    const application = await NestFactory.create(PublishingModule, { logger, abortOnError: false });
    await application.init();
    return application;
  } catch (error) {
    journal.write({ what: 'log', level: 'error', text: `not started: ${String(error)}` });
    process.exit(NOT_STARTED);
  }
}

async function stop(): Promise<void> {
  load.stop();
  const timeout = new Promise<false>((resolve) => setTimeout(() => resolve(false), FLUSH_WITHIN_MS));
  const flushed = await Promise.race([publisher.flush().then(() => true as const), timeout]);
  // Callers hear in the microtasks behind the flush; the counters are read when all have.
  await new Promise((resolve) => setImmediate(resolve));
  const { pending, published, failed } = publisher;
  journal.write({ what: 'end', flushed, pending, published, failed });
  await app.close();
  process.exit(0);
}

process.on('message', (order: Order) => {
  if ('stop' in order) {
    void stop();
  } else if ('burst' in order) {
    for (let count = 0; count < order.burst; count++) load.next(order.key ?? load.drawKey());
  } else {
    for (let index = 0; index < 8; index++)
      load.next(order.oversize, index === 3 ? OVERSIZE_BYTES : undefined);
  }
});
journal.write({ what: 'ready' });
for (const { key, n } of outbox.open) load.call(key, n, { again: true });
load.start();
const told: Told = { ready: true };
process.send?.(told);
