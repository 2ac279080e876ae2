import { describe, expect, test } from '@jest/globals';
import { PullLoop } from '#library/consumer/reading/pull-loop.js';
import { ReadingProof } from '#library/consumer/reading/reading-proof.js';
import { Reader } from '#library/consumer/reading/reader.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { CREATED, recordedLog, timeOf } from '../position/position-fixture.js';
import { FakeReaderPort, unanswered } from './reading-fixture.js';

function fixture() {
  const clock = new ManualClock(1_000);
  const port = new FakeReaderPort();
  const log = recordedLog();
  const heard: string[] = [];
  const taken: number[] = [];
  const place = {
    created: CREATED,
    get known() {
      const last = taken.at(-1);
      return last === undefined ? [] : [{ sequence: last, time: timeOf(last) }];
    },
    get fromSequence() {
      return (taken.at(-1) ?? 0) + 1;
    },
  };
  const proof = new ReadingProof();
  const reader = new Reader({
    ...{ name: 'p', port, clock, log, place, proof },
    listener: {
      opened: (cause, tookMs, firstSequence) => void heard.push(`${cause} ${tookMs} ${firstSequence}`),
      changed: () => void heard.push('changed'),
      streamChanged: ({ kind }) => void heard.push(kind),
    },
  });
  const room = {
    ...{ unconfirmed: 0, bound: 1_000, heldBytes: 0, maxHeldBytes: 1_000_000 },
    ...{ held: 0, isBehind: false, isPaused: false },
  };
  const loop = new PullLoop({
    ...{ clock, batch: 10, pullExpiresMs: 1_000, room, listener: reader },
    sink: {
      deliver: ({ sequence }) => {
        if (sequence > Math.max(0, ...taken) || proof.hasMissed(sequence)) taken.push(sequence);
        proof.noteDelivered(sequence);
      },
      readThrough: (sequence) => proof.noteReadThrough(sequence),
    },
  });
  reader.attach(loop);
  const names = (): string[] => port.feeds.map(({ request }) => request.name);
  const open = async (): Promise<void> => {
    reader.open('g-e1');
    await clock.settle();
  };
  /** The time until the next look, with a reader that answers. */
  const untilLooked = async (): Promise<void> => {
    for (let beat = 0; beat < 8; beat++) {
      port.feed.beat();
      await clock.advance(500);
    }
  };
  return { clock, port, log, heard, taken, reader, loop, names, open, untilLooked };
}

describe('a reader', () => {
  test('begins after the last event taken in, and pulls when both the reader and the stream have answered', async () => {
    const { open, port, heard, clock } = fixture();
    let answer = (): void => undefined;
    port.onStream = () => new Promise((resolve) => (answer = () => resolve(port.state)));
    await open();
    expect([port.feed.request, port.feed.pulls]).toEqual([{ name: 'g-e1-1', fromSequence: 1 }, []]);
    answer();
    await clock.settle();
    expect([heard, port.feed.pulls.length]).toEqual([['start 0 1'], 1]);
  });

  test('made after a gap reads again what no look has proven, and repeats nothing', async () => {
    const { open, port, taken, heard, clock } = fixture();
    await open();
    port.feed.deliver(1, 2);
    port.feed.lose();
    port.feed.deliver(4);
    await clock.settle();
    expect(port.feeds.map(({ isClosed, request }) => [isClosed, request.fromSequence])).toEqual([
      [true, 1],
      [false, 1],
    ]);
    port.feed.deliver(3, 4);
    expect(taken).toEqual([1, 2, 3, 4]);
    expect(heard).toEqual(['start 0 1', 'gap 0 1']);
  });

  test('made after a reconnect repeats nothing, and none is made while there is no connection', async () => {
    const { open, port, taken, reader, heard, clock, names } = fixture();
    await open();
    port.feed.deliver(1, 2);
    reader.disconnected();
    reader.disconnected();
    expect([port.feed.isClosed, reader.failingSince]).toEqual([true, 1_000]);
    await clock.advance(60_000);
    expect(names()).toEqual(['g-e1-1']);
    reader.reconnected();
    reader.reconnected();
    await clock.advance(20);
    port.feed.deliver(3);
    expect([taken, names(), heard]).toEqual([
      [1, 2, 3],
      ['g-e1-1', 'g-e1-2'],
      ['start 0 1', 'reconnect 0 1'],
    ]);
    port.feed.beat();
    expect(reader.failingSince).toBeUndefined();
  });

  test('waits for the connection if there is none at the start', async () => {
    const { open, port, reader, names, clock } = fixture();
    port.connected = false;
    await open();
    expect(names()).toEqual([]);
    reader.reconnected();
    await clock.settle();
    expect(names()).toEqual(['g-e1-1']);
  });

  test('is not made by a reconnect after it was closed', async () => {
    const { open, reader, names, clock } = fixture();
    await open();
    reader.close();
    reader.disconnected();
    reader.reconnected();
    await clock.advance(5_000);
    expect([names().length, reader.failingSince]).toEqual([1, undefined]);
  });

  test('never has a name that was used, not even after other epochs', async () => {
    const { open, reader, port, names, clock } = fixture();
    await open();
    for (let round = 0; round < 5; round++) {
      reader.reconnected();
      port.feed.listener.lost('409 Consumer Deleted');
      await clock.advance(1_000);
      if (round === 2) reader.open('g-e2');
      if (round === 3) reader.open('g-e1');
      await clock.settle();
    }
    expect(new Set(names()).size).toBe(names().length);
    expect(reader.made).toBe(names().length);
  });
});

