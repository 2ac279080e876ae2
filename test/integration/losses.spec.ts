import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type JetStreamManager } from 'nats';
import {
  AggregateContext,
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateServer,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { fairClockForAll } from '../support/fair-clock.js';
import { serverForAll } from '../support/server.js';

/** Promised: a loss is noticed within this time, without a question of the application. */
const NOTICED_WITHIN_MS = 13_000;

const clock = fairClockForAll();
const server = serverForAll();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

/** A service whose handlers wait until the test lets them pass. */
class Service {
  readonly log = new CapturedLog();
  readonly handled: string[] = [];
  #app: INestApplication | undefined;
  #release: () => void = () => undefined;
  #released = new Promise<void>((resolve) => (this.#release = resolve));

  constructor(
    readonly topic: string,
    private readonly partitions: number,
  ) {}

  async start(): Promise<void> {
    const { topic, partitions, handled } = this;
    const released = (): Promise<void> => this.#released;

    @Controller()
    class Handler {
      @AggregateHandler(topic)
      async handle(@Payload() n: number, @Ctx() { aggregateId, signal }: AggregateContext): Promise<void> {
        const aborted = new Promise<never>((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('closing')), { once: true }),
        );
        await Promise.race([released(), aborted]);
        handled.push(`${aggregateId}${n}`);
      }
    }
    this.#app = await startApp({
      logger: this.log,
      options: {
        servers: server().url,
        group: 'shop',
        topics: { [topic]: { consume: { partitions, maxAckPending: 1, leaseTtlMs: 1_500 } } },
        shutdown: { drainMs: 500 },
      },
      publishers: [topic],
      controllers: [Handler],
    });
    open.push(this.#app);
  }

  /** Resolves with the sequences of the events. */
  async publish(...events: string[]): Promise<number[]> {
    const receipts = await publisherOf(this.#app!, this.topic).publishAll(
      events.map((event) => ({ aggregateId: event[0]!, type: 'Counted', payload: Number(event.slice(1)) })),
    );
    return receipts.map(({ sequence }) => sequence);
  }

  release(): void {
    this.#release();
  }

  block(): void {
    this.#released = new Promise((resolve) => (this.#release = resolve));
  }

  async stop(): Promise<void> {
    await open.pop()!.close();
  }

  get lost(): number {
    return this.#app!.get(AggregateServer).partitions.reduce((sum, { counts }) => sum + counts.lost, 0);
  }

  async hasHandled(...events: string[]): Promise<void> {
    await eventually(`${events.join(' ')} to be handled`, () => this.handled.length >= events.length);
    expect([...this.handled].sort()).toEqual([...events].sort());
    for (const id of new Set(this.handled.map(([id]) => id)))
      expect(this.handled.filter(([own]) => own === id)).toEqual(events.filter(([own]) => own === id));
  }

  async healthCodes(): Promise<string[]> {
    const { events } = await this.#app!.get(AggregateHealthIndicator).isHealthy('events');
    return events.problems.map(({ code }) => code);
  }

  /** All but the first of each partition wait in the stream. */
  async isBlocked(): Promise<void> {
    await eventually('the intake to be full', () =>
      this.#app!.get(AggregateServer).partitions.some(({ consumer }) => consumer.load.events > 0),
    );
  }
}

async function operator(): Promise<JetStreamManager> {
  const nats = await connect({ servers: server().url });
  open.unshift(nats);
  return nats.jetstreamManager();
}

/** The stream's subject of an aggregate's events. */
async function subjectOf(manager: JetStreamManager, topic: string, sequence: number): Promise<string> {
  return (await manager.streams.getMessage(topic, { seq: sequence })).subject;
}

test('one partition: a deleted message, a purge by subject and the last message are counted exactly, each once', async () => {
  const service = new Service('exact', 1);
  await service.start();
  const manager = await operator();
  const sequences = await service.publish('a1', 'a2', 'b1', 'a3', 'b2', 'c1', 'c2');
  await service.isBlocked();
  await manager.streams.deleteMessage('exact', sequences[1]!);
  await manager.streams.purge('exact', { filter: await subjectOf(manager, 'exact', sequences[2]!) });
  await manager.streams.deleteMessage('exact', sequences[6]!);
  service.release();
  await service.hasHandled('a1', 'a3', 'c1');
  await eventually('4 lost events', () => service.lost === 4, NOTICED_WITHIN_MS, clock().now);
  expect(await service.healthCodes()).toContain('events-lost');
  expect(service.log.matching(/error .*the stream has dropped events/).length).toBeGreaterThan(0);
  await service.publish('d1');
  await service.hasHandled('a1', 'a3', 'c1', 'd1');
  expect(service.lost).toBe(4);
}, 40_000);

test.each([1, 4])(
  '%i partition(s): a purge by subject ahead of a reader is noticed while it is blocked',
  async (partitions) => {
    const topic = `ahead-${partitions}`;
    const service = new Service(topic, partitions);
    await service.start();
    const manager = await operator();
    const sequences = await service.publish(...'abcdefgh'.split('').flatMap((id) => [`${id}1`, `${id}2`]));
    await service.isBlocked();
    // The last aggregate waits behind others, or is alone in its partition; its second event waits in any case.
    await manager.streams.deleteMessage(topic, sequences[15]!);
    await eventually('a loss', () => service.lost > 0, NOTICED_WITHIN_MS, clock().now);
    expect(service.lost).toBeLessThanOrEqual(partitions);
    expect(await service.healthCodes()).toContain('events-lost');
    service.release();
    await service.hasHandled(...'abcdefg'.split('').flatMap((id) => [`${id}1`, `${id}2`]), 'h1');
    expect(service.lost).toBeLessThanOrEqual(partitions);
  },
  40_000,
);

test.each([1, 4])(
  '%i partition(s): events deleted while no replica runs are noticed at the next start',
  async (partitions) => {
    const topic = `stopped-${partitions}`;
    const service = new Service(topic, partitions);
    await service.start();
    const manager = await operator();
    service.release();
    await service.publish('a1', 'b1');
    await service.hasHandled('a1', 'b1');
    service.block();
    const sequences = await service.publish('a2', 'a3', 'b2', 'a4');
    await service.isBlocked();
    await service.stop();
    await manager.streams.deleteMessage(topic, sequences[1]!);
    service.release();
    await service.start();
    await service.hasHandled('a1', 'b1', 'a2', 'b2', 'a4');
    await eventually('a loss', () => service.lost > 0, NOTICED_WITHIN_MS, clock().now);
    expect(service.lost).toBeLessThanOrEqual(partitions);
    expect(await service.healthCodes()).toContain('events-lost');
  },
  40_000,
);

test('with several partitions nothing is reported of events that were handled before they were deleted', async () => {
  const service = new Service('handled', 4);
  await service.start();
  const manager = await operator();
  service.release();
  const sequences = await service.publish('a1', 'b1', 'c1', 'd1');
  await service.hasHandled('a1', 'b1', 'c1', 'd1');
  await service.log.says(/lease held/);
  await manager.streams.deleteMessage('handled', sequences[1]!);
  await service.stop();
  await service.start();
  await service.publish('e1');
  await service.hasHandled('a1', 'b1', 'c1', 'd1', 'e1');
  expect(service.lost).toBe(0);
}, 40_000);
