import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { connect, type JetStreamManager } from 'nats';
import {
  AggregateContext,
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateServer,
  AggregateTransportStatus,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

// Needs `npm run build`: the command is built code.

const server = serverForAll();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

/** Notes the sequences that it handles, and waits while it is held. */
class Service {
  readonly log = new CapturedLog();
  readonly handled: number[] = [];
  held: Promise<void> | undefined;
  #app: INestApplication | undefined;

  constructor(
    readonly topic: string,
    private readonly partitions: number,
  ) {}

  async start(): Promise<void> {
    const { topic, partitions, handled } = this;
    const held = (): Promise<void> | undefined => this.held;

    @Controller()
    class Handler {
      @AggregateHandler(topic)
      async handle(@Ctx() { sequence }: AggregateContext): Promise<void> {
        await held();
        handled.push(sequence);
      }
    }
    this.#app = await startApp({
      logger: this.log,
      options: {
        servers: server().url,
        group: 'shop',
        topics: { [topic]: { consume: { partitions, maxAckPending: 1, leaseTtlMs: 1_500 } } },
      },
      publishers: [topic],
      controllers: [Handler],
    });
    open.push(this.#app);
  }

  async publish(count: number): Promise<void> {
    const events = Array.from({ length: count }, (_, n) => ({
      aggregateId: `a${n % 8}`,
      type: 'A',
      payload: n,
    }));
    await publisherOf(this.#app!, this.topic).publishAll(events);
  }

  async reset(...args: string[]): Promise<string> {
    const command = ['group', 'reset', this.topic, 'shop', ...args, '--yes', '--server', server().url];
    const { code, output, errors } = await runCommand({ args: command });
    expect([code, errors]).toEqual([0, '']);
    return output;
  }

  get layout(): number | undefined {
    return this.#app!.get(AggregateServer).groups[0]?.layout;
  }

  /** What is counted and named after a look at the server. */
  async losses(): Promise<{ lost: number; isNamed: boolean }> {
    await this.#app!.get(AggregateTransportStatus).snapshot();
    const { events } = await this.#app!.get(AggregateHealthIndicator).isHealthy('events');
    return {
      lost: this.#app!.get(AggregateServer).partitions.reduce((sum, { counts }) => sum + counts.lost, 0),
      isNamed: events.problems.some(({ code }) => code === 'events-lost'),
    };
  }

  async hasHandled(sequences: number[]): Promise<void> {
    await eventually(sequences.join(' '), () => this.handled.length >= sequences.length);
    expect([...this.handled].sort((a, b) => a - b)).toEqual(sequences);
    this.handled.length = 0;
  }
}

async function operator(): Promise<JetStreamManager> {
  const nats = await connect({ servers: server().url });
  open.unshift(nats);
  return nats.jetstreamManager();
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

test.each([1, 4])(
  '%i partition(s): what left the beginning of the stream before a reset is no loss',
  async (partitions) => {
    const service = new Service(`beginning-${partitions}`, partitions);
    await service.start();
    await service.publish(24);
    await service.hasHandled(range(1, 24));
    expect(await service.losses()).toEqual({ lost: 0, isNamed: false });
    await (await operator()).streams.purge(service.topic, { seq: 9 });

    expect(await service.reset('--to', 'start')).toContain('begins at sequence 9');
    await service.hasHandled(range(9, 24));
    await service.publish(8);
    await service.hasHandled(range(25, 32));
    expect(await service.losses()).toEqual({ lost: 0, isNamed: false });
    expect(service.log.matching(/has dropped/)).toEqual([]);
  },
  60_000,
);

test('one partition: what was deleted from the middle before a reset counts as lost for the new run, exactly', async () => {
  const service = new Service('middle', 1);
  await service.start();
  await service.publish(12);
  await service.hasHandled(range(1, 12));
  const manager = await operator();
  await manager.streams.deleteMessage('middle', 4);
  await manager.streams.deleteMessage('middle', 5);
  expect(await service.losses()).toEqual({ lost: 0, isNamed: false });

  await service.reset('--to', 'start');
  await service.hasHandled(range(1, 12).filter((sequence) => sequence !== 4 && sequence !== 5));
  await service.publish(1);
  await service.hasHandled([13]);
  expect(await service.losses()).toEqual({ lost: 2, isNamed: true });
}, 60_000);

test.each([1, 4])(
  '%i partition(s): a loss is not counted again after a reset, and ends with the layout before',
  async (partitions) => {
    const service = new Service(`before-${partitions}`, partitions);
    await service.start();
    let release: () => void = () => undefined;
    service.held = new Promise((resolve) => (release = resolve));
    await service.publish(24);
    await (await operator()).streams.purge(service.topic, { seq: 17 });
    await eventually('a loss', async () => (await service.losses()).lost > 0);
    expect((await service.losses()).isNamed).toBe(true);
    service.held = undefined;
    release();

    await service.reset('--to', 'start');
    await eventually('the new layout', () => service.layout === 1);
    await eventually('the rest', () => range(17, 24).every((sequence) => service.handled.includes(sequence)));
    expect(await service.losses()).toEqual({ lost: 0, isNamed: false });
    expect(service.log.matching(/has dropped events/).length).toBeGreaterThan(0);
  },
  60_000,
);
