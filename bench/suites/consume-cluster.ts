import { storeBacklog } from '../backlog.js';
import { Reading, trivial } from '../contenders/reading.js';
import type { Goal } from '../goal.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';

const SERVERS = 3;
const EVENTS = 100_000;
const AGGREGATES = [1, 1_000, 100_000];

const RAW = 'raw pull + ack';
const DOOR = 'ours, to the handler’s door';
const NEST = 'ours, through Nest';

const goals: Goal[] = AGGREGATES.map((aggregates) => ({
  text: `three servers, ${aggregates} aggregate(s): up to the handler’s door`,
  section: `${aggregates}-aggregates`,
  contender: DOOR,
  metric: 'rate',
  against: RAW,
  atLeast: 1.3,
}));

async function run(bench: Bench): Promise<void> {
  // All contenders speak to the same server, wherever the stream's leader is.
  const { url } = bench.server;
  const streams = await Streams.open(url);
  const events = bench.scaled(EVENTS, 200);
  const stream = { replicas: SERVERS };
  try {
    for (const aggregates of AGGREGATES) {
      const topic = `replicated-${aggregates}`;
      await storeBacklog(url, streams, topic, { events, aggregates, stream });
      const reading = new Reading({ url, streams, topic, events, stream });
      await bench.compare({
        id: `${aggregates}-aggregates`,
        title: `${events} stored events of ${aggregates} aggregate(s) on three servers, trivial handler`,
        metrics: [
          { key: 'rate', unit: 'events/s', better: 'more' },
          { key: 'cpu', unit: 'client µs', better: 'less' },
          { key: 'readers', unit: 'extra readers', better: 'less' },
        ],
        baseline: RAW,
        contenders: [reading.raw(RAW, trivial), reading.door(DOOR, trivial), reading.nest(NEST, trivial)],
      });
      await streams.remove(topic);
    }
  } finally {
    await streams.close();
  }
}

export const consumeCluster: Suite = {
  name: 'consume-cluster',
  about: 'the same with three servers and three replicas of each stream',
  goals,
  servers: SERVERS,
  run,
};
