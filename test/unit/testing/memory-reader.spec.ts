import { describe, expect, test } from '@jest/globals';
import { partitionBits, partitionOf } from '#library/message/partitioning.js';
import { Heard, readersFixture, TOPIC } from './memory-fixture.js';

const lost = { code: 'JETSTREAM_REQUEST_FAILED' };

describe('a reader', () => {
  test('delivers events from its start in stream order, numbered from 1', async () => {
    const { store, read } = readersFixture();
    store('a', 'b', 'a', 'c');
    const { heard } = await read(2);
    expect(heard.lines).toEqual(['2#1', '3#2', '4#3']);
  });

  test('delivers an event when it is stored, and keeps numbering', async () => {
    const { clock, store, read } = readersFixture();
    const { heard } = await read();
    store('a');
    expect(heard.lines).toEqual([]);
    await clock.settle();
    store('a');
    await clock.settle();
    expect(heard.lines).toEqual(['1#1', '2#2']);
  });

  test('delivers the events of its partition only', async () => {
    const tokens = ['a', 'b', 'c', 'd', 'e', 'f'];
    const { store, read } = readersFixture(`${TOPIC}.${partitionBits(1, 2)}.`);
    store(...tokens);
    const { heard } = await read();
    const own = tokens.flatMap((token, index) => (partitionOf(token, 2) === 1 ? [index + 1] : []));
    expect(own.length).toBeGreaterThan(0);
    expect(heard.lines).toEqual(own.map((sequence, index) => `${sequence}#${index + 1}`));
  });

  test('skips holes of the stream without a gap in its numbers', async () => {
    const { stream, store, read } = readersFixture();
    store('a', 'a', 'a', 'a', 'a');
    stream.delete(2, 4);
    const { heard } = await read();
    expect(heard.lines).toEqual(['1#1', '3#2', '5#3']);
  });

  test('delivers no more than is pulled', async () => {
    const { clock, store, read } = readersFixture();
    store('a', 'a', 'a', 'a');
    const { feed, heard } = await read(1, 2);
    expect(heard.lines).toEqual(['1#1', '2#2']);
    feed.pull({ events: 1, expiresMs: 1_000, idleHeartbeatMs: 400 });
    await clock.settle();
    expect(heard.lines).toEqual(['1#1', '2#2', '3#3']);
  });

  test('says while it is idle how far it has looked, and ends a pull when its time is over', async () => {
    const { clock, store, read } = readersFixture(`${TOPIC}.${partitionBits(partitionOf('a', 2), 2)}.`);
    const other = ['b', 'c', 'd', 'e'].find((token) => partitionOf(token, 2) !== partitionOf('a', 2))!;
    store('a', other, other);
    const { heard } = await read(1, 5);
    await clock.advance(999);
    expect(heard.lines).toEqual(['1#1', 'idle 1 3', 'idle 1 3']);
    await clock.advance(1);
    expect(heard.lines.slice(3)).toEqual(['ended 4']);
    await clock.advance(2_000);
    expect(heard.lines).toHaveLength(4);
  });

  test('waits when it starts after the end of the stream', async () => {
    const { clock, store, read } = readersFixture();
    store('a');
    const { heard } = await read(3);
    await clock.advance(400);
    store('a', 'a');
    await clock.settle();
    expect(heard.lines).toEqual(['idle 0 2', '3#1']);
  });

  test('delivers nothing to a listener that closes it while it takes an event in', async () => {
    const { store, read, clock } = readersFixture();
    const { feed, heard } = await read();
    heard.onDelivered = () => feed.close();
    store('a', 'a');
    await clock.advance(2_000);
    expect(heard.lines).toEqual(['1#1']);
  });

  test('two readers take nothing from each other', async () => {
    const { store, read } = readersFixture();
    store('a', 'a');
    const [first, second] = [await read(), await read()];
    expect([first.heard.lines, second.heard.lines]).toEqual([
      ['1#1', '2#2'],
      ['1#1', '2#2'],
    ]);
  });

  test('each delivery carries body, headers and the time it was stored at', async () => {
    const { clock, stream, store, read } = readersFixture();
    store('a', 'a');
    const times: string[] = [];
    const { feed, heard } = await read(1, 0);
    heard.onDelivered = ({ origin, token }) => {
      expect(token).toBe('a');
      expect(origin.readHeaders()['Nats-Msg-Id']).toMatch(/^a:/);
      times.push(origin.readStoredAt());
    };
    feed.pull({ events: 2, expiresMs: 1_000, idleHeartbeatMs: 400 });
    await clock.settle();
    expect(times).toEqual(stream.messages.map(({ storedAtNs }) => storedAtNs));
    expect(new Set(times).size).toBe(2);
    expect(BigInt(times[0]!) / 1_000_000n).toBe(BigInt(clock.wallNow()));
  });

  test('is named once and never again', async () => {
    const { port, readers } = readersFixture();
    const request = { name: 'x', fromSequence: 1 };
    await port.open(request, new Heard());
    await expect(port.open(request, new Heard())).rejects.toMatchObject(lost);
    expect(readers.names).toEqual(['x']);
  });
});

