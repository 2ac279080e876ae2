import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
import { AggregatePostgresModule, getOutboxToken, type Outbox } from 'nestjs-aggregate-transport-postgres';
import type pg from 'pg';
import { between, randomFor } from '../../harness/random.js';
import { applicationPool } from './application-pool.js';
import { reached, Served, turn } from './serve.js';
import { type Ordered, SHOP_SCHEMA, type ShopSetup, TOPIC } from './setup.js';

// Many sessions write order rows and add their events, in transactions of every kind. An order row's number is drawn
// under the lock of its aggregate's counter. So numbers are the order of the transactions, with any outbox.

const served = new Served<ShopSetup>();
const { setup, journal } = served;
const pool = applicationPool(setup);

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: setup.nats,
      connection: { waitOnFirstConnect: true },
      topics: { [TOPIC]: { stream: { provision: 'verify' } } },
    }),
    AggregatePostgresModule.forRoot({
      ...{ pool, schema: SHOP_SCHEMA, startWithinMs: 30_000 },
      outbox: { topics: [TOPIC], relay: false },
    }),
  ],
})
class ShopModule {}

interface Plan {
  /** The events of each call of `add`: their aggregates. */
  readonly calls: readonly (readonly string[])[];
  readonly isolation: 'read committed' | 'repeatable read' | 'serializable';
  /** The order rows come first, as they do in most services. */
  readonly rowsFirst: boolean;
  readonly rollsBack: boolean;
}

function draw(random: () => number): Plan {
  const aggregate = (): string => `order-${between(random, 0, setup.aggregates - 1)}`;
  const list = (count: number): string[] => Array.from({ length: count }, aggregate);
  const kind = random();
  let calls: string[][] = [list(1)];
  if (kind > 0.5) calls = [list(between(random, 2, 6))];
  // Several events of one aggregate, and then several aggregates one by one: those can lock each other out.
  if (kind > 0.7) calls = [Array<string>(3).fill(aggregate()), list(1)];
  if (kind > 0.85) calls = [list(1), list(1)];
  const strict = random();
  return {
    calls,
    isolation: strict < 0.8 ? 'read committed' : strict < 0.9 ? 'repeatable read' : 'serializable',
    rowsFirst: random() < 0.15,
    rollsBack: random() < 0.15,
  };
}

class Session {
  readonly #random: () => number;

  constructor(
    private readonly outbox: Outbox,
    index: number,
  ) {
    this.#random = randomFor(setup.seed, process.pid, index);
  }

  async run(): Promise<void> {
    while (!served.isQuiet) {
      await this.#transact(draw(this.#random)).catch((error: unknown) => this.#undone(error));
      await delay(between(this.#random, 1, setup.pauseMs));
    }
  }

  #undone(error: unknown): void {
    const { code, message } = error as { code?: string; message?: string };
    journal.write({ what: 'undone', why: code ?? message ?? String(error) });
  }

  async #transact({ calls, isolation, rowsFirst, rollsBack }: Plan): Promise<void> {
    const client = await pool.connect();
    let broken: Error | undefined;
    client.on('error', ignore);
    try {
      await client.query(`begin isolation level ${isolation}`);
      const tx = randomUUID();
      const all = calls.flat().map((aggregateId, place) => ({
        ...{ aggregateId, type: 'Placed', eventId: `${aggregateId}:${tx}:${place}` },
        payload: { tx, place } satisfies Ordered,
      }));
      if (rowsFirst) await this.#write(client, tx, all);
      let from = 0;
      for (const call of calls) {
        await this.outbox.add(client, all.slice(from, from + call.length));
        from += call.length;
      }
      if (!rowsFirst) await this.#write(client, tx, all);
      if (rollsBack) throw new Error('rolled back as planned');
      const done = client.query('commit');
      done.catch(ignore);
      await turn();
      reached('shop: commit sent');
      await done;
      reached('shop: committed');
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

  /** One row for each aggregate, with its events in their order. */
  async #write(
    client: pg.ClientBase,
    tx: string,
    all: readonly { readonly aggregateId: string; readonly eventId: string }[],
  ): Promise<void> {
    for (const aggregate of [...new Set(all.map(({ aggregateId }) => aggregateId))].sort()) {
      const events = all.filter(({ aggregateId }) => aggregateId === aggregate).map(({ eventId }) => eventId);
      await client.query(
        `with drawn as (update counters set n = n + 1 where aggregate = $1 returning n)
         insert into orders (aggregate, n, tx, events) select $1, n, $2, $3 from drawn`,
        [aggregate, tx, events],
      );
    }
  }
}

const ignore = (): void => undefined;

const app = await NestFactory.createApplicationContext(ShopModule, {
  logger: served.logger,
  abortOnError: false,
});
const outbox = app.get<Outbox>(getOutboxToken(TOPIC));
process.on('SIGTERM', () => process.exit(0));
served.ready();
await Promise.all(Array.from({ length: setup.sessions }, (_, index) => new Session(outbox, index).run()));
