import type { CallHandler, ExecutionContext, NestInterceptor, PipeTransform } from '@nestjs/common';
import { UseInterceptors, UsePipes } from '@nestjs/common';
import { storeBacklog } from '../backlog.js';
import { Door } from '../contenders/door.js';
import { rawConsume } from '../contenders/raw-consume.js';
import { controllerFor, Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender, Sample } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor } from '../workload.js';

const EVENTS = 50_000;
const MILLION = 1_000_000;
const AGGREGATES = [1, 100, 1_000, 100_000];

const RAW = 'raw loop';
const DOOR = 'ours, to the handler’s door';
const NEST = 'ours, through Nest';
const LATER = 'ours through Nest, later tick';

const goals: Goal[] = [
  ...[100, 1_000].flatMap((aggregates): Goal[] => [
    {
      text: `trivial handler, ${aggregates} aggregates: up to the handler’s door`,
      section: `${aggregates}-aggregates`,
      contender: DOOR,
      metric: 'rate',
      against: RAW,
      atLeast: 0.9,
    },
    {
      text: `trivial handler, ${aggregates} aggregates: through Nest’s wrapper`,
      section: `${aggregates}-aggregates`,
      contender: NEST,
      metric: 'rate',
      against: RAW,
      atLeast: 0.75,
    },
  ]),
  {
    text: 'handlers that end in a later tick, against the raw loop with a trivial one',
    section: 'handlers',
    contender: LATER,
    metric: 'rate',
    against: RAW,
    atLeast: 0.7,
  },
  {
    text: '1 000 000 aggregates against 1 000',
    section: 'million',
    contender: '1 000 000 aggregates',
    metric: 'rate',
    against: '1 000 aggregates',
    atLeast: 0.75,
  },
];

type Work = () => Promise<void> | undefined;

const trivial: Work = () => undefined;
const nextTick: Work = () => Promise.resolve();
const laterTick: Work = () => new Promise((resolve) => void setImmediate(resolve));
const someMs: Work = () => new Promise((resolve) => void setTimeout(resolve, Math.random() * 5));

class PassOn implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    return next.handle();
  }
}
class AsItIs implements PipeTransform {
  transform(value: unknown): unknown {
    return value;
  }
}

/** A handler that does the work and tells the watch. */
function timed(watch: Stopwatch, work: Work): () => Promise<undefined> | undefined {
  return () => {
    watch.begin();
    const ended = work();
    if (ended === undefined) {
      watch.end();
      return undefined;
    }
    return ended.then(() => {
      watch.end();
      return undefined;
    });
  };
}

/** The contenders of one pre-filled stream; each run reads all of it as a group of its own. */
class Reading {
  #runs = 0;

  constructor(
    private readonly bench: Bench,
    private readonly streams: Streams,
    private readonly topic: string,
    private readonly events: number,
  ) {}

  raw(name: string, work: Work, confirmed = false): Contender {
    return {
      name,
      run: async () => {
        const consumer = `raw-${++this.#runs}`;
        await this.streams.addConsumer(this.topic, consumer);
        const watch = new Stopwatch(this.events);
        const handle = timed(watch, work);
        const { topic: stream, events } = this;
        await rawConsume(this.streams.nats, { stream, consumer, events, handle, confirmed });
        const sample = await this.#ended(watch);
        await this.streams.forgetReading(this.topic);
        return sample;
      },
    };
  }

