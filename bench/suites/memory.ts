import { storeBacklog } from '../backlog.js';
import { runChild } from '../child.js';
import type { Goal } from '../goal.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';

/** The largest batch there is: no more is fetched while handlers wait for a place. */
const HELD = 10_000;
const MANY = 1_000_000;
const FEW_LANES = 100;
const COST = 'an event of 256 B in a lane';

const goals: Goal[] = [
  {
    text: 'bytes per active aggregate, beside its events',
    section: 'lanes',
    contender: 'an active aggregate',
    metric: 'bytes',
    atMost: 500,
  },
  {
    text: 'bytes per aggregate that has come to rest',
    section: 'lanes',
    contender: 'an aggregate at rest',
    metric: 'bytes',
    atMost: 5,
  },
  ...['1 000 aggregates', '1 000 000 aggregates'].flatMap((contender): Goal[] => [
    {
      text: `growth over 1 000 000 events of ${contender}, MiB`,
      section: 'backlog',
      contender,
      metric: 'grown',
      atMost: 64,
    },
    {
      text: `of that after the first 100 000 events`,
      section: 'backlog',
      contender,
      metric: 'grownAfterWarm',
      atMost: 64,
    },
    {
      text: `lanes and timers left after them`,
      section: 'backlog',
      contender,
      metric: 'left',
      of: 'worst',
      atMost: 0,
    },
  ]),
];

async function compareLanes(bench: Bench, streams: Streams): Promise<void> {
  const events = bench.scaled(HELD, 500);
  const { url } = bench.server;
  await storeBacklog(url, streams, 'few-lanes', { events, aggregates: FEW_LANES });
  await storeBacklog(url, streams, 'many-lanes', { events, aggregates: events });
  // Both are measured in one round; the differences make the contenders.
  let few: Record<string, number> = {};
  let many: Record<string, number> = {};
  const bytesOf = (of: Record<string, number>, key: string): number => of[key] ?? Number.NaN;
  await bench.compare({
    id: 'lanes',
    title: `heap and buffers of ${events} events that wait, in ${FEW_LANES} lanes and in one each`,
    metrics: [{ key: 'bytes', unit: 'bytes', better: 'less' }],
    baseline: COST,
    maxRounds: 3,
    warmUps: 0,
    contenders: [
      {
        name: COST,
        run: async () => {
          few = await runChild('./memory-child.js', ['held', url, 'few-lanes', String(events)]);
          many = await runChild('./memory-child.js', ['held', url, 'many-lanes', String(events)]);
          return { bytes: bytesOf(few, 'bytes') / events };
        },
      },
      {
        name: 'an active aggregate',
        run: () =>
          Promise.resolve({ bytes: (bytesOf(many, 'bytes') - bytesOf(few, 'bytes')) / (events - FEW_LANES) }),
      },
      {
        name: 'an aggregate at rest',
        run: () =>
          Promise.resolve({ bytes: Math.max(0, bytesOf(many, 'left') - bytesOf(few, 'left')) / events }),
      },
    ],
    notes: [
      'A process of its own per figure, after a full collection. An event’s bytes include its share of the socket buffer it came in.',
    ],
  });
}

async function compareBacklogs(bench: Bench, streams: Streams): Promise<void> {
  const events = bench.scaled(MANY, 1_000);
  const { url } = bench.server;
  const contenders = [
    { name: '1 000 aggregates', topic: 'backlog-few', aggregates: Math.min(events, 1_000) },
    { name: '1 000 000 aggregates', topic: 'backlog-many', aggregates: events },
  ];
  for (const { topic, aggregates } of contenders)
    await storeBacklog(url, streams, topic, { events, aggregates });
  await bench.compare({
    id: 'backlog',
    title: `resident memory of a service while it handles a backlog of ${events} events`,
    metrics: [
      { key: 'grown', unit: 'MiB above the start', better: 'less' },
      { key: 'grownAfterWarm', unit: 'MiB after 100 000', better: 'less' },
      { key: 'start', unit: 'start MiB', better: 'less' },
      { key: 'lanes', unit: 'lanes at once', better: 'less' },
      { key: 'left', unit: 'lanes, timers left', better: 'less' },
    ],
    baseline: '1 000 aggregates',
    maxRounds: 2,
    warmUps: 0,
    contenders: [
      ...contenders.map(({ name, topic }) => ({
        name,
        run: async () => {
          const found = await runChild('./memory-child.js', ['backlog', url, topic, String(events)]);
          return { ...found, left: (found['lanesLeft'] ?? 0) + Math.max(0, found['timersLeft'] ?? 0) };
        },
      })),
      {
        name: 'raw pull + ack',
        run: () => runChild('./memory-child.js', ['raw', url, 'backlog-few', String(events)]),
      },
    ],
  });
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  try {
    await compareLanes(bench, streams);
    await compareBacklogs(bench, streams);
  } finally {
    await streams.close();
  }
}

export const memory: Suite = {
  name: 'memory',
  about: 'what an event, an active aggregate and one at rest cost, and what a million of each leaves behind',
  goals,
  run,
};