describe('a reader that comes too late is closed', () => {
  test.each([
    ['its partition has closed', (reader: Reader) => reader.close()],
    ['the connection was lost', (reader: Reader) => reader.disconnected()],
    ['another epoch reads', (reader: Reader) => reader.open('g-e2')],
  ])('if %s meanwhile', async (_what, happen) => {
    const { open, port, reader, clock } = fixture();
    let answer = (): void => undefined;
    port.onOpen = (feed) =>
      feed.request.name === 'g-e1-1' ? new Promise((resolve) => (answer = resolve)) : Promise.resolve();
    await open();
    happen(reader);
    await clock.settle();
    answer();
    await clock.settle();
    expect(port.feeds[0]!.isClosed).toBe(true);
    expect(port.feeds[0]!.pulls).toEqual([]);
  });

  test('if the stream did not answer', async () => {
    const { open, port, clock, log } = fixture();
    port.onStream = () => Promise.reject(unanswered());
    await open();
    expect(port.feeds[0]!.isClosed).toBe(true);
    await clock.advance(10_000);
    expect(port.feeds.every(({ isClosed }) => isClosed)).toBe(true);
    expect(log.lines).toEqual([expect.stringContaining('no reader can be made, trying again')]);
  });
});

describe('pauses between readers', () => {
  test('grow to half a second while none can be made', async () => {
    const { open, port, clock, reader } = fixture();
    const at: number[] = [];
    port.onOpen = () => {
      at.push(clock.now());
      return Promise.reject(unanswered());
    };
    await open();
    await clock.advance(10_000);
    const pauses = at.slice(1).map((one, index) => one - at[index]!);
    expect(pauses.slice(0, 7)).toEqual([20, 40, 80, 160, 320, 500, 500]);
    expect(reader.failingSince).toBe(1_000);
    port.onOpen = () => Promise.resolve();
    await clock.advance(500);
    port.feed.beat();
    expect(reader.failingSince).toBeUndefined();
  });

  test.each([
    [
      'the server refuses its pulls',
      (port: FakeReaderPort) => port.feed.listener.lost('409 Exceeded MaxWaiting'),
    ],
    [
      'its first delivery is missing',
      (port: FakeReaderPort) => {
        port.feed.lose();
        port.feed.deliver(1);
      },
    ],
    [
      'its heartbeat disagrees',
      (port: FakeReaderPort) => {
        port.feed.lose();
        port.feed.beat();
      },
    ],
  ])(
    'grow, and one line is logged, while each reader breaks before it is heard: %s',
    async (_what, spoil) => {
      const { open, port, clock, log, reader } = fixture();
      await open();
      for (let made = 0; clock.now() < 11_000;) {
        if (port.feeds.length > made) {
          made = port.feeds.length;
          spoil(port);
        }
        await clock.advance(5);
      }
      expect(port.feeds.length).toBeLessThan(30);
      expect(log.lines.filter((line) => line.includes('another reader is made'))).toHaveLength(1);
      expect(reader.failingSince).toBeLessThan(1_100);
    },
  );

  test('are none after a reader that was heard', async () => {
    const { open, port, clock } = fixture();
    await open();
    for (let sequence = 1; sequence <= 5; sequence++) {
      port.feed.deliver(sequence);
      await clock.advance(150);
      port.feed.beat();
      port.feed.listener.lost('409 Leadership Change');
      await clock.settle();
      expect(port.feeds).toHaveLength(sequence + 1);
    }
  });
});