  door(name: string, work: Work): Contender {
    return {
      name,
      run: async () => {
        const watch = new Stopwatch(this.events);
        const door = await Door.open(this.#options(), this.topic, timed(watch, work));
        try {
          return await this.#ended(watch);
        } finally {
          await door.close();
          await this.streams.forgetReading(this.topic);
        }
      },
    };
  }

  nest(name: string, work: Work, decorate: MethodDecorator[] = []): Contender {
    return {
      name,
      run: async () => {
        const watch = new Stopwatch(this.events);
        const controller = controllerFor(this.topic, timed(watch, work), decorate);
        const service = await Service.start(this.#options(), [controller]);
        try {
          const sample = await this.#ended(watch);
          return { ...sample, readers: service.extraReaders };
        } finally {
          await service.close();
          await this.streams.forgetReading(this.topic);
        }
      },
    };
  }

  #options(): ReturnType<typeof optionsFor> & { group: string } {
    const group = `g${++this.#runs}`;
    return { ...optionsFor(this.bench.server.url, [this.topic]), group };
  }

  /** Ends when the server holds no unsettled event. */
  async #ended(watch: Stopwatch): Promise<Sample> {
    await watch.allSeen();
    await this.streams.settled(this.topic);
    return { rate: watch.rate(), cpu: watch.cpu() };
  }
}

async function filled(
  bench: Bench,
  streams: Streams,
  topic: string,
  work: { events: number; aggregates: number },
): Promise<Reading> {
  await storeBacklog(bench.server.url, streams, topic, work);
  return new Reading(bench, streams, topic, work.events);
}

const metrics = [
  { key: 'rate', unit: 'events/s', better: 'more' },
  { key: 'cpu', unit: 'client µs', better: 'less' },
  { key: 'readers', unit: 'extra readers', better: 'less' },
] as const;

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const events = bench.scaled(EVENTS, 200);
  try {
    for (const aggregates of AGGREGATES) {
      const topic = `spread-${aggregates}`;
      const reading = await filled(bench, streams, topic, { events, aggregates });
      await bench.compare({
        id: `${aggregates}-aggregates`,
        title: `${events} stored events of ${aggregates} aggregate(s), trivial handler`,
        metrics,
        baseline: RAW,
        contenders: [
          reading.raw(RAW, trivial),
          reading.raw('raw loop, confirmed acks', trivial, true),
          reading.door(DOOR, trivial),
          reading.nest(NEST, trivial),
        ],
      });
      if (aggregates === 1_000) await compareHandlers(bench, reading, events);
      await streams.remove(topic);
    }
    await compareMillion(bench, streams);
  } finally {
    await streams.close();
  }
}

async function compareHandlers(bench: Bench, reading: Reading, events: number): Promise<void> {
  await bench.compare({
    id: 'handlers',
    title: `${events} stored events of 1 000 aggregates, by what the handler does`,
    metrics,
    baseline: RAW,
    contenders: [
      reading.raw(RAW, trivial),
      reading.raw('raw loop, later tick', laterTick),
      reading.raw('raw loop, 0–5 ms', someMs),
      reading.door('ours to the door, later tick', laterTick),
      reading.nest('ours through Nest, sync', trivial),
      reading.nest('ours through Nest, async', nextTick),
      reading.nest(LATER, laterTick),
      reading.nest('ours through Nest, 0–5 ms', someMs),
      reading.nest('with an interceptor', trivial, [UseInterceptors(new PassOn())]),
      reading.nest('with a pipe', trivial, [UsePipes(new AsItIs())]),
      reading.nest('with both', trivial, [UseInterceptors(new PassOn()), UsePipes(new AsItIs())]),
    ],
  });
}

async function compareMillion(bench: Bench, streams: Streams): Promise<void> {
  const events = bench.scaled(MILLION, 1_000);
  const few = await filled(bench, streams, 'few', { events, aggregates: Math.min(1_000, events) });
  const many = await filled(bench, streams, 'many', { events, aggregates: events });
  await bench.compare({
    id: 'million',
    title: `${events} stored events, one or many of each aggregate, trivial handler through Nest`,
    metrics,
    baseline: '1 000 aggregates',
    maxRounds: 2,
    warmUps: 0,
    contenders: [few.nest('1 000 aggregates', trivial), many.nest('1 000 000 aggregates', trivial)],
  });
  await streams.remove('few');
  await streams.remove('many');
}

export const consume: Suite = {
  name: 'consume',
  about:
    'a pre-filled stream through the whole path to a Nest handler, against a raw pull + parse + ack loop',
  goals,
  isQuick: true,
  run,
};
