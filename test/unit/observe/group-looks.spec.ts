import { describe, expect, test } from '@jest/globals';
import { GroupLooks } from '#library/observe/group-looks.js';
import { snapshotOf } from '#library/observe/snapshot.js';
import type { StreamHoles } from '#library/records/group-on-server.js';
import { NO_HOLES, ObservedFixture } from './observed-fixture.js';

function worldOf(fixture = new ObservedFixture()) {
  const looks = new GroupLooks(fixture);
  return { fixture, looks, topic: fixture.topic, group: fixture.topic.groups[0]! };
}

function serverSays(fixture: ObservedFixture, pending: number, firstSequence = 1): void {
  const position = { high: 10, epoch: 7, run: 0, unsettled: 1, pending };
  const oldestStoredAt = fixture.clock.wallNow() - 500;
  const partitions = [
    { partition: 0, lease: undefined, position, oldestStoredAt, oldestSequence: undefined },
  ];
  fixture.answer = () => Promise.resolve({ firstSequence, holes: NO_HOLES, room: undefined, partitions });
}

describe('looks at the server', () => {
  test('are shared by all callers within a second, failures too', async () => {
    const { fixture, looks, topic, group } = worldOf();
    await Promise.all([looks.all(topic, group), looks.owned(topic, group), looks.all(topic, group)]);
    await fixture.clock.advance(999);
    await looks.owned(topic, group);
    expect(fixture.questions).toHaveLength(1);
    fixture.answer = () => Promise.reject(new Error('away'));
    await fixture.clock.advance(1);
    await expect(looks.owned(topic, group)).rejects.toThrow('away');
    await expect(looks.owned(topic, group)).rejects.toThrow('away');
    expect(fixture.questions).toHaveLength(2);
  });

  test('read no lease that this process holds, and ask about foreign partitions only when a caller wants all', async () => {
    const { fixture, looks, topic, group } = worldOf();
    await looks.owned(topic, group);
    expect(fixture.questions).toMatchObject([{ partitions: 1, owned: new Set([0]), ownedOnly: true }]);
    await looks.all(topic, group);
    expect(fixture.questions[1]).toMatchObject({ ownedOnly: false });
    fixture.leaseMode = 'seeking';
    await fixture.clock.advance(1_000);
    await looks.all(topic, group);
    expect(fixture.questions[2]!.owned.size).toBe(0);
  });

  test('tell a partition where its stream begins, and whether it had events to come, now or at the last look', async () => {
    const { fixture, looks, topic, group } = worldOf();
    // Up to date: what the stream drops is settled, or belongs to another partition.
    serverSays(fixture, 0, 5_000);
    await looks.owned(topic, group);
    serverSays(fixture, 7, 5_000);
    await fixture.clock.advance(1_000);
    await looks.owned(topic, group);
    // Everything it still had to read is gone.
    serverSays(fixture, 0, 6_000);
    await fixture.clock.advance(1_000);
    await looks.owned(topic, group);
    expect(fixture.seen.map(({ firstSequence, wasBehind }) => [firstSequence, wasBehind])).toEqual([
      [5_000, false],
      [5_000, true],
      [6_000, true],
    ]);
  });

  test('ask for the list of holes when it has changed, and tell it with every look', async () => {
    const { fixture, looks, topic, group } = worldOf();
    const position = { high: 10, epoch: 7, run: 0, unsettled: 1, pending: 3 };
    const partitions = [
      { partition: 0, lease: undefined, position, oldestStoredAt: 5, oldestSequence: undefined },
    ];
    const answers: StreamHoles[] = [
      { version: 'v1', count: 2, sequences: [4, 11] },
      { version: 'v1', count: 2, sequences: undefined },
      // Too many to list.
      { version: 'v2', count: 300_002, sequences: undefined },
    ];
    for (const holes of answers) {
      fixture.answer = () => Promise.resolve({ firstSequence: 1, holes, room: undefined, partitions });
      await looks.owned(topic, group);
      await fixture.clock.advance(1_000);
    }
    expect(fixture.questions.map(({ knownHoles }) => knownHoles)).toEqual(['', 'v1', 'v1']);
    expect(fixture.seen.map(({ holes, unlisted }) => [holes, unlisted])).toEqual([
      [[4, 11], 0],
      [[4, 11], 0],
      [[], 300_000],
    ]);
  });
});

test('a look names the layout, and the answer about an earlier layout is not used for a later one', async () => {
  const { fixture, looks, topic, group } = worldOf();
  await looks.all(topic, group);
  await looks.all(topic, { ...group, layout: 3 });
  expect(fixture.questions.map(({ layout }) => layout)).toEqual([2, 3]);
});

describe('a snapshot', () => {
  test('tells lag and age from the server, and the rest from memory', async () => {
    const { fixture, looks } = worldOf();
    serverSays(fixture, 4);
    const { topics } = await snapshotOf(fixture, looks, 10);
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

  test('tells for how long positions cannot be committed and no reader answers', async () => {
    const { fixture, looks } = worldOf();
    Object.assign(fixture.load, { notCommittingMs: 70, notReadingMs: 80 });
    const [topic] = (await snapshotOf(fixture, looks, 10)).topics;
    expect(topic!.groups[0]!.partitions[0]).toMatchObject({ notCommittingMs: 70, notReadingMs: 80 });
  });

  test('of a process without a connection says so, asks the server nothing, and knows no lag', async () => {
    const { fixture, looks } = worldOf();
    fixture.topic.connected = false;
    const [topic] = (await snapshotOf(fixture, looks, 10)).topics;
    expect(topic).toMatchObject({ connection: 'reconnecting' });
    expect(topic!.groups[0]).toMatchObject({ lookFailed: expect.stringContaining('away') });
    expect(topic!.groups[0]!.partitions[0]).toMatchObject({ lag: undefined, mode: 'running' });
    expect(fixture.questions).toEqual([]);
  });

  test('outlives a server that does not answer', async () => {
    const { fixture, looks } = worldOf();
    fixture.answer = () => Promise.reject(new Error('too slow'));
    const [topic] = (await snapshotOf(fixture, looks, 10)).topics;
    expect(topic!.groups[0]).toMatchObject({ lookFailed: 'Error: too slow' });
  });
});
