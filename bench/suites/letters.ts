import { ParkedAggregates } from 'nestjs-aggregate-transport';
import { controllerFor, Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender, Sample } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor, rawMessage } from '../workload.js';

const LETTERS = 40_000;
const AGGREGATES = [1, 100, 1_000];
const BYTES = 256;
/** All of them are to be parked, so the breaker must not forbid it. */
const NO_BREAKER = { parked: 1_000_000 };
const LEAST_RATE = 10_000;
const ONE = nameFor(1);

function nameFor(aggregates: number): string {
  return `letters of ${aggregates}`;
}

const goals: Goal[] = AGGREGATES.map((aggregates) => ({
  text: `letters of ${aggregates} aggregate(s), replayed a second`,
  section: 'replay',
  contender: nameFor(aggregates),
  metric: 'rate',
  atLeast: LEAST_RATE,
}));

/** Asks until no letter is left: a request that the busy server does not answer in time is sent again. */
async function retried(
  parked: ParkedAggregates,
  address: { topic: string; aggregateId: string },
): Promise<void> {
  for (;;) {
    const outcome = await parked.retry(address).then(
      (result) => result.outcome,
      (error: unknown) => (error as { code?: string }).code,
    );
    if (outcome === 'unparked' || outcome === 'NOT_PARKED') return;
  }
}

/** Parks all events of some aggregates, and replays them. */
function replaying(bench: Bench, streams: Streams, aggregates: number): Contender {
  const letters = bench.scaled(LETTERS, 2 * aggregates);
  let runs = 0;
  return {
    name: nameFor(aggregates),
    run: async (): Promise<Sample> => {
      const topic = `letters-${aggregates}-${++runs}`;
      const watch = new Stopwatch(letters);
      let isBroken = true;
      const handle = (): void => {
        if (isBroken) throw new Error('not yet');
        watch.begin();
        watch.end();
      };
      const consume = { retry: { attempts: 1 }, breaker: NO_BREAKER };
      const options = optionsFor(bench.server.url, [topic], { group: 'g', consume });
      const service = await Service.start(options, [controllerFor(topic, handle)], undefined, []);
      try {
        await service.consuming();
        const text = paddingFor(BYTES);
        await streams.fill(topic, letters, (n) => rawMessage(topic, `a${n % aggregates}`, { text }));
        await streams.settled(topic);
        const parked = service.get(ParkedAggregates);
        isBroken = false;
        const ids = Array.from({ length: aggregates }, (_, n) => `a${n}`);
        const startedAt = performance.now();
        await Promise.all(ids.map((aggregateId) => retried(parked, { topic, aggregateId })));
        const wholeMs = performance.now() - startedAt;
        await watch.allSeen();
        return { rate: watch.seen / (wholeMs / 1_000), cpu: watch.cpu() };
      } finally {
        await service.close();
        await streams.remove(topic);
      }
    },
  };
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  try {
    await bench.compare({
      id: 'replay',
      title: `${LETTERS} letters of ${BYTES} bytes, replayed through Nest to a handler that ends at once`,
      metrics: [
        { key: 'rate', unit: 'letters/s', better: 'more' },
        { key: 'cpu', unit: 'µs a letter', better: 'less' },
      ],
      baseline: ONE,
      contenders: AGGREGATES.map((aggregates) => replaying(bench, streams, aggregates)),
      notes: [
        'From the call of retry, for all aggregates at once, to the last answer: no letter and no marker is left.',
      ],
    });
  } finally {
    await streams.close();
  }
}

export const letters: Suite = {
  name: 'letters',
  about: 'parked events that are replayed after retry, of one aggregate and of many',
  goals,
  isQuick: true,
  run,
};