describe('a stream that is another one', () => {
  test.each([
    ['made again', 'later', 1_000],
    ['went back', CREATED, 1],
  ])('%s ends reading, and no pull leaves', async (kind, created, lastSequence) => {
    const { open, port, taken, heard, clock, names } = fixture();
    await open();
    port.feed.deliver(1, 2);
    port.state = { created, firstSequence: 1, lastSequence, isRestored: false };
    port.feed.listener.lost('409 Stream Deleted');
    await clock.advance(1_000);
    expect(heard).toEqual(['start 0 1', kind]);
    expect([taken, port.feed.isClosed, port.feed.pulls]).toEqual([[1, 2], true, []]);
    await clock.advance(60_000);
    expect(names()).toHaveLength(2);
  });

  test('is reported although no reader can be made on it', async () => {
    const { open, port, heard } = fixture();
    port.state = { created: 'later', firstSequence: 1, lastSequence: 0, isRestored: false };
    port.onOpen = () => Promise.reject(unanswered());
    await open();
    expect(heard).toEqual(['made again']);
  });

  test('is read on if a second look finds it whole', async () => {
    const { open, port, heard, clock } = fixture();
    await open();
    port.feed.deliver(1, 2);
    port.state = { ...port.state, lastSequence: 1 };
    port.feed.listener.lost('409 Leadership Change');
    await clock.advance(500);
    port.state = { ...port.state, lastSequence: 2 };
    await clock.advance(500);
    expect(heard.at(-1)).toBe('gap 1000 1');
    expect(port.feed.pulls).toHaveLength(1);
  });
});

describe('a reader that an operator can edit', () => {
  const edited = 'expected filter_subject "t.0.>", found "t.0.0.>"';

  test('is asked every 4 s whether it is as it was made; what had arrived by then is not read again', async () => {
    const { open, port, clock, reader, untilLooked } = fixture();
    await open();
    port.feed.deliver(1, 4);
    await untilLooked();
    port.feed.deliver(7);
    reader.disconnected();
    reader.reconnected();
    await clock.settle();
    expect(port.feed.request).toEqual({ name: 'g-e1-2', fromSequence: 5 });
  });

  test('is left when it was edited, and the next one delivers what it passed over, and nothing twice', async () => {
    const { open, port, taken, log, untilLooked } = fixture();
    await open();
    port.feed.deliver(1, 2);
    await untilLooked();
    port.feed.deliver(3);
    port.feed.onFindEdit = () => Promise.resolve(edited);
    port.feed.deliver(9);
    await untilLooked();
    expect(port.feeds.map(({ isClosed, request }) => [isClosed, request.fromSequence])).toEqual([
      [true, 1],
      [false, 3],
    ]);
    port.feed.deliver(3, 5, 6, 9, 10);
    expect(taken).toEqual([1, 2, 3, 9, 5, 6, 10]);
    expect(log.lines).toEqual([`warn p: another reader is made: this one was edited: ${edited}`]);
  });

  test('is told of by health from the second edit in a row until a look finds no edit, and logged once', async () => {
    const { open, port, reader, log, untilLooked } = fixture();
    await open();
    port.feed.onFindEdit = () => Promise.resolve(edited);
    await untilLooked();
    expect(reader.edited).toBeUndefined();
    port.feed.onFindEdit = () => Promise.resolve(edited);
    await untilLooked();
    expect(reader.edited).toBe(edited);
    await untilLooked();
    expect([reader.edited, port.feeds.length, log.lines.length]).toEqual([undefined, 3, 1]);
  });

  test('stays if the server does not answer the look, and nothing counts as proven', async () => {
    const { open, port, clock, reader, untilLooked } = fixture();
    await open();
    port.feed.deliver(1, 2);
    port.feed.onFindEdit = () => Promise.reject(unanswered());
    await untilLooked();
    expect(port.feeds).toHaveLength(1);
    reader.disconnected();
    reader.reconnected();
    await clock.settle();
    expect(port.feed.request.fromSequence).toBe(1);
  });

  test('is asked at once if something odd is delivered, and not more often than every 250 ms', async () => {
    const { open, port, clock, reader } = fixture();
    await open();
    reader.suspect();
    await clock.settle();
    port.feed.onFindEdit = () => Promise.resolve(edited);
    reader.suspect();
    await clock.settle();
    expect(port.feeds).toHaveLength(1);
    await clock.advance(250);
    port.feed.beat();
    reader.suspect();
    await clock.advance(20);
    expect(port.feeds).toHaveLength(2);
  });
});
