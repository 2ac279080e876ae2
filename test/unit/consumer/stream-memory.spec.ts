import { expect, test } from '@jest/globals';
import { judgeStream, StreamMemory } from '#library/consumer/stream-memory.js';
import { FakeConsumerPort, recordedLog, stateOf } from './fake-consumer-port.js';

const stream = { created: 'then', firstSequence: 1, lastSequence: 50 };

test.each([
  ['nothing is remembered yet', '', 0, 'same'],
  ['it goes on', 'then', 50, 'same'],
  ['it was made at another time', 'before', 10, 'remade'],
  ['it ends before what was handled', 'then', 51, 'regressed'],
])('%s', (_what, created, highest, judgement) => {
  expect(judgeStream(created, highest, stream)).toBe(judgement);
});

function bench(port: FakeConsumerPort) {
  const log = recordedLog();
  const memory = new StreamMemory('orders/billing/0', port, log);
  memory.inherit({ floor: 20, streamCreated: 'then', crashed: false });
  return { memory, log };
}

test('a consumer that is gone is made anew behind the last event known to be settled', async () => {
  const created: number[] = [];
  const port = Object.assign(new FakeConsumerPort(), {
    stream: () => Promise.resolve(stream),
    find: () => Promise.resolve(undefined),
    create: (from: number) => Promise.resolve(void created.push(from)),
  });
  const { memory } = bench(port);
  expect(await memory.inspect(0)).toBe('consumer remade');
  expect(created).toEqual([21]);
});

test('a stream made anew is handled from its first event, whatever was settled before', async () => {
  const created: number[] = [];
  const port = Object.assign(new FakeConsumerPort(), {
    stream: () => Promise.resolve({ ...stream, created: 'later' }),
    find: () => Promise.resolve(undefined),
    create: (from: number) => Promise.resolve(void created.push(from)),
  });
  const { memory } = bench(port);
  expect(await memory.inspect(30)).toBe('remade');
  expect(created).toEqual([1]);
  expect(memory.floor).toBe(0);
});

test('events the stream dropped before they were delivered are reported', async () => {
  const port = Object.assign(new FakeConsumerPort(), {
    stream: () => Promise.resolve({ ...stream, firstSequence: 40 }),
    find: () => Promise.resolve(stateOf({ delivered: 20 })),
  });
  const { memory, log } = bench(port);
  expect(await memory.inspect(20)).toBe('same');
  expect(JSON.stringify(log)).toContain('has dropped events up to sequence 39');
});

test('a stream that went back is noticed though the lease, restored with it, remembers less', async () => {
  let last = 50;
  const port = Object.assign(new FakeConsumerPort(), {
    stream: () => Promise.resolve({ ...stream, lastSequence: last }),
    find: () => Promise.resolve(stateOf({ delivered: 50 })),
  });
  const { memory } = bench(port);
  memory.saw(48);
  expect(await memory.inspect(0)).toBe('same');
  last = 30;
  memory.inherit({ floor: 20, streamCreated: 'then', crashed: false });
  expect(await memory.inspect(0)).toBe('regressed');
});

test('what was seen of a stream says nothing of the one that was made in its place', async () => {
  const port = Object.assign(new FakeConsumerPort(), {
    stream: () => Promise.resolve({ created: 'later', firstSequence: 1, lastSequence: 3 }),
    find: () => Promise.resolve(stateOf({ delivered: 2 })),
  });
  const { memory } = bench(port);
  memory.saw(48);
  expect(await memory.inspect(48)).toBe('remade');
  expect(await memory.inspect(2)).toBe('same');
  const other = bench(port).memory;
  other.saw(48);
  other.inherit({ floor: 2, streamCreated: 'later', crashed: false });
  expect(await other.inspect(0)).toBe('same');
});
