import { Controller, type INestApplication, type LoggerService, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  AggregateServer,
  type ConsumeOptions,
} from 'nestjs-aggregate-transport';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../../support/app.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

// For runs with more events than journals could hold: everything but the server lives in this process, and what is
// seen is judged at once.

export const TOPIC = 'long';
/** Drops nothing in ten minutes at 5 000 events a second. */
const STREAM = { maxMessages: 20_000_000, maxBytes: 32 * 2 ** 30 };

export interface Payloads {
  readonly n: number;
}

/** What a run does with an event. `at` is the event's place in the stream. */
export type Handle = (
  replica: Replica,
  event: { readonly key: string; readonly n: number; readonly at: number },
) => Promise<void> | void;

/** One process of the group, as far as it can be told apart within this one: its connections, lanes and leases. */
export class Replica {
  /** When it last took the lease. */
  leaseAt = 0;

  constructor(readonly proxy: TcpProxy) {}

  app: INestApplication | undefined;

  get isOwner(): boolean {
    return this.app?.get(AggregateServer).partitions[0]?.lease.isValid() === true;
  }

  heard(text: string): void {
    if (text.includes(': lease held, epoch ')) this.leaseAt = performance.now();
  }

  async close(): Promise<void> {
    this.proxy.heal();
    await this.app?.close();
    await this.proxy.close();
  }
}

export class LongScene {
  readonly replicas: Replica[] = [];

  private constructor(
    readonly server: NatsServer,
    readonly nats: NatsConnection,
    private readonly publishing: INestApplication,
  ) {}

  static async open(serverVersion: string): Promise<LongScene> {
    const server = await startNatsServer({ version: serverVersion, config: '' });
    const publishing = await startApp({
      options: { servers: server.url, topics: { [TOPIC]: { stream: STREAM } } },
      publishers: [TOPIC],
    });
    return new LongScene(server, await connect({ servers: server.url }), publishing);
  }

  get pending(): number {
    return publisherOf(this.publishing, TOPIC).pending;
  }

  publish(key: string, n: number): Promise<{ readonly sequence: number }> {
    return publisherOf(this.publishing, TOPIC).publish({ aggregateId: key, type: 'T', payload: { n } });
  }

  async startReplica(group: string, handle: Handle, consume: ConsumeOptions = {}): Promise<Replica> {
    const replica = new Replica(await TcpProxy.listen(this.server.port));
    const hear = (message: unknown): void => replica.heard(String(message));
    const logger: LoggerService = { debug: hear, log: hear, warn: hear, error: hear };
    replica.app = await startApp({
      options: {
        servers: replica.proxy.url,
        group,
        topics: { [TOPIC]: { consume, stream: STREAM } },
        shutdown: { drainMs: 200 },
      },
      controllers: [handlerOf(replica, handle)],
      logger,
    });
    this.replicas.push(replica);
    return replica;
  }

  async stopReplica(replica: Replica): Promise<void> {
    this.replicas.splice(this.replicas.indexOf(replica), 1);
    await replica.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.close()));
    await this.publishing.close();
    await this.nats.close();
    await this.server.stop();
  }
}

function handlerOf(replica: Replica, handle: Handle): Type {
  @Controller()
  class Handler {
    @AggregateHandler(TOPIC)
    handle(@Payload() { n }: Payloads, @AggregateId() key: string, @Ctx() ctx: AggregateContext) {
      return handle(replica, { key, n, at: ctx.sequence });
    }
  }
  return Handler;
}
