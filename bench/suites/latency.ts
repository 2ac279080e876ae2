import { createInbox } from 'nats';
import { rawConsume } from '../contenders/raw-consume.js';
import { controllerFor, Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import { paced } from '../paced.js';
import type { Contender, Sample } from '../section.js';
import { percentile } from '../statistics.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor, rawMessage } from '../workload.js';

const RATES = [500, 2_000, 10_000];
const SECONDS = 3;
/** Left out of the figures: connections, compiled code and the server's files get warm. */
const WARM_SECONDS = 0.5;
const AGGREGATES = 1_000;
const BYTES = 256;
const RAW = 'raw publish, raw consume';
const OURS = 'ours';

const goals: Goal[] = [
  {
    text: '2 000 events/s: p50 against raw',
    section: '2000',
    contender: OURS,
    metric: 'p50',
    against: RAW,
    atMost: 1.47,
  },
  {
    text: '2 000 events/s: p99 against raw',
    section: '2000',
    contender: OURS,
    metric: 'p99',
    against: RAW,
    atMost: 2,
  },
];

/** Milliseconds from each publish call to its handler. The time of the call travels in the payload. */
class Latencies {
  readonly #values: number[] = [];
  readonly watch: Stopwatch;

  constructor(
    private readonly events: number,
    private readonly warm: number,
  ) {
    this.watch = new Stopwatch(events);
  }

  payload(): object {
    return { at: performance.now(), text: paddingFor(BYTES - 20) };
  }

  handled(payload: unknown): void {
    this.#values.push(performance.now() - (payload as { at: number }).at);
    this.watch.end();
  }

  sample(): Sample {
    const values = this.#values.slice(Math.min(this.warm, this.events - 1));
    return {
      p50: percentile(values, 0.5),
      p99: percentile(values, 0.99),
      p999: percentile(values, 0.999),
    };
  }
}

interface Pace {
  readonly rate: number;
  readonly events: number;
  readonly warm: number;
}

function raw(streams: Streams, topic: string, pace: Pace): Contender {
  return {
    name: RAW,
    run: async () => {
      const latencies = new Latencies(pace.events, pace.warm);
      await streams.empty(topic);
      await streams.addConsumer(topic, 'raw');
      const { nats } = streams;
      const read = rawConsume(nats, {
        stream: topic,
        consumer: 'raw',
        events: pace.events,
        handle: (body) => latencies.handled((body as { payload: unknown }).payload),
      });
      const inbox = createInbox();
      // Its answers must be read, as a publisher would.
      const answers = nats.subscribe(inbox, { callback: () => undefined });
      await paced(pace.rate, pace.events, (index) => {
        const { subject, body } = rawMessage(topic, `a${index % AGGREGATES}`, latencies.payload());
        nats.publish(subject, body, { reply: inbox });
      });
      await latencies.watch.allSeen();
      await read;
      answers.unsubscribe();
      await streams.forgetReading(topic);
      return latencies.sample();
    },
  };
}

function ours(bench: Bench, streams: Streams, topic: string, pace: Pace): Contender {
  let runs = 0;
  return {
    name: OURS,
    run: async () => {
      const latencies = new Latencies(pace.events, pace.warm);
      await streams.empty(topic);
      const controller = controllerFor(topic, (payload) => latencies.handled(payload));
      const options = optionsFor(bench.server.url, [topic], { group: `g${pace.rate}-${++runs}` });
      const service = await Service.start(options, [controller]);
      try {
        await service.consuming();
        const publisher = service.publisher(topic);
        await paced(pace.rate, pace.events, (index) => {
          const aggregateId = `a${index % AGGREGATES}`;
          void publisher.publish({ aggregateId, type: 'Counted', payload: latencies.payload() });
        });
        await latencies.watch.allSeen();
        return { ...latencies.sample(), readers: service.extraReaders };
      } finally {
        await service.close();
        await streams.forgetReading(topic);
      }
    },
  };
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const topic = 'paced';
  try {
    const maker = await Service.start(optionsFor(bench.server.url, [topic]));
    await maker.publisher(topic).flush();
    await maker.close();
    for (const rate of RATES) {
      const seconds = SECONDS * Math.max(bench.scale, 0.02);
      const warm = Math.round(rate * WARM_SECONDS * bench.scale);
      const pace = { rate, events: Math.round(rate * seconds) + warm, warm };
      await bench.compare({
        id: String(rate),
        title: `${rate} events/s of ${AGGREGATES} aggregates, from the publish call to the handler`,
        metrics: [
          { key: 'p50', unit: 'p50 ms', better: 'less' },
          { key: 'p99', unit: 'p99 ms', better: 'less' },
          { key: 'p999', unit: 'p99.9 ms', better: 'less' },
          { key: 'readers', unit: 'extra readers', better: 'less' },
        ],
        baseline: RAW,
        contenders: [raw(streams, topic, pace), ours(bench, streams, topic, pace)],
      });
    }
  } finally {
    await streams.close();
  }
}

export const latency: Suite = {
  name: 'latency',
  about: 'from the publish call to the handler, at a steady rate, against raw publish and raw consume',
  goals,
  isQuick: true,
  run,
};