describe('a reader that the server deletes', () => {
  test('ends its open pulls with 409, and later pulls with 503', async () => {
    const { clock, readers, read } = readersFixture();
    const { feed, heard } = await read();
    readers.deleteAll();
    await clock.settle();
    expect(heard.lines).toEqual(['lost: the server ended the pull: 409 Consumer Deleted']);
    feed.pull({ events: 1, expiresMs: 1_000, idleHeartbeatMs: 400 });
    await clock.settle();
    expect(heard.lines.slice(1)).toEqual(['unheard']);
  });

  test('goes without a pull for 10 s, and is heard of no more', async () => {
    const { clock, readers, read } = readersFixture();
    const { feed, heard } = await read();
    await clock.advance(10_999);
    expect(readers.open[0]!.mode).toBe('live');
    await clock.advance(1);
    expect(readers.open[0]!.mode).toBe('gone');
    feed.pull({ events: 1, expiresMs: 1_000, idleHeartbeatMs: 400 });
    await clock.settle();
    expect(heard.lines.at(-1)).toBe('unheard');
  });

  test.each(['remake', 'restore'] as const)('because of a %s of its stream', async (change) => {
    const { clock, stream, store, read } = readersFixture();
    store('a', 'a');
    const { heard } = await read();
    if (change === 'remake') stream.remake();
    else stream.restore(1);
    await clock.settle();
    expect(heard.lines.at(-1)).toBe('lost: the server ended the pull: 409 Stream Deleted');
  });
});

describe('faults', () => {
  test('a reader on a lagging replica begins below its start', async () => {
    const { readers, store, read } = readersFixture();
    store('a', 'a', 'a', 'a');
    readers.faults.beginBelow(2);
    expect((await read(4)).heard.lines).toEqual(['2#1', '3#2', '4#3']);
    expect((await read(4)).heard.lines).toEqual(['4#1']);
  });

  test('a reader whose node came back begins again at its start, with number 1', async () => {
    const { clock, readers, store, read } = readersFixture();
    store('a', 'a', 'a');
    const { heard } = await read(2);
    readers.restartAll();
    await clock.settle();
    expect(heard.lines).toEqual(['2#1', '3#2', '2#1', '3#2']);
  });

  test('a reader skips chosen sequences without a gap in its numbers, and the stream holds them', async () => {
    const { readers, port, store, read } = readersFixture();
    store('a', 'a', 'a');
    readers.faults.skip(2);
    expect((await read()).heard.lines).toEqual(['1#1', '3#2']);
    expect((await port.find(2))?.sequence).toBe(2);
  });

  test('lost deliveries leave a gap in the numbers', async () => {
    const { clock, readers, store, read } = readersFixture();
    const { heard } = await read();
    store('a');
    await clock.settle();
    readers.faults.loseDeliveries(2);
    store('a', 'a', 'a');
    await clock.settle();
    expect(heard.lines).toEqual(['1#1', '4#4']);
  });

  test('a silent reader says nothing at all, and the next one is not affected', async () => {
    const { clock, readers, store, read } = readersFixture();
    const { feed, heard } = await read();
    readers.silenceAll();
    store('a');
    feed.pull({ events: 1, expiresMs: 1_000, idleHeartbeatMs: 400 });
    await clock.advance(20_000);
    expect(heard.lines).toEqual([]);
    expect((await read()).heard.lines).toEqual(['1#1']);
  });

  test('a cut connection loses pulls and answers, until it is back', async () => {
    const { clock, readers, port, connection, store, read } = readersFixture();
    const { feed, heard } = await read(1, 1);
    feed.pull({ events: 5, expiresMs: 1_000, idleHeartbeatMs: 400 });
    const asking = expect(port.stream()).rejects.toMatchObject(lost);
    readers.disconnect();
    await asking;
    expect([port.connected, connection]).toEqual([false, ['disconnected']]);
    feed.pull({ events: 5, expiresMs: 1_000, idleHeartbeatMs: 400 });
    store('a');
    await expect(port.find(1)).rejects.toMatchObject(lost);
    await expect(port.open({ name: 'x', fromSequence: 1 }, new Heard())).rejects.toMatchObject(lost);
    await clock.advance(2_000);
    expect(heard.lines).toEqual([]);
    readers.reconnect();
    expect([port.connected, connection]).toEqual([true, ['disconnected', 'reconnected']]);
    expect((await read()).heard.lines).toEqual(['1#1']);
  });

  test('an answer is lost once; a reader whose making was not answered exists', async () => {
    const { readers, port, store } = readersFixture();
    store('a');
    for (const call of ['open', 'stream', 'find'] as const) readers.faults.dropAnswer(call);
    await expect(port.open({ name: 'x', fromSequence: 1 }, new Heard())).rejects.toMatchObject(lost);
    expect(readers.open.map(({ name }) => name)).toEqual(['x']);
    await expect(port.stream()).rejects.toMatchObject(lost);
    await expect(port.find(1)).rejects.toMatchObject(lost);
    expect(await port.stream()).toMatchObject({ lastSequence: 1 });
    expect(await port.find(1)).toMatchObject({ sequence: 1, origin: { consumerSequence: 0 } });
  });
});

test('a closed port closes its readers', async () => {
  const { clock, readers, port, store, read } = readersFixture();
  const { heard } = await read();
  port.close();
  store('a');
  await clock.advance(20_000);
  expect([heard.lines, readers.open]).toEqual([[], []]);
  expect(clock.pendingTimers).toBe(0);
});
