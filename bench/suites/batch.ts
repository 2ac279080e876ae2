import { Controller, type Type } from '@nestjs/common';
import { type AggregateBatch, AggregateHandler, EffectCollector } from 'nestjs-aggregate-transport';
import { storeBacklog } from '../backlog.js';
import { Reading } from '../contenders/reading.js';
import { controllerFor } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';

const CONNECTIONS = 10;
const TRANSACTION_MS = 1;
const BATCH = 100;
/** One aggregate alone is as slow as its transactions. */
const WORK = [
  { aggregates: 1, events: 3_000, atLeast: 10 },
  { aggregates: 100, events: 30_000, atLeast: 5 },
  { aggregates: 1_000, events: 30_000, atLeast: 3 },
];

const ALONE = 'one transaction an event';
const TOGETHER = `batch: ${BATCH}`;
const COLLECTED = 'EffectCollector';

const goals: Goal[] = WORK.map(({ aggregates, atLeast }) => ({
  text: `a transaction of ${TRANSACTION_MS} ms, ${aggregates} aggregate(s): batches against one by one`,
  section: `${aggregates}-aggregates`,
  contender: TOGETHER,
  metric: 'rate',
  against: ALONE,
  atLeast,
}));

/** Transactions that take a while, at most as many at once as there are connections. */
class Database {
  readonly #waiting: (() => void)[] = [];
  #free = CONNECTIONS;

  async transaction(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await new Promise((resolve) => setTimeout(resolve, TRANSACTION_MS));
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

function alone(topic: string, watch: Stopwatch): Type {
  const database = new Database();
  return controllerFor(topic, async () => {
    watch.begin();
    await database.transaction();
    watch.end();
  });
}

function together(topic: string, watch: Stopwatch): Type {
  const database = new Database();

  @Controller()
  class Batches {
    @AggregateHandler(topic, { batch: BATCH })
    async all(events: AggregateBatch) {
      watch.begin();
      await database.transaction();
      watch.end(events.length);
    }
  }
  return Batches;
}

function collected(topic: string, watch: Stopwatch): Type {
  const database = new Database();
  const effects = new EffectCollector({
    apply: () => database.transaction(),
    maxSize: BATCH,
    concurrency: CONNECTIONS,
  });
  return controllerFor(topic, async () => {
    watch.begin();
    await effects.add(undefined);
    watch.end();
  });
}

async function run(bench: Bench): Promise<void> {
  const { url } = bench.server;
  const streams = await Streams.open(url);
  try {
    for (const { aggregates, events: full } of WORK) {
      const topic = `transacted-${aggregates}`;
      const events = bench.scaled(full, 200);
      await storeBacklog(url, streams, topic, { events, aggregates });
      const reading = new Reading({ url, streams, topic, events });
      await bench.compare({
        id: `${aggregates}-aggregates`,
        title: `${events} stored events of ${aggregates} aggregate(s), a transaction of ${TRANSACTION_MS} ms each call`,
        metrics: [
          { key: 'rate', unit: 'events/s', better: 'more' },
          { key: 'cpu', unit: 'client µs', better: 'less' },
        ],
        baseline: ALONE,
        contenders: [
          reading.service(ALONE, (watch) => alone(topic, watch)),
          reading.service(TOGETHER, (watch) => together(topic, watch)),
          reading.service(COLLECTED, (watch) => collected(topic, watch)),
        ],
      });
      await streams.remove(topic);
    }
  } finally {
    await streams.close();
  }
}

export const batch: Suite = {
  name: 'batch',
  about: `handlers whose transaction takes a while, with a pool of ${CONNECTIONS} connections: alone and in batches`,
  goals,
  isQuick: true,
  run,
};
