import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CommitPace, WriteBudget } from '#library/consumer/position/commit-pace.js';
import { PositionWriter } from '#library/consumer/position/position-writer.js';
import type { KeyPort } from '#library/records/key-port.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryKey } from '#library/testing/memory/memory-key.js';
import { CREATED, recordedLog, recordOf } from './position-fixture.js';

const CLAIM = recordOf({ epoch: 5, owner: 'me' });
const CLAIM_REVISION = 3;
const STEP_MS = 100;

function fixture({ commitEveryMs = 5 } = {}) {
  const clock = new ManualClock(1_000);
  const key = new MemoryKey<PositionRecord>({ clock, moved: () => undefined });
  key.restore({ value: CLAIM, revision: CLAIM_REVISION });
  const connected = key.connect();
  const sent: PositionRecord[] = [];
  const sentAt: number[] = [];
  let underWay = 0;
  let mostUnderWay = 0;
  const port: KeyPort<PositionRecord> = {
    get maxBytes() {
      return connected.maxBytes;
    },
    read: () => connected.read(),
    write: async (record, revision) => {
      sent.push(record);
      sentAt.push(clock.now());
      mostUnderWay = Math.max(mostUnderWay, ++underWay);
      try {
        return await connected.write(record, revision);
      } finally {
        underWay--;
      }
    },
    onHint: (callback) => connected.onHint(callback),
    close: () => connected.close(),
  };
  const state = { high: 0, unsettled: '' };
  const heard: string[] = [];
  const log = recordedLog();
  const pace = new CommitPace(clock, commitEveryMs, new WriteBudget(clock));
  const writer = new PositionWriter({
    name: 'p',
    port,
    source: {
      snapshot: () => ({
        ...{ created: CREATED, high: state.high, highTime: '', unsettled: state.unsettled },
        ...{ window: 10, deaths: 0, starts: {}, run: 0 },
      }),
    },
    listener: {
      confirmed: ({ high }) => void heard.push(`confirmed ${high}`),
      superseded: (epoch) => void heard.push(`superseded by ${epoch}`),
      unwritable: (reason) => void heard.push(`unwritable: ${reason}`),
    },
    pace,
    clock,
    log,
  });
  const settle = (high: number): void => {
    state.high = high;
    writer.noteChange();
  };
  const stored = (): PositionRecord => key.stored.value!;
  /** Lets time pass, and every answer arrive when it is due. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= STEP_MS) {
      await clock.settle(8);
      await clock.advance(Math.min(STEP_MS, left));
    }
    await clock.settle(8);
  };
  return {
    ...{ clock, pass, key, writer, heard, log, state, settle, stored, sent, sentAt },
    mostUnderWay: () => mostUnderWay,
    begun: () => writer.begin(CLAIM, CLAIM_REVISION),
  };
}

/** How a promise stands: its value, or `open`. */
async function stateOf<T>(promise: Promise<T>): Promise<T | 'open'> {
  return Promise.race([promise, new Promise<'open'>((resolve) => setImmediate(() => resolve('open')))]);
}

describe('before a claim', () => {
  test('writes nothing, and confirms nothing', async () => {
    const { writer, pass, settle, key } = fixture();
    settle(4);
    expect(await writer.commitNow()).toBe(false);
    expect(await writer.finish({ rest: true })).toBe(false);
    void writer.resume();
    await pass(1_000);
    expect([writer.hasBegun, writer.isConfirmed(0), key.stored.revision]).toEqual([
      false,
      false,
      CLAIM_REVISION,
    ]);
  });
});

describe('a commit', () => {
  test('leaves when something was settled, under the epoch and owner of the claim', async () => {
    const { begun, settle, stored, heard, clock, pass } = fixture();
    begun();
    await pass(1_000);
    expect(stored()).toEqual(CLAIM);
    settle(4);
    await clock.settle();
    expect(stored()).toMatchObject({ epoch: 5, owner: 'me', write: 2, high: 4 });
    expect(heard).toEqual(['confirmed 4']);
  });

  test('is the only one on its way, however often something is settled', async () => {
    const { begun, settle, key, clock, mostUnderWay, sent, stored, writer, pass } = fixture();
    begun();
    key.faults.holdWrite();
    for (let high = 1; high <= 50; high++) {
      settle(high);
      if (high % 7 === 0) void writer.commitNow();
      await clock.settle(1);
    }
    expect(sent).toHaveLength(1);
    key.faults.held[0]!.arrive();
    await pass(100);
    expect([mostUnderWay(), stored().high]).toEqual([1, 50]);
    expect(sent.length).toBeLessThanOrEqual(3);
  });

  test('carries everything settled before it leaves', async () => {
    const { begun, settle, clock, sent } = fixture();
    begun();
    settle(1);
    settle(2);
    await clock.settle();
    expect(sent.map(({ high }) => high)).toEqual([2]);
  });

  test('keeps the pause after the one before, and the last change is never left behind', async () => {
    const { begun, settle, pass, sentAt, stored } = fixture({ commitEveryMs: 50 });
    begun();
    for (let high = 1; high <= 100; high++) {
      settle(high);
      await pass(1);
    }
    await pass(50);
    expect(stored().high).toBe(100);
    const pauses = sentAt.slice(1).map((at, index) => at - sentAt[index]!);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(50);
    expect(sentAt).toHaveLength(3);
  });

  test('leaves before the pause for a late answer is over when 500 events are settled', async () => {
    const { begun, settle, pass, clock, key, sentAt, stored } = fixture();
    begun();
    key.faults.holdWrite();
    settle(1);
    await pass(50);
    key.faults.held[0]!.arrive();
    await pass(1);
    for (let high = 2; high <= 500; high++) settle(high);
    await clock.settle();
    expect(sentAt).toHaveLength(1);
    settle(501);
    await clock.settle();
    expect(sentAt).toEqual([1_000, 1_051]);
    expect(stored().high).toBe(501);
  });

  test('leaves without a pause when it is asked for, and answers those who asked', async () => {
    const { begun, settle, clock, sentAt, writer } = fixture({ commitEveryMs: 5_000 });
    begun();
    settle(1);
    await clock.settle();
    settle(2);
    await clock.settle();
    expect(sentAt).toHaveLength(1);
    const both = [writer.commitNow(), writer.commitNow()];
    await clock.settle();
    expect(sentAt).toHaveLength(2);
    expect(await Promise.all(both)).toEqual([true, true]);
  });

  test('that is asked for while another is on its way leaves right after it', async () => {
    const { begun, settle, clock, key, writer, sent } = fixture({ commitEveryMs: 5_000 });
    begun();
    settle(1);
    key.faults.holdWrite();
    await clock.settle();
    const asked = writer.commitNow();
    await clock.settle();
    expect(await stateOf(asked)).toBe('open');
    key.faults.held[0]!.arrive();
    await clock.settle(8);
    expect(await stateOf(asked)).toBe(true);
    expect(sent).toHaveLength(2);
  });
});

describe('a ticket', () => {
  test('is confirmed by the answer to a commit that left after it, and by no earlier one', async () => {
    const { begun, settle, clock, key, writer } = fixture({ commitEveryMs: 0 });
    begun();
    expect(writer.isConfirmed(writer.ticket())).toBe(true);
    settle(1);
    const first = writer.ticket();
    key.faults.holdWrite();
    await clock.settle();
    settle(2);
    const second = writer.ticket();
    expect([writer.isConfirmed(first), writer.isConfirmed(second)]).toEqual([false, false]);
    key.faults.held[0]!.arrive();
    await clock.settle(2);
    expect([writer.isConfirmed(first), writer.isConfirmed(second)]).toEqual([true, false]);
    await clock.settle();
    expect(writer.isConfirmed(second)).toBe(true);
  });

  test('is confirmed no more after the end of its tenure', async () => {
    const { begun, settle, clock, writer } = fixture();
    begun();
    settle(1);
    await clock.settle();
    expect(writer.isConfirmed(writer.ticket())).toBe(true);
    writer.end();
    expect(writer.isConfirmed(0)).toBe(false);
  });
});

describe('a commit that is refused or not answered', () => {
  test('counts as answered if the record is this very write', async () => {
    const { begun, settle, clock, key, heard, sent, writer } = fixture();
    begun();
    key.faults.dropAnswer();
    settle(1);
    const asked = writer.commitNow();
    await clock.settle(10);
    expect(await stateOf(asked)).toBe(true);
    expect([sent.length, heard, writer.failingSince]).toEqual([1, ['confirmed 1'], undefined]);
  });

  test('is written again over the revision that is found', async () => {
    const { begun, settle, pass, key, stored, sent } = fixture();
    begun();
    // An earlier write of this owner, late.
    key.restore({ value: { ...CLAIM, write: 1 }, revision: 9 });
    settle(1);
    await pass(100);
    expect([stored().high, key.stored.revision, sent.length]).toEqual([1, 10, 2]);
  });

  test('is written over a tombstone and over a restored record of an older epoch', async () => {
    const { begun, settle, pass, key, stored, heard } = fixture();
    begun();
    key.delete();
    settle(1);
    await pass(100);
    expect(stored()).toMatchObject({ epoch: 5, high: 1 });
    key.restore({ value: { ...CLAIM, epoch: 2, owner: 'old', write: 8 }, revision: 1 });
    settle(2);
    await pass(100);
    expect(stored()).toMatchObject({ epoch: 5, high: 2 });
    expect(heard).toEqual(['confirmed 1', 'confirmed 2']);
  });

  test('makes the two writes of one owner end with the later one, whichever arrives first', async () => {
    for (const lateFirst of [true, false]) {
      const { begun, settle, clock, key, stored, pass } = fixture();
      begun();
      key.faults.holdWrite();
      settle(1);
      await clock.settle();
      settle(2);
      await pass(500);
      if (lateFirst) key.faults.held[0]!.arrive();
      await pass(100);
      if (!lateFirst) expect(key.faults.held[0]!.arrive()).toBeUndefined();
      await pass(1_000);
      expect(stored()).toMatchObject({ high: 2 });
    }
  });

  test('ends the tenure if another owner has claimed: what waits hears false, and nothing is written any more', async () => {
    const { begun, settle, pass, key, heard, writer, sent } = fixture();
    begun();
    key.restore({ value: { ...CLAIM, epoch: 6, owner: 'other' }, revision: 9 });
    settle(1);
    const asked = writer.commitNow();
    await pass(100);
    expect(heard).toEqual(['superseded by 6']);
    expect(await stateOf(asked)).toBe(false);
    settle(2);
    void writer.commitNow();
    await pass(10_000);
    expect([sent.length, key.stored.revision, writer.hasBegun]).toEqual([1, 9, false]);
  });

  test('reads again with growing pauses while the store is away, says so once, and continues', async () => {
    const { begun, settle, pass, key, log, writer, stored } = fixture();
    begun();
    key.faults.holdWrite();
    key.faults.failRead(8);
    settle(1);
    await pass(500);
    expect(writer.failingSince).toBe(1_000);
    await pass(4_000);
    expect(log.lines.filter((line) => line.includes('cannot be committed'))).toHaveLength(1);
    expect(stored().high).toBe(1);
    expect(writer.failingSince).toBeUndefined();
  });

  test('leaves again within a second after an outage of a minute that it had outrun', async () => {
    const { begun, settle, pass, key, stored } = fixture();
    begun();
    key.faults.dropAnswer();
    key.faults.failRead(125);
    settle(1);
    await pass(60_000);
    expect(stored().high).toBe(1);
    settle(2);
    await pass(2_000);
    expect(stored().high).toBe(2);
  });
});

describe('a record', () => {
  test('is full above half of what the server takes, and no more when it has shrunk', async () => {
    const { begun, settle, pass, key, state, writer } = fixture();
    begun();
    key.maxBytes = 2_000;
    state.unsettled = 'x'.repeat(1_200);
    settle(1);
    await pass(10);
    expect(writer.isFull).toBe(true);
    state.unsettled = '';
    settle(2);
    await pass(10);
    expect(writer.isFull).toBe(false);
  });

  test('that is larger than the server takes is never sent: the listener hears why, and what waits hears false', async () => {
    const { begun, settle, pass, key, state, writer, heard, sent } = fixture();
    begun();
    key.maxBytes = 1_000;
    state.unsettled = 'x'.repeat(1_200);
    settle(1);
    const asked = writer.commitNow();
    await pass(1_000);
    expect(sent).toEqual([]);
    expect(heard).toEqual([
      expect.stringMatching(/^unwritable: expected .* 1000 bytes, found 1\d\d\d; raise max_payload/),
    ]);
    expect(await stateOf(asked)).toBe(false);
  });
});

describe('the marks of a last commit', () => {
  test('stand in it and in every later one, until the partition resumes', async () => {
    const { begun, settle, clock, writer, stored } = fixture({ commitEveryMs: 0 });
    begun();
    expect(await stateOf(writer.finish({ rest: true }).then(() => stored().rest))).toBe('open');
    await clock.settle();
    expect(stored()).toMatchObject({ rest: true });
    void writer.finish({ drained: { change: 4 } });
    await clock.settle(10);
    expect(stored()).toMatchObject({ rest: true, drained: { change: 4 } });
    settle(3);
    await clock.settle(10);
    expect(stored()).toMatchObject({ rest: true, drained: { change: 4 }, high: 3 });
    void writer.resume();
    await clock.settle(10);
    expect(stored()).not.toHaveProperty('rest');
    expect(stored()).not.toHaveProperty('drained');
  });

  test('that the claimed record has are kept until the partition resumes; then a commit leaves without them', async () => {
    const { settle, clock, writer, stored } = fixture({ commitEveryMs: 0 });
    writer.begin({ ...CLAIM, drained: { change: 4 } }, CLAIM_REVISION);
    settle(1);
    await clock.settle(10);
    expect(stored()).toMatchObject({ drained: { change: 4 }, high: 1 });
    void writer.resume();
    await clock.settle(10);
    expect(stored()).not.toHaveProperty('drained');
  });

  test('cost no commit when there is nothing to undo', async () => {
    const { begun, pass, writer, sent } = fixture();
    begun();
    void writer.resume();
    await pass(100);
    expect(sent).toEqual([]);
  });
});

describe('the end of a tenure', () => {
  test('answers what waits with false, whether a commit is due, on its way or being checked', async () => {
    for (const when of ['due', 'writing', 'checking']) {
      const { begun, settle, clock, key, writer, sent, pass } = fixture();
      begun();
      if (when !== 'due') key.faults.holdWrite();
      if (when === 'checking') key.faults.failRead(5);
      settle(1);
      const asked = writer.commitNow();
      if (when !== 'due') await clock.settle();
      if (when === 'checking') await pass(510);
      writer.end();
      expect(await stateOf(asked)).toBe(false);
      const before = sent.length;
      await pass(5_000);
      expect(sent).toHaveLength(before);
    }
  });

  test('lets a late answer count for nothing in the next tenure', async () => {
    const { begun, settle, clock, key, writer, heard, pass } = fixture();
    begun();
    key.faults.holdWrite();
    settle(1);
    await clock.settle();
    writer.begin(recordOf({ epoch: 6, owner: 'me' }), CLAIM_REVISION);
    const ticket = writer.ticket();
    settle(2);
    key.faults.held[0]!.arrive();
    await clock.settle(1);
    expect([heard, writer.isConfirmed(ticket + 1)]).toEqual([[], false]);
    await pass(1_000);
    expect(heard).toEqual(['confirmed 2']);
  });

  test('takes no late write of the same epoch for its own when the claim is read again', async () => {
    const { begun, clock, key, writer, settle, stored, pass } = fixture();
    begun();
    key.faults.holdWrite();
    void writer.finish({ rest: true });
    await clock.settle();
    // The markers could not be loaded, so the claim was read again, in the same epoch.
    writer.begin(CLAIM, CLAIM_REVISION);
    key.faults.held[0]!.arrive();
    settle(7);
    const ticket = writer.ticket();
    await pass(1_000);
    expect(writer.isConfirmed(ticket)).toBe(true);
    expect(stored()).toMatchObject({ high: 7 });
    expect(stored()).not.toHaveProperty('rest');
  });
});

test('after any calls and faults every change is confirmed in the end, and the key says the last state', async () => {
  const call = fc.record({
    kind: fc.constantFrom(
      'settle',
      'now',
      'finish',
      'resume',
      'hold',
      'drop',
      'fail',
      'arrive',
      'delete',
      'pass',
      'begin',
    ),
    ms: fc.nat(700),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
      const { begun, clock, pass, key, writer, settle, state, stored, heard, mostUnderWay } = fixture();
      begun();
      const waiting: Promise<boolean>[] = [];
      for (const { kind, ms } of calls) {
        if (kind === 'settle') settle(state.high + 1);
        else if (kind === 'now') waiting.push(writer.commitNow());
        else if (kind === 'finish') waiting.push(writer.finish({ rest: true }));
        else if (kind === 'resume') void writer.resume();
        else if (kind === 'hold') key.faults.holdWrite();
        else if (kind === 'drop') key.faults.dropAnswer();
        else if (kind === 'fail') key.faults.failRead();
        else if (kind === 'arrive') key.faults.held[0]?.arrive();
        else if (kind === 'delete') key.delete();
        else if (kind === 'begin') {
          const { value, revision } = key.stored;
          if (value !== undefined) writer.begin(value, revision);
          settle(state.high + 1);
        } else await pass(ms);
        await clock.settle(1);
        expect(mostUnderWay() <= 1 || calls.some(({ kind: one }) => one === 'begin')).toBe(true);
      }
      void writer.resume();
      settle(state.high + 1);
      const ticket = writer.ticket();
      // Faults that were not used up may hit one write after the other.
      await pass(20_000);
      expect(writer.isConfirmed(ticket)).toBe(true);
      expect(stored().high).toBe(state.high);
      expect(stored()).not.toHaveProperty('rest');
      expect(heard.at(-1)).toBe(`confirmed ${state.high}`);
      for (const one of waiting) expect(await stateOf(one)).not.toBe('open');
    }),
    { numRuns: 60 },
  );
});
