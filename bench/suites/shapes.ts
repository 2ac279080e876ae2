import { type as ark } from 'arktype';
import {
  AggregateClient,
  type AggregateEvent,
  AggregateRecord,
  defineTopic,
  type TopicRef,
  type,
} from 'nestjs-aggregate-transport';
import { lastValueFrom } from 'rxjs';
import * as v from 'valibot';
import { z } from 'zod';
import { storeBacklog } from '../backlog.js';
import { Reading } from '../contenders/reading.js';
import { controllerFor, Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor } from '../workload.js';

const TOPIC = 'shaped';
const EVENTS = 100_000;
const AGGREGATES = 1_000;
/** What one wave publishes before it waits. */
const PUBLISHED = 20_000;

const BARE = 'a bare name';
const TYPES = 'types alone';
const ZOD = 'zod';

interface Text {
  readonly text: string;
}

/** The workload's payload of one text, as each way of a definition has it. */
const TOPICS: Readonly<Record<string, TopicRef>> = {
  [BARE]: TOPIC,
  [TYPES]: defineTopic(TOPIC, { Counted: type<Text>() }),
  'a version, no schema': defineTopic(TOPIC, { Counted: { version: 1, schema: type<Text>() } }),
  [ZOD]: defineTopic(TOPIC, { Counted: { version: 1, schema: z.object({ text: z.string() }) } }),
  valibot: defineTopic(TOPIC, { Counted: { version: 1, schema: v.object({ text: v.string() }) } }),
  arktype: defineTopic(TOPIC, { Counted: { version: 1, schema: ark({ text: 'string' }) } }),
  'zod, after two upcasters': defineTopic(TOPIC, {
    Counted: {
      version: 3,
      schema: z.object({ text: z.string() }),
      upcast: { 1: (old: Text) => ({ ...old }), 2: (old: Text) => ({ ...old }) },
    },
  }),
};

const goals: Goal[] = ['consume', 'publish'].map((section) => ({
  text: `${section}: types alone cost nothing`,
  section,
  contender: TYPES,
  metric: 'rate',
  against: BARE,
  atLeast: 0.95,
}));

const metrics = [
  { key: 'rate', unit: 'events/s', better: 'more' },
  { key: 'cpu', unit: 'client µs', better: 'less' },
] as const;

async function consume(bench: Bench, streams: Streams): Promise<void> {
  const { url } = bench.server;
  const events = bench.scaled(EVENTS, 200);
  await storeBacklog(url, streams, TOPIC, { events, aggregates: AGGREGATES });
  const reading = new Reading({ url, streams, topic: TOPIC, events });
  const contender = ([name, topic]: [string, TopicRef]): Contender =>
    reading.service(name, (watch) =>
      controllerFor(topic, () => {
        watch.begin();
        watch.end();
        return undefined;
      }),
    );
  await bench.compare({
    id: 'consume',
    title: `${events} stored events of ${AGGREGATES} aggregates, trivial handler`,
    ...{ metrics, baseline: BARE, contenders: Object.entries(TOPICS).map(contender) },
  });
}

async function publish(bench: Bench, streams: Streams): Promise<void> {
  const events = bench.scaled(PUBLISHED, 200);
  const payload = { text: paddingFor(256) };
  let runs = 0;
  const services: Service[] = [];
  const contender = async ([name, topic]: [string, TopicRef]): Promise<Contender> => {
    const service = await Service.start(optionsFor(bench.server.url, [TOPIC]));
    services.push(service);
    // Its first use makes the definition known to the service.
    const first = new AggregateRecord({ aggregateId: 'first', type: 'Counted', payload });
    await lastValueFrom(service.get(AggregateClient).emit(topic, first));
    const publisher = service.publisher(TOPIC);
    return {
      name,
      run: async () => {
        const run = ++runs;
        await streams.empty(TOPIC);
        const watch = new Stopwatch(events);
        watch.begin();
        const calls = Array.from({ length: events }, (_, index) => {
          const event: AggregateEvent = {
            aggregateId: `${run}-${index % AGGREGATES}`,
            type: 'Counted',
            payload,
          };
          return publisher.publish(event);
        });
        await Promise.all(calls);
        watch.end(events);
        return { rate: watch.rate(), cpu: watch.cpu() };
      },
    };
  };
  const contenders: Contender[] = [];
  for (const entry of Object.entries(TOPICS)) contenders.push(await contender(entry));
  try {
    await bench.compare({
      id: 'publish',
      title: `${events} events of ${AGGREGATES} aggregates, all called at once`,
      ...{ metrics, baseline: BARE, contenders },
    });
  } finally {
    for (const service of services) await service.close();
  }
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

export const shapes: Suite = {
  name: 'shapes',
  about: 'topics with versions and schemas against bare ones: handling and publishing',
  goals,
  run,
};
