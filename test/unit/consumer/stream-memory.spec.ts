import { expect, test } from '@jest/globals';
import { type Inheritance, judgeStream, StreamMemory } from '#library/consumer/stream-memory.js';
import type { ConsumerState } from '#library/message/reader-port.js';
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

const LAST: Inheritance = {
  floor: 20,
  streamCreated: 'then',
  crashed: false,
  generation: 0,
  retired: [],
  mayCreate: false,
};

function bench(port: FakeConsumerPort, inheritance: Partial<Inheritance> = {}) {
  const log = recordedLog();
  const memory = new StreamMemory('orders/billing/0', port, log);
  memory.inherit({ ...LAST, ...inheritance });
  return { memory, log };
}

function portWithout(consumer: FakeConsumerPort['find'], streamCreated = 'then') {
  return Object.assign(new FakeConsumerPort(), {
    stream: () => Promise.resolve({ ...stream, created: streamCreated }),
    find: consumer,
  });
}

const gone = (): Promise<undefined> => Promise.resolve(undefined);
const there = (): Promise<ConsumerState> => Promise.resolve(stateOf({ delivered: 20 }));

test('a consumer that is gone is not made anew under its name: acks sent to the old one would reach it', async () => {
  const port = portWithout(gone);
  const { memory } = bench(port, { generation: 4 });
  expect(await memory.inspect(0)).toBe('consumer gone');
  expect(port.calls).toEqual([]);
});

test('the epoch that named it makes it, behind the last event known to be settled, and removes those before it', async () => {
  const port = portWithout(gone);
  const { memory } = bench(port, { generation: 5, retired: [0, 3], mayCreate: true });
  expect(await memory.inspect(0)).toBe('same');
  expect(port.generation).toBe(5);
  expect(port.calls).toEqual(['create from 21', 'remove 0', 'remove 3']);
});

test('one that is gone again within its epoch, or whose making has no answer, is given up as well', async () => {
  const lost = Object.assign(portWithout(gone), { create: () => Promise.reject(new Error('no answer')) });
  const { memory } = bench(lost, { generation: 5, mayCreate: true });
  await expect(memory.inspect(0)).rejects.toThrow('no answer');
  expect(await memory.inspect(0)).toBe('consumer gone');
  const found = portWithout(there);
  const other = bench(found, { generation: 5, mayCreate: true }).memory;
  expect(await other.inspect(0)).toBe('same');
  found.find = gone;
  expect(await other.inspect(0)).toBe('consumer gone');
});

test('its maker knows better than the lease how far all is settled', async () => {
  const port = portWithout(gone);
  const { memory } = bench(port);
  memory.settledThrough(30);
  memory.inherit({ ...LAST, generation: 5, mayCreate: true });
  await memory.inspect(0);
  expect(port.calls).toEqual(['create from 31']);
});

test('a stream made anew is handled from its first event, whatever was settled before', async () => {
  const port = portWithout(gone, 'later');
  const { memory } = bench(port);
  expect(await memory.inspect(30)).toBe('consumer gone');
  memory.inherit({ ...LAST, generation: 5, mayCreate: true });
  expect(await memory.inspect(30)).toBe('remade');
  expect(port.calls).toEqual(['create from 1']);
  expect(memory.floor).toBe(0);
});

test('on a stream made anew a consumer of the first name is not ours: it began who knows where', async () => {
  const { memory } = bench(portWithout(there, 'later'));
  expect(await memory.inspect(30)).toBe('consumer gone');
  const ours = bench(portWithout(there, 'later'), { generation: 5 }).memory;
  expect(await ours.inspect(30)).toBe('remade');
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
  memory.inherit(LAST);
  expect(await memory.inspect(0)).toBe('regressed');
});

test('what was seen of a stream says nothing of the one that was made in its place', async () => {
  const port = Object.assign(new FakeConsumerPort(), {
    stream: () => Promise.resolve({ created: 'later', firstSequence: 1, lastSequence: 3 }),
    find: () => Promise.resolve(stateOf({ delivered: 2 })),
  });
  const { memory } = bench(port, { generation: 5 });
  memory.saw(48);
  expect(await memory.inspect(48)).toBe('remade');
  expect(await memory.inspect(2)).toBe('same');
  const other = bench(port).memory;
  other.saw(48);
  other.inherit({ ...LAST, floor: 2, streamCreated: 'later' });
  expect(await other.inspect(0)).toBe('same');
});
