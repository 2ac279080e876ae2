import { setTimeout as delay } from 'node:timers/promises';
import { paced } from '../paced.js';
import type { Contender, Sample } from '../section.js';
import { percentile } from '../statistics.js';
import type { Bench } from '../suite.js';
import { type OutboxService, type OutboxWorld, TEXT } from './outbox-world.js';

const PER_SECOND = 1_000;
const SECONDS = 5;
const WARM_SECONDS = 1;
const AGGREGATES = 1_000;
const WAKES = 60;
/** Longer than anything is on its way, and not a share of the poll's second. */
const REST_MS = 37;

const PACED = `${PER_SECOND} rows/s`;
export const IDLE = 'nothing to do, then one row';

/** From each commit to the moment in which a consumer without acks has the stored event. */
class Lags {
  readonly #committedAt = new Map<number, number>();
  readonly #seenAt = new Map<number, number>();

  committed(n: number): void {
    this.#committedAt.set(n, performance.now());
  }

  seen(n: number): void {
    this.#seenAt.set(n, performance.now());
  }

  get count(): number {
    return this.#seenAt.size;
  }

  has(n: number): boolean {
    return this.#seenAt.has(n);
  }

  /** The answer to the commit may come after the event. */
  sample(from: number): Sample {
    const values = [...this.#seenAt].flatMap(([n, at]) =>
      n < from ? [] : [Math.max(0, at - (this.#committedAt.get(n) ?? at))],
    );
    return { p50: percentile(values, 0.5), p99: percentile(values, 0.99) };
  }
}

async function watched(
  world: OutboxWorld,
  work: (service: OutboxService, lags: Lags) => Promise<Sample>,
): Promise<Sample> {
  const topic = world.nextTopic();
  const service = await world.service(topic);
  const lags = new Lags();
  const consumer = await world.streams.nats.jetstream().consumers.get(topic);
  const messages = await consumer.consume();
  const reading = (async () => {
    for await (const message of messages) lags.seen(message.json<{ payload: { n: number } }>().payload.n);
  })();
  try {
    return await work(service, lags);
  } finally {
    await messages.close();
    await reading;
    await world.untilMarked();
    await service.close();
    await world.remove(topic);
  }
}

async function addOne(world: OutboxWorld, { outbox }: OutboxService, n: number, lags: Lags): Promise<void> {
  await world.transaction((client) =>
    outbox.add(client, { aggregateId: `a${n % AGGREGATES}`, type: 'Counted', payload: { n, text: TEXT } }),
  );
  lags.committed(n);
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await delay(1);
}

function atPace(bench: Bench, world: OutboxWorld): Contender {
  const rows = bench.scaled(PER_SECOND * SECONDS, 20);
  return {
    name: PACED,
    run: () =>
      watched(world, async (service, lags) => {
        const adding: Promise<void>[] = [];
        await paced(PER_SECOND, rows, (n) => void adding.push(addOne(world, service, n, lags)));
        await Promise.all(adding);
        await until(() => lags.count === rows);
        return lags.sample(Math.min(WARM_SECONDS * PER_SECOND, rows / 5));
      }),
  };
}

function afterRest(bench: Bench, world: OutboxWorld): Contender {
  const wakes = bench.scaled(WAKES, 5);
  return {
    name: IDLE,
    run: () =>
      watched(world, async (service, lags) => {
        for (let n = 0; n < wakes; n++) {
          await addOne(world, service, n, lags);
          await until(() => lags.has(n));
          await delay(REST_MS);
        }
        return lags.sample(3);
      }),
  };
}

export async function measureLag(bench: Bench, world: OutboxWorld): Promise<void> {
  await bench.compare({
    id: 'lag',
    title: 'from the commit to the stored event, one row a transaction',
    metrics: [
      { key: 'p50', unit: 'p50 ms', better: 'less' },
      { key: 'p99', unit: 'p99 ms', better: 'less' },
    ],
    baseline: PACED,
    contenders: [atPace(bench, world), afterRest(bench, world)],
    notes: ['The event is seen by a raw consumer of the stream, so its delivery is within the time.'],
  });
}
