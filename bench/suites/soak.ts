import { setTimeout as delay } from 'node:timers/promises';
import { controllerFor, Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import { pacedUntilStopped } from '../paced.js';
import type { Sample } from '../section.js';
import { percentile } from '../statistics.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor } from '../workload.js';

const WINDOWS = 60;
const LEAST_WINDOWS = 4;
/** Smaller runs only show that the suite still works. */
const SMALL_SCALE = 0.05;
const WINDOW_MS = 60_000;
/** Left out of the figures: connections, compiled code and the heap get their working size. */
const WARM_MS = 20_000;
const PER_SECOND = 2_000;
/** Each id lives for a while and gives way to a new one, as orders do: what is kept for each would add up. */
const EVENTS_PER_AGGREGATE = 20;
const LIVE_AGGREGATES = 1_000;
const BYTES = 256;
const MAX_PENDING = 5_000;
const TOPIC = 'soaked';
const FIRST = 'first half';
const SECOND = 'second half';
const MIB = 2 ** 20;

const driftOf = (metric: string, text: string, atMost: number): Goal => ({
  ...{ text, metric, atMost },
  ...{ section: 'windows', contender: SECOND, against: FIRST },
});

const goals: Goal[] = [
  driftOf('heap', 'heap after a collection, second half against first', 1.1),
  driftOf('rss', 'resident memory, second half against first', 1.1),
  driftOf('handles', 'timers and sockets, second half against first', 1),
  driftOf('p50', 'latency p50, second half against first', 1.1),
  driftOf('p99', 'latency p99, second half against first', 1.25),
];

/** One process that publishes and handles, watched window by window. */
class Soak {
  #latencies: number[] = [];
  #service: Service | undefined;
  #sent = 0;

  constructor(private readonly url: string) {}

  async start(): Promise<() => number> {
    const controller = controllerFor(TOPIC, (payload) => {
      this.#latencies.push(performance.now() - (payload as { at: number }).at);
    });
    // The stream drops what is old, as that of a service does.
    const options = optionsFor(this.url, [TOPIC], { group: 'soak', stream: { maxMessages: 200_000 } });
    const service = (this.#service = await Service.start(options, [controller]));
    await service.consuming();
    const publisher = service.publisher(TOPIC);
    const text = paddingFor(BYTES - 20);
    return pacedUntilStopped(
      PER_SECOND,
      () => publisher.pending < MAX_PENDING,
      (index) => {
        this.#sent = index + 1;
        const generation = Math.floor(index / (LIVE_AGGREGATES * EVENTS_PER_AGGREGATE));
        const aggregateId = `a${generation}-${index % LIVE_AGGREGATES}`;
        void publisher.publish({ aggregateId, type: 'Counted', payload: { at: performance.now(), text } });
      },
    );
  }

  async window(ms: number): Promise<Sample> {
    this.#latencies = [];
    const sentBefore = this.#sent;
    await delay(ms);
    const latencies = this.#latencies;
    // Twice: what finalizers release is free only after another one.
    globalThis.gc?.();
    globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    return {
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      heap: heapUsed / MIB,
      rss: rss / MIB,
      handles: process.getActiveResourcesInfo().length,
      rate: ((this.#sent - sentBefore) * 1_000) / ms,
      readers: this.#service?.extraReaders ?? 0,
    };
  }

  async stop(): Promise<void> {
    await this.#service?.publisher(TOPIC).flush();
    await this.#service?.close();
  }
}

async function run(bench: Bench): Promise<void> {
  const { url } = bench.server;
  const streams = await Streams.open(url);
  const soak = new Soak(url);
  const windowMs = bench.scale < SMALL_SCALE ? WINDOW_MS / 60 : WINDOW_MS;
  const count = bench.scaled(WINDOWS, LEAST_WINDOWS);
  const samples: Sample[] = [];
  const stop = await soak.start();
  try {
    await delay(Math.min(WARM_MS, windowMs));
    for (let window = 0; window < count; window++) samples.push(await soak.window(windowMs));
  } finally {
    stop();
    await soak.stop();
    await streams.close();
  }
  const half = Math.floor(count / 2);
  const nth = (from: number) => (round: number) => Promise.resolve(samples[from + (round % half)] ?? {});
  await bench.compare({
    id: 'windows',
    title: `${PER_SECOND} events/s of ${LIVE_AGGREGATES} live aggregates, ${count} windows of ${windowMs / 1_000} s`,
    metrics: [
      { key: 'p50', unit: 'p50 ms', better: 'less' },
      { key: 'p99', unit: 'p99 ms', better: 'less' },
      { key: 'heap', unit: 'MiB heap', better: 'less' },
      { key: 'rss', unit: 'MiB resident', better: 'less' },
      { key: 'handles', unit: 'timers and sockets', better: 'less' },
      { key: 'rate', unit: 'events/s', better: 'more' },
      { key: 'readers', unit: 'extra readers', better: 'less' },
    ],
    baseline: FIRST,
    rounds: half,
    warmUps: 0,
    contenders: [
      { name: FIRST, run: nth(0) },
      { name: SECOND, run: nth(half) },
    ],
  });
}

export const soak: Suite = {
  name: 'soak',
  about: 'an hour of steady load: memory, handles and latency, second half against first',
  goals,
  run,
};
