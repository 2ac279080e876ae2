import { describe, expect, test } from '@jest/globals';
import { GroupLooks } from '#library/observe/group-looks.js';
import { snapshotOf } from '#library/observe/snapshot.js';
import { ObservedBench } from './observed-bench.js';

function worldOf(bench = new ObservedBench()) {
  const looks = new GroupLooks(bench);
  return { bench, looks, topic: bench.topic, group: bench.topic.groups[0]! };
}

function serverSays(bench: ObservedBench, delivered: number, pending: number, firstSequence = 1): void {
  const consumer = { delivered, pending, unsettled: 1 };
  const partitions = [
    { partition: 0, lease: undefined, consumer, oldestStoredAt: bench.clock.wallNow() - 500 },
  ];
  bench.answer = () => Promise.resolve({ firstSequence, partitions });
}

describe('looks at the server', () => {
  test('are shared by all who ask within a second, failures too', async () => {
    const { bench, looks, topic, group } = worldOf();
    await Promise.all([looks.all(topic, group), looks.owned(topic, group), looks.all(topic, group)]);
    await bench.clock.advance(999);
    await looks.owned(topic, group);
    expect(bench.questions).toHaveLength(1);
    bench.answer = () => Promise.reject(new Error('away'));
    await bench.clock.advance(1);
    await expect(looks.owned(topic, group)).rejects.toThrow('away');
    await expect(looks.owned(topic, group)).rejects.toThrow('away');
    expect(bench.questions).toHaveLength(2);
  });

  test('read no lease that is known, and ask about foreign partitions only if somebody wants them', async () => {
    const { bench, looks, topic, group } = worldOf();
    await looks.owned(topic, group);
    expect(bench.questions).toMatchObject([{ partitions: 1, known: new Map([[0, 2]]), knownOnly: true }]);
    await looks.all(topic, group);
    expect(bench.questions[1]).toMatchObject({ knownOnly: false });
    bench.leaseMode = 'seeking';
    await bench.clock.advance(1_000);
    await looks.all(topic, group);
    expect(bench.questions[2]!.known.size).toBe(0);
  });

  test('tell a partition where its stream begins if it had events to come, and only then', async () => {
    const { bench, looks, topic, group } = worldOf();
    // Up to date: what the stream drops behind it was delivered, or another partition's.
    serverSays(bench, 10, 0, 5_000);
    await looks.owned(topic, group);
    expect(bench.seen).toEqual([]);
    serverSays(bench, 10, 7, 5_000);
    await bench.clock.advance(1_000);
    await looks.owned(topic, group);
    // Everything it still had to read is gone.
    serverSays(bench, 10, 0, 6_000);
    await bench.clock.advance(1_000);
    await looks.owned(topic, group);
    expect(bench.seen).toEqual([
      [10, 5_000],
      [10, 6_000],
    ]);
  });
});

describe('a snapshot', () => {
  test('tells lag and age from the server, and the rest from memory', async () => {
    const { bench, looks } = worldOf();
    serverSays(bench, 10, 4);
    const { topics } = await snapshotOf(bench, looks, 10);
    expect(topics).toMatchObject([
      {
        topic: 'orders',
        connection: 'connected',
        publisher: { pending: 3, published: 5, failed: 1, unknown: 1, batching: { on: false } },
        groups: [
          {
            group: 'billing',
            lookFailed: undefined,
            partitions: [
              {
                owner: { id: 'me', isThisProcess: true },
                epoch: 7,
                lag: 5,
                unsettled: 1,
                oldestUnsettledMs: 500,
              },
            ],
          },
        ],
      },
    ]);
  });

  test('of a process that is cut off says so, asks nothing, and knows no lag', async () => {
    const { bench, looks } = worldOf();
    bench.topic.connected = false;
    const [topic] = (await snapshotOf(bench, looks, 10)).topics;
    expect(topic).toMatchObject({ connection: 'reconnecting' });
    expect(topic!.groups[0]).toMatchObject({ lookFailed: expect.stringContaining('away') });
    expect(topic!.groups[0]!.partitions[0]).toMatchObject({ lag: undefined, mode: 'running' });
    expect(bench.questions).toEqual([]);
  });

  test('outlives a server that does not answer', async () => {
    const { bench, looks } = worldOf();
    bench.answer = () => Promise.reject(new Error('too slow'));
    const [topic] = (await snapshotOf(bench, looks, 10)).topics;
    expect(topic!.groups[0]).toMatchObject({ lookFailed: 'Error: too slow' });
  });
});
