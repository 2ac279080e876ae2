import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateGroups,
  AggregateHandler,
  type AggregatePublisher,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import type { NatsServer } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';

/** What a projection holds of one aggregate, in the run that wrote it last. */
interface Row {
  run: number;
  position: bigint;
  count: number;
  last: number;
  hash: number;
}

/** A service that builds a projection, guarded by the position of each event. */
class Projection {
  readonly rows = new Map<string, Row>();
  handled = 0;
  /** When the last handler of the first run began, and the first one of the next. */
  lastOfFirst = 0;
  firstOfNext = 0;
  isIll = false;
  #app: INestApplication | undefined;

  constructor(
    private readonly url: string,
    private readonly group: string,
  ) {}

  get app(): INestApplication {
    return this.#app!;
  }

  async close(): Promise<void> {
    await this.#app?.close();
  }

  async start(): Promise<void> {
    const apply = (ctx: AggregateContext, n: number): void => this.#apply(ctx, n);

    @Controller()
    class Handler {
      @AggregateHandler(TOPIC)
      handle(@Payload() { n }: { n: number }, @Ctx() ctx: AggregateContext): void {
        apply(ctx, n);
      }
    }
    this.#app = await startApp({
      options: {
        servers: this.url,
        group: this.group,
        topics: { [TOPIC]: { stream: { maxMessages: 4_000_000, maxBytes: 2 ** 31 } } },
        consume: { partitions: 4, retry: { attempts: 1 }, breaker: { parked: 1_000 } },
      },
      publishers: [TOPIC],
      controllers: [Handler],
    });
  }

  async hasSettled(withinMs: number): Promise<void> {
    const groups = this.app.get(AggregateGroups);
    await eventually(
      `${this.group} to have caught up`,
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 500));
        return (await groups.show(TOPIC, this.group)).lag === 0;
      },
      withinMs,
    );
  }

  #apply({ aggregateId, run, position }: AggregateContext, n: number): void {
    const now = performance.now();
    if (run === 0) this.lastOfFirst = now;
    else if (this.firstOfNext === 0) this.firstOfNext = now;
    if (this.isIll && aggregateId.startsWith('ill')) throw new Error(`${aggregateId} is ill`);
    this.handled++;
    const row = this.rows.get(aggregateId);
    if (row === undefined || row.run < run)
      this.rows.set(aggregateId, { run, position, count: 1, last: n, hash: mix(0, n) });
    else if (position > row.position) {
      Object.assign(row, { position, last: n, hash: mix(row.hash, n) });
      row.count++;
    }
  }
}

function mix(hash: number, n: number): number {
  return (Math.imul(hash, 31) + n) | 0;
}

export interface LargeResult {
  readonly events: number;
  readonly aggregates: number;
  readonly parked: number;
  /** From the last handler of the first run to the first of the next. */
  readonly standstillMs: number;
  /** From the call of the reset to its end, and until the group has caught up again. */
  readonly resetMs: number;
  readonly rebuiltMs: number;
  /** Events published while the group began again. */
  readonly load: number;
  readonly different: readonly string[];
}

const TOPIC = 'large';
const ILL = 100;
const LETTERS = 3;
const LIST = 1_000;
const PER_AGGREGATE = 100;
const LOAD = 20;
const LOAD_EVERY_MS = 40;
const WITHIN_MS = 480_000;

/**
 * A group with many events and 100 parked aggregates is reset to the start under load. Its projection has to equal, row
 * by row, the one that a new group builds.
 */
export async function resetLarge(server: NatsServer, events: number): Promise<LargeResult> {
  const reset = new Projection(server.url, 'reset');
  const fresh = new Projection(server.url, 'fresh');
  await reset.start();
  reset.isIll = true;
  const publisher = publisherOf(reset.app, TOPIC);
  const numbers = new Map<string, number>();
  const publish = (ids: readonly string[]): Promise<unknown> => publishAll(publisher, ids, numbers);
  const aggregates = Math.max(1, Math.floor(events / PER_AGGREGATE));
  try {
    for (let n = 0; n < LETTERS; n++)
      await publish(Array.from({ length: ILL }, (_, index) => `ill-${index}`));
    for (let at = 0; at < events; at += LIST)
      await publish(
        Array.from({ length: Math.min(LIST, events - at) }, (_, index) => `a-${(at + index) % aggregates}`),
      );
    await reset.hasSettled(WITHIN_MS);
    const parked = await reset.app.get(ParkedAggregates).list({ topic: TOPIC }, { limit: 1_000 });
    reset.isIll = false;
    const state = { isOn: true };
    let load = 0;
    const loading = (async () => {
      for (; state.isOn; load += LOAD) {
        await publish(
          Array.from({ length: LOAD }, (_, index) =>
            index === 0 ? 'ill-0' : `a-${(load + index) % aggregates}`,
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, LOAD_EVERY_MS));
      }
    })();
    const begunAt = performance.now();
    const done = await reset.app.get(AggregateGroups).reset(TOPIC, 'reset', { to: 'start' });
    const resetMs = performance.now() - begunAt;
    if (done.state !== 'done')
      throw new Error(`expected the reset to be done, found ${JSON.stringify(done)}`);
    await eventually('most to be handled again', () => reset.handled > 1.9 * events, WITHIN_MS);
    state.isOn = false;
    await loading;
    await reset.hasSettled(WITHIN_MS);
    const rebuiltMs = performance.now() - begunAt;
    await fresh.start();
    await fresh.hasSettled(WITHIN_MS);
    return {
      ...{ events: events + ILL * LETTERS + load, aggregates: aggregates + ILL, parked: parked.length, load },
      standstillMs: Math.round(reset.firstOfNext - reset.lastOfFirst),
      ...{ resetMs: Math.round(resetMs), rebuiltMs: Math.round(rebuiltMs) },
      different: differences(reset.rows, fresh.rows, numbers),
    };
  } finally {
    await Promise.all([reset, fresh].map((one) => one.close()));
  }
}

async function publishAll(
  publisher: AggregatePublisher,
  ids: readonly string[],
  numbers: Map<string, number>,
): Promise<unknown> {
  const events = ids.map((aggregateId) => {
    const n = (numbers.get(aggregateId) ?? 0) + 1;
    numbers.set(aggregateId, n);
    return { aggregateId, type: 'Counted', payload: { n } };
  });
  return publisher.publishAll(events);
}

/** Rows that are not the same, or do not hold all events. */
function differences(
  some: ReadonlyMap<string, Row>,
  others: ReadonlyMap<string, Row>,
  numbers: ReadonlyMap<string, number>,
): string[] {
  const textOf = (row: Row | undefined): string =>
    row === undefined ? 'none' : `${row.count} ${row.last} ${row.hash}`;
  return [...numbers].flatMap(([id, n]) => {
    const [one, other] = [textOf(some.get(id)), textOf(others.get(id))];
    const isWhole = one === other && one.startsWith(`${n} ${n} `);
    return isWhole ? [] : [`${id}: ${one} after the reset, ${other} in a new group, of ${n} events`];
  });
}
