import { randomBytes } from 'node:crypto';
import { context, propagation, trace } from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import { BatchSpanProcessor, NodeTracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { AggregateTransportOptions } from 'nestjs-aggregate-transport';
import { storeBacklog } from '../backlog.js';
import { Reading, trivial } from '../contenders/reading.js';
import { Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor } from '../workload.js';

const EVENTS = 100_000;
const AGGREGATES = 1_000;
/** What one wave publishes before it waits. */
const PUBLISHED = 20_000;

const ABSENT = 'without tracing';
/** What the SDK alone costs: its context manager makes Node follow each promise. The option is absent. */
const BESIDE = 'SDK beside it';
const SOME = '1 % sampled';
const ALL = '100 % sampled';
/** One in so many traces of `SOME`. */
const ONE_IN = 100;

const goals: Goal[] = [
  {
    text: 'consume: 1 % sampled costs at most a tenth',
    section: 'consume',
    contender: SOME,
    metric: 'rate',
    against: ABSENT,
    atLeast: 0.909,
  },
];

const metrics = [
  { key: 'rate', unit: 'events/s', better: 'more' },
  { key: 'cpu', unit: 'client µs', better: 'less' },
] as const;

/** What a service exports to, without its network. */
const NOWHERE: SpanExporter = {
  export: (_spans, done) => done({ code: ExportResultCode.SUCCESS }),
  shutdown: () => Promise.resolve(),
};

/** Runs a contender while an SDK is registered, which then is removed: one in the process would cost all others. */
function traced(of: (tracing: NonNullable<AggregateTransportOptions['tracing']>) => Contender): Contender {
  const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(NOWHERE)] });
  const contender = of({ tracer: provider.getTracer('bench') });
  return {
    name: contender.name,
    run: async (round) => {
      provider.register();
      context.with(context.active(), () => undefined);
      try {
        return await contender.run(round);
      } finally {
        trace.disable();
        context.disable();
        propagation.disable();
      }
    },
  };
}

/** What a publisher has written into an event of a trace of its own. */
function traceparentLine(isSampled: boolean): string {
  const ids = `${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}`;
  return `traceparent: 00-${ids}-0${isSampled ? 1 : 0}\r\n`;
}

async function consume(bench: Bench, streams: Streams): Promise<void> {
  const { url } = bench.server;
  const events = bench.scaled(EVENTS, 200);
  const reading = async (topic: string, isSampled: (index: number) => boolean): Promise<Reading> => {
    const headersOf = (index: number): string => traceparentLine(isSampled(index));
    await storeBacklog(url, streams, topic, { events, aggregates: AGGREGATES, headersOf });
    return new Reading({ url, streams, topic, events });
  };
  const some = await reading('some', (index) => index % ONE_IN === 0);
  const all = await reading('all', () => true);
  await bench.compare({
    id: 'consume',
    title: `${events} stored events of ${AGGREGATES} aggregates, each with a traceparent, trivial handler`,
    ...{ metrics, baseline: ABSENT },
    contenders: [
      some.nest(ABSENT, trivial),
      traced(() => some.nest(BESIDE, trivial)),
      traced((tracing) => some.nest(SOME, trivial, { tracing })),
      traced((tracing) => all.nest(ALL, trivial, { tracing })),
    ],
  });
}

interface Publishing {
  readonly url: string;
  readonly streams: Streams;
  readonly events: number;
}

/** Publishes within requests, of which one in so many is sampled. */
function publishing(
  name: string,
  { url, streams, events }: Publishing,
  { oneIn, tracing }: { readonly oneIn: number; readonly tracing?: AggregateTransportOptions['tracing'] },
): Contender {
  const topic = 'published';
  const payload = { text: paddingFor(256) };
  return {
    name,
    run: async (round) => {
      const service = await Service.start({
        ...optionsFor(url, [topic]),
        ...(tracing === undefined ? {} : { tracing }),
      });
      const publisher = service.publisher(topic);
      await publisher.flush();
      const watch = new Stopwatch(events);
      const call = (index: number): Promise<unknown> =>
        publisher.publish({
          aggregateId: `${name}-${round}-${index % AGGREGATES}`,
          type: 'Counted',
          payload,
        });
      const request = (index: number): Promise<unknown> => {
        const spanContext = {
          traceId: randomBytes(16).toString('hex'),
          spanId: randomBytes(8).toString('hex'),
          traceFlags: index % oneIn === 0 ? 1 : 0,
        };
        return context.with(trace.setSpanContext(context.active(), spanContext), call, undefined, index);
      };
      watch.begin();
      await Promise.all(Array.from({ length: events }, (_, index) => request(index)));
      watch.end(events);
      const sample = { rate: watch.rate(), cpu: watch.cpu() };
      await service.close();
      await streams.empty(topic);
      return sample;
    },
  };
}

async function publish(bench: Bench, streams: Streams): Promise<void> {
  const events = bench.scaled(PUBLISHED, 200);
  const how = { url: bench.server.url, streams, events };
  await bench.compare({
    id: 'publish',
    title: `${events} events of ${AGGREGATES} aggregates, all called at once, each within a request`,
    ...{ metrics, baseline: ABSENT },
    contenders: [
      publishing(ABSENT, how, { oneIn: 1 }),
      traced(() => publishing(BESIDE, how, { oneIn: ONE_IN })),
      traced((tracing) => publishing(SOME, how, { oneIn: ONE_IN, tracing })),
      traced((tracing) => publishing(ALL, how, { oneIn: 1, tracing })),
    ],
  });
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  try {
    await consume(bench, streams);
    await publish(bench, streams);
  } finally {
    await streams.close();
  }
}

export const tracing: Suite = {
  name: 'tracing',
  about:
    'OpenTelemetry with the real SDK: absent, 1 % and 100 % of the traces sampled; consuming and publishing',
  goals,
  run,
};
