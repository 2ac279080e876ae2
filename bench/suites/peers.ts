import { existsSync } from 'node:fs';
import { Worker } from '../child.js';
import type { Goal } from '../goal.js';
import type { Contender } from '../section.js';
import type { Bench, Suite } from '../suite.js';

const INSTALLED = 'bench/peers/node_modules/@horizon-republic/nestjs-jetstream';
const OURS = 'ours';
/** The fastest that stores its events, as it comes and as it can be tuned. */
const KEEPERS = ['nestjs-jetstream', 'nestjs-jetstream, tuned'];

const goals: Goal[] = [
  ...KEEPERS.map((peer): Goal => ({
    text: `consume, 1 000 keys: ours against ${peer}`,
    section: 'sync',
    contender: OURS,
    metric: 'rate',
    against: peer,
    atLeast: 3,
  })),
  ...KEEPERS.map((peer): Goal => ({
    text: `publish, 1 000 keys: ours against ${peer}`,
    section: 'sync',
    contender: OURS,
    metric: 'publish',
    against: peer,
    atLeast: 3,
  })),
  ...['sync', 'hot', 'round-robin', 'failing', 'hot-failing'].flatMap((section): Goal[] =>
    ['violations', 'missing'].map((metric) => ({
      text: `${metric} of ours, ${section}`,
      section,
      contender: OURS,
      metric,
      of: 'worst',
      atMost: 0,
    })),
  ),
];

interface Work {
  readonly events: number;
  readonly keys: number;
  readonly maxMs: number;
  readonly failShare: number;
}

const PEERS = [
  { name: OURS, peer: 'ours', stored: true },
  { name: KEEPERS[0]!, peer: 'jetstream', stored: true },
  { name: KEEPERS[1]!, peer: 'jetstream-tuned', stored: true },
  { name: 'nestjs-jetstream, concurrency 1', peer: 'jetstream-serial', stored: true },
  { name: 'Nest NATS (not stored)', peer: 'nats', stored: false },
] as const;

let runs = 0;

function contender(bench: Bench, { name, peer, stored }: (typeof PEERS)[number], work: Work): Contender {
  return {
    name,
    run: async () => {
      const { events, keys, maxMs, failShare } = work;
      const rest = [`peer${++runs}`, events, keys, maxMs, failShare].map(String);
      const script =
        peer === 'ours' ? './peer-ours.js' : new URL('../../../bench/peers/worker.js', import.meta.url);
      const workers: Worker[] = [];
      const start = async (role: 'publish' | 'consume'): Promise<Worker> => {
        const worker = new Worker(script, [peer, role, bench.server.url, ...rest]);
        workers.push(worker);
        await worker.hear('ready');
        return worker;
      };
      try {
        // Of transports that store: streams and consumers are made by a first start, so that the second one finds a backlog.
        let consumer = await start('consume');
        if (stored) await consumer.stop();
        const publisher = await start('publish');
        publisher.tell({ kind: 'publish' });
        const { rate: publish } = await publisher.hear('published');
        await publisher.stop();
        if (stored) consumer = await start('consume');
        consumer.tell({ kind: 'count' });
        const { rate, violations, missing } = await consumer.hear('counted');
        return { rate, publish, violations, missing } as Record<string, number>;
      } finally {
        await Promise.all(workers.map((worker) => worker.stop()));
      }
    },
  };
}

async function compare(
  bench: Bench,
  id: string,
  work: Work,
  which: readonly (typeof PEERS)[number][] = PEERS,
): Promise<void> {
  const fails = work.failShare > 0 ? `, ${work.failShare * 100} % of the events fail once` : '';
  const handler = work.maxMs === 0 ? 'synchronous handlers' : `handlers of 0–${work.maxMs} ms`;
  await bench.compare({
    id,
    title: `${work.events} events of ${work.keys} keys, ${handler}${fails}`,
    metrics: [
      { key: 'rate', unit: 'handled/s', better: 'more' },
      { key: 'publish', unit: 'published/s', better: 'more' },
      { key: 'violations', unit: 'order violations', better: 'less' },
      { key: 'missing', unit: 'never handled', better: 'less' },
    ],
    baseline: OURS,
    maxRounds: 3,
    warmUps: 0,
    contenders: which.map((peer) => contender(bench, peer, work)),
  });
}

async function run(bench: Bench): Promise<void> {
  const ready = existsSync(INSTALLED);
  if (!ready)
    console.error('the peers are not installed (npm install --prefix bench/peers): only ours is measured');
  const peers = PEERS.filter(({ peer }) => ready || peer === 'ours');
  const fast = peers.filter(({ peer }) => peer !== 'jetstream-serial');
  const many = bench.scaled(20_000, 100);
  const few = bench.scaled(2_000, 100);
  await compare(bench, 'sync', { events: many, keys: 1_000, maxMs: 0, failShare: 0 }, fast);
  await compare(bench, 'hot', { events: few, keys: 20, maxMs: 5, failShare: 0 }, peers);
  await compare(bench, 'round-robin', { events: few, keys: 1_000, maxMs: 5, failShare: 0 }, fast);
  await compare(bench, 'failing', { events: many, keys: 1_000, maxMs: 0, failShare: 0.01 }, fast);
  await compare(bench, 'hot-failing', { events: few, keys: 20, maxMs: 5, failShare: 0.01 }, peers);
}

export const peers: Suite = {
  name: 'peers',
  about: 'the same work with nestjs-jetstream and with Nest’s own NATS transport, order violations counted',
  goals,
  run,
};
