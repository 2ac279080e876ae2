import { BEFORE, limitsOf, PlanBus, type PlanSettings } from '../contenders/plan-bus.js';
import { controllerFor, Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import { MemoryPeak } from '../memory-peak.js';
import { numberText } from '../number-text.js';
import { OrderWitness } from '../order-witness.js';
import { type Contender, type Metric, ratioIn, type Sample, type Section } from '../section.js';
import { percentile } from '../statistics.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, rawMessage } from '../workload.js';

const LEVELS = [500, 2_000, 5_000, 10_000];
const TOPICS = 5;
const BEFORE_NAME = 'before';
const OURS = 'ours';

/** Each switched on beside those before it, in the plan's order. */
const STEPS: readonly (readonly [string, Partial<PlanSettings>])[] = [
  [BEFORE_NAME, {}],
  ['+ 1 async publish', { asyncPublish: true }],
  ['+ 2 batch 500', { batch: 500 }],
  ['+ 3 wait 100 ms', { waitMs: 100 }],
  ['+ 5 connection per topic', { connectionPerTopic: true }],
  ['+ 8 wide limits', { wideLimits: true }],
  ['+ lanes (aggregates side by side)', { lanes: true }],
];
const ALL_ON: PlanSettings = Object.assign(
  {},
  BEFORE,
  ...STEPS.map(([, settings]) => settings),
) as PlanSettings;
const ALL_ON_NAME = 'the plan’s, all on, with lanes';

const metrics: readonly Metric[] = [
  { key: 'rate', unit: 'events/s', better: 'more' },
  { key: 'p50', unit: 'p50 ms', better: 'less' },
  { key: 'p99', unit: 'p99 ms', better: 'less' },
  { key: 'memory', unit: 'peak MiB', better: 'less' },
  { key: 'violations', unit: 'order violations', better: 'less' },
];

const goals: Goal[] = [
  {
    text: 'one topic, 4 ms handler: ours against before',
    section: 'one-topic',
    contender: OURS,
    metric: 'rate',
    against: BEFORE_NAME,
    atLeast: 50,
  },
  ...['one-topic', 'steps-0', 'steps-4', ...LEVELS.map((level) => `level-${level}`)].map((section): Goal => ({
    text: `order violations of ours, ${section}`,
    section,
    contender: OURS,
    metric: 'violations',
    of: 'worst',
    atMost: 0,
  })),
];

interface Work {
  readonly events: number;
  readonly aggregates: number;
  readonly topics: number;
  readonly handlerMs: number;
  /** Handlers at once, of ours. */
  readonly concurrency?: number;
}

/** The plan's share of messages per aggregate: ten each. */
function workOf(events: number, topics: number, handlerMs: number): Work {
  return { events, aggregates: Math.min(Math.max(Math.round(events / 10), 50), 1_000), topics, handlerMs };
}

interface Event {
  readonly topicIndex: number;
  readonly aggregateId: string;
  readonly version: number;
}

/** All events of an aggregate are on one topic, and each aggregate's n-th comes before any one's n+1-th. */
function eventOf({ aggregates, topics }: Work, index: number): Event {
  const aggregate = index % aggregates;
  const version = 1 + Math.floor(index / aggregates);
  return { topicIndex: aggregate % topics, aggregateId: `aggregate-${aggregate}`, version };
}

/** What every run counts, with any transport: time from the call that publishes to the handler's end, order, memory. */
class Account {
  readonly #latencies: number[] = [];
  readonly #witness = new OrderWitness();
  readonly #watch: Stopwatch;
  readonly #memory = new MemoryPeak();

  constructor(private readonly work: Work) {
    this.#watch = new Stopwatch(work.events);
  }

  async handle(aggregateId: string, version: number, payload: unknown): Promise<void> {
    this.#witness.begin(aggregateId, version);
    const { handlerMs } = this.work;
    if (handlerMs > 0) await new Promise((resolve) => setTimeout(resolve, handlerMs));
    this.#witness.end(aggregateId, version);
    this.#latencies.push(performance.now() - (payload as { at: number }).at);
    this.#watch.end();
  }

  /** Publishes, and stops the clock when the server has settled all. */
  async close(streams: Streams, topics: readonly string[], publish: () => Promise<unknown>): Promise<Sample> {
    this.#watch.begin();
    await Promise.all([publish(), this.#watch.allSeen()]);
    for (const topic of topics) await streams.settled(topic);
    return {
      rate: this.#watch.rate(),
      p50: percentile(this.#latencies, 0.5),
      p99: percentile(this.#latencies, 0.99),
      memory: this.#memory.stop(),
      violations: this.#witness.violations,
    };
  }
}

class PlanRuns {
  #runs = 0;

  constructor(
    private readonly url: string,
    private readonly streams: Streams,
  ) {}

  plan(name: string, settings: PlanSettings, work: Work): Contender {
    return {
      name,
      run: async () => {
        const topics = this.#topics(work);
        const limits = limitsOf(settings);
        for (const topic of topics) {
          await this.streams.add(topic, [`${topic}.>`], limits.stream);
          await this.streams.addConsumer(topic, 'plan', limits.consumer);
        }
        const account = new Account(work);
        const bus = new PlanBus(this.url, settings);
        try {
          await bus.open(topics, 'plan', (body) =>
            account.handle(body.aggregate_id, body.aggregate_version, body.payload),
          );
          return await account.close(this.streams, topics, () =>
            bus.publish(work.events, (index) => {
              const { topicIndex, aggregateId, version } = eventOf(work, index);
              const payload = { at: performance.now() };
              return { topicIndex, ...rawMessage(topics[topicIndex]!, aggregateId, payload, version) };
            }),
          );
        } finally {
          await bus.close();
          for (const topic of topics) await this.streams.remove(topic);
        }
      },
    };
  }

  ours(name: string, work: Work, connectionMode: 'perTopic' | 'shared' = 'perTopic'): Contender {
    return {
      name,
      run: async () => {
        const topics = this.#topics(work);
        const account = new Account(work);
        const options = optionsFor(this.url, topics, {
          group: 'plan',
          connectionMode,
          consume: work.concurrency === undefined ? {} : { concurrency: work.concurrency },
        });
        const controllers = topics.map((topic) =>
          controllerFor(topic, (payload, context) =>
            account.handle(context.aggregateId, context.aggregateVersion ?? 0, payload),
          ),
        );
        const service = await Service.start(options, controllers);
        try {
          await service.consuming();
          const publishers = topics.map((topic) => service.publisher(topic));
          return await account.close(this.streams, topics, () => {
            const calls = Array.from({ length: work.events }, (_, index) => {
              const { topicIndex, aggregateId, version } = eventOf(work, index);
              const payload = { at: performance.now() };
              const event = { aggregateId, type: 'Counted', payload, aggregateVersion: version };
              return publishers[topicIndex]!.publish(event);
            });
            return Promise.all(calls);
          });
        } finally {
          await service.close();
          for (const topic of topics) await this.streams.remove(topic);
        }
      },
    };
  }

  #topics({ topics }: Work): string[] {
    const run = ++this.#runs;
    return Array.from({ length: topics }, (_, index) => `plan-${run}-${index}`);
  }
}

/** Says of each step whether it pays, from its own ratio to the step before it. */
function payNote(section: Section): string[] {
  const names = section.contenders.map(({ name }) => name).filter((name) => name.startsWith('+'));
  const said = names.map((name, index) => {
    const before = index === 0 ? BEFORE_NAME : names[index - 1]!;
    const { median, min, max } = ratioIn(section, name, before, 'rate');
    const verdict = min > 1.05 ? 'pays' : max < 0.95 ? 'costs' : 'does not pay';
    return `${name.slice(2)}: × ${numberText(median)}, ${verdict}`;
  });
  return [`Each step against the one before it: ${said.join('; ')}.`];
}

function stepsOf(runs: PlanRuns, work: Work): Contender[] {
  let settings = BEFORE;
  const steps = STEPS.map(([name, change]) => {
    settings = { ...settings, ...change };
    return runs.plan(name, settings, work);
  });
  return [
    ...steps,
    runs.plan('all on, but one connection', { ...ALL_ON, connectionPerTopic: false }, work),
    runs.ours(OURS, work),
    runs.ours('ours, one connection', work, 'shared'),
  ];
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const runs = new PlanRuns(bench.server.url, streams);
  try {
    for (const level of LEVELS) {
      const work = workOf(bench.scaled(level, 50), TOPICS, 0);
      await bench.compare({
        id: `level-${level}`,
        title: `${work.events} messages, ${TOPICS} topics, ${work.aggregates} aggregates, handler 0 ms`,
        metrics,
        baseline: BEFORE_NAME,
        contenders: [
          runs.plan(BEFORE_NAME, BEFORE, work),
          runs.plan(ALL_ON_NAME, ALL_ON, work),
          runs.ours(OURS, work),
        ],
      });
    }
    for (const [handlerMs, events, maxRounds] of [
      [0, 5_000, 5],
      [4, 1_000, 3],
    ] as const) {
      const work = workOf(bench.scaled(events, 50), TOPICS, handlerMs);
      await bench.compare({
        id: `steps-${handlerMs}`,
        title: `step by step: ${work.events} messages, ${TOPICS} topics, ${work.aggregates} aggregates, handler ${handlerMs} ms`,
        metrics,
        baseline: BEFORE_NAME,
        maxRounds,
        contenders: stepsOf(runs, work),
        notes: payNote,
      });
    }
    await compareOneTopic(bench, runs);
    for (const handlerMs of [1, 4]) await compareLanes(bench, runs, handlerMs);
  } finally {
    await streams.close();
  }
}

async function compareOneTopic(bench: Bench, runs: PlanRuns): Promise<void> {
  const work = workOf(bench.scaled(10_000, 50), 1, 4);
  const few = { ...work, events: Math.ceil(work.events / 25) };
  await bench.compare({
    id: 'one-topic',
    title: `one topic, ${work.events} messages, ${work.aggregates} aggregates, handler 4 ms`,
    metrics,
    baseline: BEFORE_NAME,
    contenders: [
      runs.plan(BEFORE_NAME, BEFORE, few),
      runs.plan(ALL_ON_NAME, ALL_ON, work),
      runs.ours(OURS, work),
    ],
    notes: [
      `"before" handles ${few.events} of the messages: one at a time, its rate does not depend on how many there are.`,
    ],
  });
}

async function compareLanes(bench: Bench, runs: PlanRuns, handlerMs: number): Promise<void> {
  const counts = [1, 8, 16, 1_000];
  let serialRate = Number.NaN;
  const contenders = counts.map((aggregates): Contender => {
    const seconds = 0.7 * Math.max(bench.scale, 0.05);
    const events = Math.min(
      Math.ceil((aggregates * seconds * 1_000) / (handlerMs + 1)),
      bench.scaled(30_000, 50),
    );
    const work = { events, aggregates, topics: 1, handlerMs, concurrency: 1_000 };
    const ours = runs.ours('', work);
    return {
      name: aggregates === 1 ? '1 aggregate: serial' : `${aggregates} aggregates`,
      run: async (round) => {
        const sample = await ours.run(round);
        if (aggregates === 1) serialRate = sample['rate'] ?? Number.NaN;
        return { ...sample, share: (sample['rate'] ?? Number.NaN) / (aggregates * serialRate) };
      },
    };
  });
  await bench.compare({
    id: `lanes-${handlerMs}`,
    title: `ours by active aggregates, one topic, handler ${handlerMs} ms, concurrency 1 000`,
    metrics: [
      metrics[0]!,
      { key: 'share', unit: '÷ (aggregates × serial)', better: 'more' },
      ...metrics.slice(1),
    ],
    baseline: '1 aggregate: serial',
    contenders,
    notes: [
      'Where the share is near 1 the rate says how many aggregates were active and how long the handler took, and nothing ' +
        'about the transport; where it is far below, the processor was the limit. The plan’s own figures are of the first kind.',
    ],
  });
}

export const plan: Suite = {
  name: 'plan',
  about: 'the workload of the plan this project grew from, its optimisations switched on one after the other',
  goals,
  run,
};
