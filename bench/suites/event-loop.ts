import { rawConsume } from '../contenders/raw-consume.js';
import { controllerFor, Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender } from '../section.js';
import { percentile } from '../statistics.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, rawMessage } from '../workload.js';

const EVENTS = 60_000;
const AGGREGATES = 1_000;
const TOPIC = 'saturated';
const BUSY_MS = 0.05;
const TIMER_MS = 5;
const OURS = 'ours, through Nest';

const goals: Goal[] = [
  {
    text: 'handlers of 50 µs without end: how late timers are, p99 in ms',
    section: 'saturated',
    contender: OURS,
    metric: 'p99',
    atMost: 25,
  },
];

/** Uses the processor, as a handler that computes does. */
function busy(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** A timer that sets itself again and again, and remembers how late it came each time. */
class LateTimer {
  readonly lateness: number[] = [];
  #stopped = false;

  constructor() {
    this.#again(performance.now());
  }

  stop(): void {
    this.#stopped = true;
  }

  #again(setAt: number): void {
    setTimeout(() => {
      const now = performance.now();
      if (this.#stopped) return;
      this.lateness.push(Math.max(0, now - setAt - TIMER_MS));
      this.#again(now);
    }, TIMER_MS);
  }
}

/** Runs a contender while timers run beside it. */
async function timed(
  streams: Streams,
  events: number,
  start: (handle: () => void) => Promise<() => Promise<void>>,
): Promise<Record<string, number>> {
  const watch = new Stopwatch(events);
  let timers: LateTimer | undefined;
  const stop = await start(() => {
    timers ??= new LateTimer();
    watch.begin();
    busy(BUSY_MS);
    watch.end();
  });
  try {
    await watch.allSeen();
    const rate = watch.rate();
    timers?.stop();
    await streams.settled(TOPIC);
    const lateness = timers?.lateness ?? [];
    return { p99: percentile(lateness, 0.99), max: percentile(lateness, 1), rate };
  } finally {
    await stop();
    await streams.forgetReading(TOPIC);
  }
}

function raw(streams: Streams, events: number): Contender {
  return {
    name: 'raw loop',
    run: () =>
      timed(streams, events, async (handle) => {
        await streams.addConsumer(TOPIC, 'raw');
        const read = rawConsume(streams.nats, { stream: TOPIC, consumer: 'raw', events, handle });
        return () => read;
      }),
  };
}

function ours(bench: Bench, streams: Streams, events: number): Contender {
  let runs = 0;
  return {
    name: OURS,
    run: () =>
      timed(streams, events, async (handle) => {
        const options = optionsFor(bench.server.url, [TOPIC], { group: `g${++runs}` });
        const service = await Service.start(options, [controllerFor(TOPIC, handle)]);
        return () => service.close();
      }),
  };
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const events = bench.scaled(EVENTS, 500);
  try {
    const maker = await Service.start(optionsFor(bench.server.url, [TOPIC]));
    await maker.publisher(TOPIC).flush();
    await maker.close();
    await streams.fill(TOPIC, events, (index) => rawMessage(TOPIC, `a${index % AGGREGATES}`, {}));
    await bench.compare({
      id: 'saturated',
      title: `how late a timer of ${TIMER_MS} ms is while ${events} handlers of 50 µs keep the processor busy`,
      metrics: [
        { key: 'p99', unit: 'p99 ms', better: 'less' },
        { key: 'max', unit: 'worst ms', better: 'less' },
        { key: 'rate', unit: 'events/s', better: 'more' },
      ],
      baseline: 'raw loop',
      contenders: [raw(streams, events), ours(bench, streams, events)],
    });
  } finally {
    await streams.close();
  }
}

export const eventLoop: Suite = {
  name: 'event-loop',
  about:
    'whether handlers that keep the processor busy leave room for timers (lease renewals, health checks)',
  goals,
  isQuick: true,
  run,
};
