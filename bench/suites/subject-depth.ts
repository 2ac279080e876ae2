import { pipelined } from '../contenders/raw-publish.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';

const EVENTS = 60_000;
const AGGREGATES = 1_000;
const BODY = Buffer.from(JSON.stringify({ text: 'x'.repeat(240) }));
const BITS = Array.from({ length: 256 }, (_, slot) => slot.toString(2).padStart(8, '0').split('').join('.'));
const PLAIN = 'without the bits';

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const events = bench.scaled(EVENTS, 200);
  const contender = (
    name: string,
    stream: string,
    subjects: string,
    subjectOf: (index: number) => string,
  ) => ({
    name,
    run: async () => {
      await streams.add(stream, [subjects]);
      const startedAt = performance.now();
      await pipelined(streams.nats, {
        events,
        window: 2_048,
        messageOf: (index) => ({
          subject: subjectOf(index % AGGREGATES),
          body: BODY,
          headers: BODY,
        }),
      });
      const rate = (events * 1_000) / (performance.now() - startedAt);
      await streams.remove(stream);
      return { rate };
    },
  });
  try {
    await bench.compare({
      id: 'bits',
      title: `${events} acked publishes over one inbox, by the depth of their subjects`,
      metrics: [{ key: 'rate', unit: 'events/s', better: 'more' }],
      baseline: PLAIN,
      contenders: [
        contender(PLAIN, 'plain', 'plain.*', (n) => `plain.aggregate-${n}`),
        contender(
          'with the eight bits',
          'bits',
          `bits.${'*.'.repeat(8)}*`,
          (n) => `bits.${BITS[n % BITS.length] ?? ''}.aggregate-${n}`,
        ),
      ],
    });
  } finally {
    await streams.close();
  }
}

export const subjectDepth: Suite = {
  name: 'subject-depth',
  about: 'what the eight partition bits in every subject cost the publish side (decision 0001)',
  goals: [],
  isQuick: true,
  run,
};
