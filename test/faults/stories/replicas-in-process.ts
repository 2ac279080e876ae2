import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  AggregateServer,
  type ConsumeOptions,
} from 'nestjs-aggregate-transport';
import type { NatsServer } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

/** What a handler was given. */
export interface Start {
  readonly key: string;
  readonly n: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly run: number;
  readonly position: bigint;
  readonly at: number;
}

export type Handle = (start: Start) => Promise<void> | void;

/** A replica in this process, behind a proxy of its own, and what its handlers were given. */
export interface InProcess {
  readonly app: INestApplication;
  readonly proxy: TcpProxy;
  readonly log: CapturedLog;
  readonly starts: Start[];
  /** Events, as `key-n`, in the order of their starts. */
  names(from?: number): string[];
  close(): Promise<void>;
}

export interface InProcessOptions {
  readonly server: NatsServer;
  readonly topic: string;
  readonly consume?: ConsumeOptions;
  readonly handle?: Handle;
}

const GROUP = 'g';

/** Starts one replica of a group that only this test knows. */
export async function startReplica({
  server,
  topic,
  consume = {},
  handle,
}: InProcessOptions): Promise<InProcess> {
  const proxy = await TcpProxy.listen(server.port);
  const starts: Start[] = [];
  const log = new CapturedLog();
  try {
    const app = await startApp({
      options: {
        servers: proxy.url,
        group: GROUP,
        topics: { [topic]: { consume: { leaseTtlMs: 1_000, ...consume } } },
        shutdown: { drainMs: 500 },
      },
      controllers: [handlerOf(topic, starts, handle)],
      logger: log,
    });
    return {
      ...{ app, proxy, log, starts },
      names: (from = 0) => starts.slice(from).map(({ key, n }) => `${key}-${n}`),
      async close() {
        proxy.heal();
        await app.close();
        await proxy.close();
      },
    };
  } catch (error) {
    await proxy.close();
    throw error;
  }
}

function handlerOf(topic: string, starts: Start[], handle: Handle | undefined): Type {
  @Controller()
  class Handler {
    @AggregateHandler(topic)
    async handle(@Payload() { n }: { n: number }, @AggregateId() key: string, @Ctx() ctx: AggregateContext) {
      const { sequence, fencingToken: epoch, run, position } = ctx;
      const start: Start = { ...{ key, n, sequence, epoch, run, position }, at: performance.now() };
      starts.push(start);
      await handle?.(start);
    }
  }
  return Handler;
}

/** The epoch under which this replica holds its first partition; 0 if it holds none. */
export function epochOf({ app }: InProcess): number {
  const [partition] = app.get(AggregateServer).partitions;
  return partition?.lease.isValid() === true ? partition.lease.epoch : 0;
}

/** Publishes numbered events of one topic. */
export class NumberedPublisher {
  readonly #numbers = new Map<string, number>();

  private constructor(
    private readonly app: INestApplication,
    private readonly topic: string,
  ) {}

  static async open(server: NatsServer, topic: string): Promise<NumberedPublisher> {
    const app = await startApp({
      options: { servers: server.url, topics: { [topic]: {} } },
      publishers: [topic],
    });
    return new NumberedPublisher(app, topic);
  }

  /** Publishes the next `count` events of an aggregate, and resolves when they are stored. */
  async publish(key: string, count = 1): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, () => {
        const n = (this.#numbers.get(key) ?? 0) + 1;
        this.#numbers.set(key, n);
        return publisherOf(this.app, this.topic).publish({ aggregateId: key, type: 'T', payload: { n } });
      }),
    );
  }

  async close(): Promise<void> {
    await this.app.close();
  }
}
