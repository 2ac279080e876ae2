import type { CallHandler, ExecutionContext, NestInterceptor, PipeTransform } from '@nestjs/common';
import { UseInterceptors, UsePipes } from '@nestjs/common';
import { type BacklogSize, storeBacklog } from '../backlog.js';
import { type Backlog, Reading, trivial, type Work } from '../contenders/reading.js';
import type { Goal } from '../goal.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';

const EVENTS = 100_000;
const MILLION = 1_000_000;
const AGGREGATES = [1, 100, 1_000, 100_000];

const RAW = 'raw pull + ack';
const DOOR = 'ours, to the handler’s door';
const NEST = 'ours, through Nest';
const PIPELINE = 'ours, through Nest’s pipeline';
const LATER = 'ours through Nest, later tick';
const INTERCEPTOR = 'with an interceptor';
const SOME_MS = 'ours through Nest, 0–5 ms';
const RAW_SOME_MS = 'raw pull + ack, 0–5 ms';
/** Every handler as it was before there were direct calls. */
const NEVER = { consume: { directCalls: 'never' } } as const;

const goals: Goal[] = [
  ...AGGREGATES.flatMap((aggregates): Goal[] => [
    {
      text: `trivial handler, ${aggregates} aggregate(s): up to the handler’s door`,
      section: `${aggregates}-aggregates`,
      contender: DOOR,
      metric: 'rate',
      against: RAW,
      atLeast: aggregates === 100_000 ? 0.95 : 1,
    },
    {
      text: `trivial handler, ${aggregates} aggregate(s): through Nest`,
      section: `${aggregates}-aggregates`,
      contender: NEST,
      metric: 'rate',
      against: RAW,
      atLeast: 0.95,
    },
  ]),
  {
    text: 'handlers that end in a later tick, against raw with a trivial one',
    section: 'handlers',
    contender: LATER,
    metric: 'rate',
    against: RAW,
    atLeast: 0.85,
  },
  {
    text: 'handlers with an interceptor',
    section: 'handlers',
    contender: INTERCEPTOR,
    metric: 'rate',
    against: RAW,
    atLeast: 0.65,
  },
  {
    text: 'handlers of 0–5 ms, against raw with the same',
    section: 'handlers',
    contender: SOME_MS,
    metric: 'rate',
    against: RAW_SOME_MS,
    atLeast: 0.7,
  },
  {
    text: 'bytes allocated per event of a plain handler',
    section: 'allocation',
    contender: NEST,
    metric: 'bytes',
    atMost: 4_500,
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

async function filled(bench: Bench, streams: Streams, topic: string, work: BacklogSize): Promise<Reading> {
  const { url } = bench.server;
  await storeBacklog(url, streams, topic, work);
  return new Reading({ url, streams, topic, events: work.events });
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
          reading.door(DOOR, trivial),
          reading.nest(NEST, trivial),
          reading.nest(PIPELINE, trivial, NEVER),
        ],
      });
      if (aggregates === 1_000) {
        await compareHandlers(bench, reading, events);
        await compareAllocation(bench, { ...reading.backlog, countsBytes: true });
      }
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
    maxRounds: 2,
    contenders: [
      reading.raw(RAW, trivial),
      reading.raw('raw pull + ack, later tick', laterTick),
      reading.raw(RAW_SOME_MS, someMs),
      reading.door('ours to the door, later tick', laterTick),
      reading.nest('ours through Nest, sync', trivial),
      reading.nest('ours through Nest, async', nextTick),
      reading.nest(LATER, laterTick),
      reading.nest(SOME_MS, someMs),
      reading.nest('through Nest’s pipeline, later tick', laterTick, NEVER),
      reading.nest('through Nest’s pipeline, 0–5 ms', someMs, NEVER),
      reading.nest('with consume.around', trivial, { consume: { around: (_context, next) => next() } }),
      reading.nest(INTERCEPTOR, trivial, { decorate: [UseInterceptors(new PassOn())] }),
      reading.nest('with a pipe', trivial, { decorate: [UsePipes(new AsItIs())] }),
      reading.nest('with both', trivial, {
        decorate: [UseInterceptors(new PassOn()), UsePipes(new AsItIs())],
      }),
    ],
  });
}

async function compareAllocation(bench: Bench, backlog: Backlog): Promise<void> {
  const reading = new Reading(backlog, 'bytes-');
  await bench.compare({
    id: 'allocation',
    title: `bytes allocated per event, 1 000 aggregates, ${backlog.events} events`,
    metrics: [{ key: 'bytes', unit: 'bytes/event', better: 'less' }],
    baseline: RAW,
    maxRounds: 1,
    contenders: [
      reading.raw(RAW, trivial),
      reading.door(DOOR, trivial),
      reading.nest(NEST, trivial),
      reading.nest(LATER, laterTick),
      reading.nest(PIPELINE, trivial, NEVER),
      reading.nest(INTERCEPTOR, trivial, { decorate: [UseInterceptors(new PassOn())] }),
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
  about: 'a pre-filled stream through the whole path to a Nest handler, against a raw pull + ack loop',
  goals,
  isQuick: true,
  run,
};
