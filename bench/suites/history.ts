import { systemClock } from '#library/clock.js';
import { silentLog } from '#library/log.js';
import { subjectOf, tokenOf } from '#library/message/subject.js';
import { JetStreamApi } from '#library/stream/api/jetstream-api.js';
import { BatchedGet } from '#library/stream/api/batched-get.js';
import { Connection } from '#library/stream/connection/connection.js';
import { messagesOf, subjectMessages } from '#library/stream/wires/history.js';
import { Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender } from '../section.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor, rawMessage } from '../workload.js';

const LENGTHS = [10, 10_000];
const OTHERS = 10;
const BYTES = 256;
const TOPIC = 'history';
const SINGLE = 'one by one, from the leader';
const BATCHED = 'in batches';
const OURS = 'publisher.read';

const goals: Goal[] = [
  {
    text: 'a history of 10 000 events: in batches against one by one',
    section: '10000',
    contender: BATCHED,
    metric: 'rate',
    against: SINGLE,
    atLeast: 20,
  },
  {
    text: 'a history of 10 000 events: publisher.read, events decoded, against one by one',
    section: '10000',
    contender: OURS,
    metric: 'rate',
    against: SINGLE,
    atLeast: 20,
  },
];

/** Reads a history to its end; so many events. */
function reading(name: string, events: number, read: () => AsyncIterable<unknown>): Contender {
  return {
    name,
    run: async () => {
      const startedAt = performance.now();
      let seen = 0;
      for await (const event of read()) if (event !== undefined) seen++;
      const ms = performance.now() - startedAt;
      if (seen !== events) throw new Error(`expected ${events} events in the history, found ${seen}`);
      return { ms, rate: (events / ms) * 1_000 };
    },
  };
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const service = await Service.start(optionsFor(bench.server.url, [TOPIC]));
  const connection = await Connection.open({ servers: bench.server.url }, 'bench', silentLog);
  try {
    const publisher = service.publisher(TOPIC);
    await publisher.flush();
    const api = new JetStreamApi(connection);
    const batches = new BatchedGet(connection, api, TOPIC, systemClock);
    const text = paddingFor(BYTES);
    for (const length of LENGTHS) {
      const events = bench.scaled(length, 10);
      const id = `a${length}`;
      // Between two events of the history lie those of others.
      await streams.fill(TOPIC, events * OTHERS, (n) =>
        rawMessage(TOPIC, n % OTHERS === 0 ? id : `other-${n % OTHERS}`, { text }),
      );
      const subject = subjectOf(TOPIC, tokenOf(id));
      await bench.compare({
        id: String(length),
        title: `a history of ${events} events of ${BYTES} bytes`,
        metrics: [
          { key: 'rate', unit: 'events/s', better: 'more' },
          { key: 'ms', unit: 'ms', better: 'less' },
        ],
        baseline: SINGLE,
        contenders: [
          reading(SINGLE, events, () => messagesOf(subjectMessages(api, TOPIC, subject, undefined), 1)),
          reading(BATCHED, events, () => messagesOf(subjectMessages(api, TOPIC, subject, batches), 1)),
          reading(OURS, events, () => publisher.read(id)),
        ],
        notes: ['One by one is the way on nats-server 2.10, and of streams without allow_direct.'],
      });
    }
  } finally {
    await connection.close();
    await service.close();
    await streams.close();
  }
}

export const history: Suite = {
  name: 'history',
  about: "an aggregate's events read back: in batches, and one by one as on an old server",
  goals,
  isQuick: true,
  run,
};
