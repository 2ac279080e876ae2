import 'reflect-metadata';
import { Controller, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
} from 'nestjs-aggregate-transport';
import { AggregatePostgresModule, FencedError, Inbox } from 'nestjs-aggregate-transport-postgres';
import type pg from 'pg';
import { applicationPool } from './application-pool.js';
import { reached, Served, turn } from './serve.js';
import { BILLING_SCHEMA, GROUP, type HandlerSetup, type Ordered, TOPIC } from './setup.js';

// Applies each event once, by turns in a transaction of the inbox and in one of its own. The number of an effect is
// drawn under the lock of its aggregate's counter. So numbers are the order of the commits, with any inbox.

const served = new Served<HandlerSetup>();
const { setup, journal } = served;
const pool = applicationPool(setup);

type Client = Pick<pg.ClientBase, 'query'>;

async function write(client: Client, ctx: AggregateContext, outcome: 'done' | 'repeat'): Promise<void> {
  const { aggregateId, eventId, position, fencingToken } = ctx;
  await client.query(
    `with drawn as (
       insert into counters as c (aggregate, n) values ($1, 1)
       on conflict (aggregate) do update set n = c.n + 1 returning n
     ) insert into effects (aggregate, n, event_id, position, token, outcome)
       select $1, n, $2, $3, $4, $5 from drawn`,
    [aggregateId, eventId, String(position), fencingToken, outcome],
  );
}

@Controller()
class BillingController {
  constructor(@Inject(Inbox) private readonly inbox: Inbox) {}

  @AggregateHandler(TOPIC)
  async apply(@Payload() { place }: Ordered, @Ctx() ctx: AggregateContext): Promise<void> {
    reached('handler: delivered');
    const isOwn = setup.alwaysOwn || place % 2 === 0;
    try {
      const outcome = isOwn ? await this.#inOwn(ctx) : await this.#inInboxes(ctx);
      reached('handler: committed');
      if (outcome === 'repeat') {
        journal.write({ what: 'repeat', aggregate: ctx.aggregateId, event: ctx.eventId });
        reached('handler: repeated');
      }
    } catch (error) {
      if (error instanceof FencedError)
        journal.write({ what: 'fenced', aggregate: ctx.aggregateId, event: ctx.eventId });
      throw error;
    }
  }

  #inInboxes(ctx: AggregateContext): Promise<string> {
    return this.inbox.once(ctx, async (client) => {
      await write(client as unknown as Client, ctx, 'done');
      reached('handler: effect');
    });
  }

  async #inOwn(ctx: AggregateContext): Promise<string> {
    const client = await pool.connect();
    const ignore = (): void => undefined;
    client.on('error', ignore);
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const outcome = await this.inbox.once(ctx, client, () => write(client, ctx, 'done'));
      if (outcome === 'repeat') await write(client, ctx, 'repeat');
      reached('handler: effect');
      const done = client.query('commit');
      done.catch(ignore);
      await turn();
      reached('handler: commit sent');
      await done;
      return outcome;
    } catch (error) {
      await client.query('rollback').catch((failure: unknown) => {
        broken = failure as Error;
      });
      throw error;
    } finally {
      client.removeListener('error', ignore);
      client.release(broken);
    }
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: setup.nats,
      connection: { waitOnFirstConnect: true },
      group: GROUP,
      topics: { [TOPIC]: { stream: { provision: 'verify' } } },
      consume: {
        partitions: setup.partitions,
        leaseTtlMs: setup.leaseTtlMs,
        commitEveryMs: setup.commitEveryMs,
        concurrency: 16,
        // No fault of this part is the event's.
        retry: { attempts: 1_000_000, firstDelayMs: 20, maxDelayMs: 300 },
      },
      shutdown: { drainMs: 2_000 },
    }),
    AggregatePostgresModule.forRoot({ pool, schema: BILLING_SCHEMA, inbox: true, startWithinMs: 30_000 }),
  ],
  controllers: [BillingController],
})
class BillingModule {}

const app = await NestFactory.create(BillingModule, { logger: served.logger, abortOnError: false });
app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
process.on('SIGTERM', () => void app.close().then(() => process.exit(0)));
await app.init();
await app.startAllMicroservices();
served.ready();
