import { Worker } from '../child.js';
import { controllerFor, Service } from '../contenders/service.js';
import type { Contender, Sample } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, rawMessage } from '../workload.js';

const EVENTS = 40_000;
const AGGREGATES = 1_000;
const PARTITIONS = [1, 2, 4, 8];
const PROCESSES = [1, 2, 3];
const HANDLER_MS = [0, 1, 5];
const ALL_PARTITIONS = 8;
const ASK_EVERY_MS = 100;
/** Who holds which partition must not have changed for so long. */
const AT_REST_MS = 2_000;
const AT_REST_WITHIN_MS = 15_000;

let runs = 0;

async function makeStream(bench: Bench, topic: string): Promise<void> {
  const maker = await Service.start(optionsFor(bench.server.url, [topic]));
  await maker.publisher(topic).flush();
  await maker.close();
}

async function fill(streams: Streams, topic: string, events: number): Promise<void> {
  await streams.fill(topic, events, (index) => rawMessage(topic, `a${index % AGGREGATES}`, {}));
}

/** All partitions in this process, over a pre-filled stream. */
function inOneProcess(
  bench: Bench,
  streams: Streams,
  topic: string,
  work: { partitions: number; handlerMs: number; events: number },
): Contender {
  return {
    name: `${work.partitions} partition(s)`,
    run: async () => {
      const watch = new Stopwatch(work.events);
      const controller = controllerFor(topic, async () => {
        watch.begin();
        if (work.handlerMs > 0) await new Promise((resolve) => setTimeout(resolve, work.handlerMs));
        watch.end();
      });
      const group = `g${++runs}`;
      const options = optionsFor(bench.server.url, [topic], {
        group,
        consume: { partitions: work.partitions },
      });
      const service = await Service.start(options, [controller]);
      try {
        await watch.allSeen();
        await streams.settled(topic);
        return { rate: watch.rate() };
      } finally {
        await service.close();
        await streams.forgetReading(topic);
      }
    },
  };
}

interface Told {
  readonly running: number;
  readonly handled: number;
}

async function ask(workers: readonly Worker[]): Promise<Told[]> {
  for (const worker of workers) worker.tell({ kind: 'tell' });
  return Promise.all(workers.map(async (worker) => (await worker.hear('told')) as unknown as Told));
}

/** Waits until all partitions run somewhere and none has moved for a while. */
async function atRest(workers: readonly Worker[]): Promise<readonly Told[]> {
  let last = '';
  let since = performance.now();
  const until = since + AT_REST_WITHIN_MS;
  for (;;) {
    const told = await ask(workers);
    const now = told.map(({ running }) => running).join(' ');
    const all = told.reduce((sum, { running }) => sum + running, 0);
    if (now !== last) since = performance.now();
    last = now;
    if (all === ALL_PARTITIONS && performance.now() - since >= AT_REST_MS) return told;
    if (performance.now() > until)
      throw new Error(`the partitions did not come to rest; held: ${now || 'none'}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

/** Eight partitions, shared by some processes; the events are published when all partitions are held. */
function inProcesses(
  bench: Bench,
  streams: Streams,
  work: { processes: number; handlerMs: number; events: number },
): Contender {
  return {
    name: `${work.processes} process(es)`,
    run: async (): Promise<Sample> => {
      const topic = `scaled-${++runs}`;
      await makeStream(bench, topic);
      const args = [bench.server.url, topic, 'g', String(ALL_PARTITIONS), String(work.handlerMs)];
      const workers = Array.from({ length: work.processes }, () => new Worker('./scaling-worker.js', args));
      try {
        await Promise.all(workers.map((worker) => worker.hear('ready')));
        await atRest(workers);
        const startedAt = performance.now();
        await fill(streams, topic, work.events);
        await streams.settled(topic);
        const rate = (work.events * 1_000) / (performance.now() - startedAt);
        const told = await ask(workers);
        const busiest = Math.max(...told.map(({ handled }) => handled));
        const holders = told.filter(({ running }) => running > 0).length;
        return { rate, holders, busiest: busiest / work.events };
      } finally {
        await Promise.all(workers.map((worker) => worker.stop()));
        await streams.remove(topic);
      }
    },
  };
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const events = bench.scaled(EVENTS, 300);
  try {
    const topic = 'scaled';
    await makeStream(bench, topic);
    await fill(streams, topic, events);
    for (const handlerMs of HANDLER_MS) {
      await bench.compare({
        id: `partitions-${handlerMs}`,
        title: `${events} stored events of ${AGGREGATES} aggregates in one process, handler ${handlerMs} ms`,
        metrics: [{ key: 'rate', unit: 'events/s', better: 'more' }],
        baseline: '1 partition(s)',
        contenders: PARTITIONS.map((partitions) =>
          inOneProcess(bench, streams, topic, { partitions, handlerMs, events }),
        ),
      });
    }
    for (const handlerMs of HANDLER_MS) {
      await bench.compare({
        id: `processes-${handlerMs}`,
        title: `${events} events while they are published, ${ALL_PARTITIONS} partitions, handler ${handlerMs} ms`,
        metrics: [
          { key: 'rate', unit: 'events/s', better: 'more' },
          { key: 'holders', unit: 'that hold partitions', better: 'more' },
          { key: 'busiest', unit: 'share of the busiest', better: 'less' },
        ],
        baseline: '1 process(es)',
        maxRounds: 3,
        warmUps: 0,
        contenders: PROCESSES.map((processes) =>
          inProcesses(bench, streams, { processes, handlerMs, events }),
        ),
        notes: [
          'Publisher, server and processes share the cores of the machine; more processes than free cores bring nothing to handlers that only compute.',
        ],
      });
    }
  } finally {
    await streams.close();
  }
}

export const scaling: Suite = {
  name: 'scaling',
  about: 'throughput by partitions in one process, and by processes that share the partitions',
  goals: [],
  run,
};
