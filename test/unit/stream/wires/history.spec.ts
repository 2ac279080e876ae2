import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { StoredMessage } from '#library/message/stored-event.js';
import type { Batch } from '#library/stream/api/batched-get.js';
import { messagesOf, type SubjectMessages } from '#library/stream/wires/history.js';

function messageOf(sequence: number): StoredMessage {
  return { sequence, storedAt: '', headers: {}, body: new Uint8Array() };
}

/** What the leader holds, and how much of it the replica knows that answers the next batch. */
class FakeSubject implements SubjectMessages {
  finds = 0;
  batches = 0;
  open = 0;
  /** Messages that batches have brought. */
  brought = 0;
  /** The last sequence that the replica of the next batch has stored. */
  knows: () => number = () => Number.POSITIVE_INFINITY;
  /** Whether there is a way to batches at all. */
  answers = true;

  constructor(public stored: number[]) {}

  async find(sequence: number): Promise<StoredMessage | undefined> {
    this.finds++;
    await Promise.resolve();
    const found = this.stored.find((one) => one >= sequence);
    return found === undefined ? undefined : messageOf(found);
  }

  askBatch(fromSequence: number, count: number) {
    if (!this.answers) return undefined;
    this.batches++;
    this.open++;
    const known = this.knows();
    const all = this.stored.filter((one) => one >= fromSequence && one <= known);
    const messages = all.slice(0, count).map(messageOf);
    let isOpen = true;
    const close = (): void => {
      if (isOpen) this.open--;
      isOpen = false;
    };
    const answer = Promise.resolve().then((): Batch => {
      close();
      this.brought += messages.length;
      return { messages, hasMore: all.length > messages.length };
    });
    return { answer, cancel: close };
  }
}

async function read(subject: SubjectMessages, from = 1): Promise<number[]> {
  const sequences: number[] = [];
  for await (const { sequence } of messagesOf(subject, from)) sequences.push(sequence);
  return sequences;
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => 2 * index + 1);
}

describe('a history', () => {
  test('of 10 000 messages costs some fifty requests', async () => {
    const subject = new FakeSubject(upTo(10_000));
    expect(await read(subject)).toEqual(subject.stored);
    expect(subject.finds + subject.batches).toBeLessThanOrEqual(50);
  });

  test('is not shortened by a replica that lags: what it lacks is asked of the leader', async () => {
    const subject = new FakeSubject(upTo(100));
    let lag = 60;
    subject.knows = () => (lag += 10);
    expect(await read(subject)).toEqual(subject.stored);
  });

  test('is whole if no replica but the leader knows anything', async () => {
    const subject = new FakeSubject(upTo(40));
    subject.knows = () => 0;
    expect(await read(subject)).toEqual(subject.stored);
  });

  test('ends only with the word of the leader: what is stored while it is read comes, too', async () => {
    const subject = new FakeSubject(upTo(5));
    const sequences: number[] = [];
    for await (const { sequence } of messagesOf(subject, 1)) {
      sequences.push(sequence);
      if (sequence < 20) subject.stored.push(subject.stored.at(-1)! + 1);
    }
    expect(sequences).toEqual(subject.stored);
  });

  test('is read message by message where there are no batches, the next one ahead', async () => {
    const subject = new FakeSubject(upTo(3));
    subject.answers = false;
    expect(await read(subject, 2)).toEqual([3, 5]);
    expect([subject.finds, subject.batches]).toEqual([3, 0]);
  });

  test('of nothing costs one request', async () => {
    const subject = new FakeSubject([]);
    expect(await read(subject)).toEqual([]);
    expect([subject.finds, subject.batches]).toEqual([1, 0]);
  });

  test('that its reader leaves has no request open, and no more than two batches in memory', async () => {
    const subject = new FakeSubject(upTo(10_000));
    let left = 1_000;
    for await (const { sequence } of messagesOf(subject, 1)) {
      expect(sequence).toBeGreaterThan(0);
      expect(subject.brought).toBeLessThanOrEqual(1_000 - left + 2 * 2_048);
      if (--left === 0) break;
    }
    expect(subject.open).toBe(0);
  });

  test('fails with the error of the leader', async () => {
    const subject = new FakeSubject(upTo(100));
    const find = subject.find.bind(subject);
    subject.find = (sequence) => (sequence > 50 ? Promise.reject(new Error('no leader')) : find(sequence));
    await expect(read(subject)).rejects.toThrow('no leader');
    expect(subject.open).toBe(0);
  });

  test('has every message once and in order, though replicas lag and messages are deleted meanwhile', async () => {
    const cases = fc.record({
      stored: fc.uniqueArray(fc.integer({ min: 1, max: 400 }), { maxLength: 200 }),
      lags: fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 10 }),
      deleteEvery: fc.integer({ min: 0, max: 9 }),
      from: fc.integer({ min: 1, max: 50 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ stored, lags, deleteEvery, from }) => {
        const all = stored.toSorted((a, b) => a - b);
        const subject = new FakeSubject([...all]);
        let next = 0;
        subject.knows = () => lags[next++ % lags.length]!;
        const sequences: number[] = [];
        const deleted = new Set<number>();
        for await (const { sequence } of messagesOf(subject, from)) {
          sequences.push(sequence);
          const victim = subject.stored.find((one) => one > sequence);
          if (deleteEvery === 0 || sequences.length % deleteEvery !== 0 || victim === undefined) continue;
          deleted.add(victim);
          subject.stored = subject.stored.filter((one) => one !== victim);
        }
        expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => a - b));
        const expected = all.filter((one) => one >= from && !deleted.has(one));
        expect(sequences.filter((one) => !deleted.has(one))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});
