import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  beginChange,
  cancelChange,
  completeChange,
  firstGroupRecord,
  type GroupRecord,
  isCancelled,
  isSameChange,
  nextGroupRecord,
  readGroupRecord,
  sourcesOf,
} from '#library/records/group-record.js';
import { partitionOf } from '#library/message/partitioning.js';

const counts = fc.integer({ min: 0, max: 8 }).map((bits) => 2 ** bits);
const START = { sequence: 7, created: 'then' };
const FIRST: GroupRecord = firstGroupRecord(4, START);
const REACHED = { epoch: 5, run: 2, high: 40 };

describe('the sources of a partition', () => {
  test('include the old partition of each of its aggregates, for any two numbers', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), counts, counts, (token, from, to) => {
        const sources = sourcesOf(partitionOf(token, to), to, from);
        expect(sources).toContain(partitionOf(token, from));
      }),
    );
  });

  test('cover all old partitions together, each once when merging', () => {
    fc.assert(
      fc.property(counts, counts, (from, to) => {
        const all = Array.from({ length: to }, (_, partition) => sourcesOf(partition, to, from)).flat();
        expect([...new Set(all)]).toEqual(Array.from({ length: from }, (_, partition) => partition));
        if (from >= to) expect(all.length).toBe(from);
      }),
    );
  });
});

describe('the record of a group', () => {
  test('is refused without a power of two or without a start', () => {
    expect(readGroupRecord({ partitions: 4, start: { ...START, epoch: 0 } }, 'it')).toEqual(FIRST);
    expect(() => readGroupRecord({ partitions: 3 }, 'it')).toThrow('expected it to hold a power of two');
    expect(() => readGroupRecord({}, 'it')).toThrow('found nothing');
    expect(() => readGroupRecord({ partitions: 4 }, 'it')).toThrow('and a start');
  });

  test('has records after a change of its partitions, and keeps its start', () => {
    const begun = beginChange(FIRST, { to: 16 });
    expect(begun).toEqual({ ...FIRST, changes: 1, change: { number: 1, to: 16 } });
    expect(completeChange(begun, begun.change!, REACHED)).toEqual({
      ...FIRST,
      ...{ partitions: 16, layout: 1, changes: 1, hasRecords: true, run: 2 },
    });
  });

  test('begins at the start of a reset, in a later run, and remembers how far it had come', () => {
    const start = { sequence: 3, created: 'then' };
    const begun = beginChange(FIRST, { to: 4, id: 'again', start });
    expect(completeChange(begun, begun.change!, REACHED)).toEqual({
      ...FIRST,
      ...{ layout: 1, changes: 1, hasRecords: false, run: 3, replayUntil: 40, lastReset: 'again' },
      start: { ...start, epoch: 5 },
    });
  });

  test('never falls back: run, epoch and the end of a replay keep the largest value', () => {
    const before: GroupRecord = {
      ...FIRST,
      ...{ run: 9, replayUntil: 90, start: { ...START, epoch: 8 } },
    };
    const begun = beginChange(before, { to: 4, id: 'again', start: { sequence: 0, created: 'then' } });
    const after = completeChange(begun, begun.change!, REACHED);
    expect(after).toMatchObject({ run: 10, replayUntil: 90, start: { epoch: 8 } });
    // The end of a replay is a sequence; in another stream it means another event.
    const remade = { ...begun.change!, start: { sequence: 0, created: 'now' } };
    expect(completeChange(begun, remade, REACHED).replayUntil).toBe(40);
  });

  test('keeps the number of a cancelled change, which is not used again', () => {
    const cancelled = cancelChange(beginChange(FIRST, { to: 16 }));
    expect(cancelled).toEqual({ ...FIRST, changes: 1 });
    expect(beginChange(cancelled, { to: 8 }).change).toEqual({ number: 2, to: 8 });
  });

  test('a mark is void if and only if its change was cancelled, and stays void for ever', () => {
    const steps = fc.array(fc.constantFrom('begin', 'reset', 'cancel', 'complete'), { maxLength: 30 });
    fc.assert(
      fc.property(steps, (run) => {
        let now = FIRST;
        const ended = new Map<number, { how: string; of: number }>();
        for (const step of run) {
          const { change } = now;
          if (change === undefined) {
            if (step === 'begin') now = beginChange(now, { to: now.partitions === 4 ? 16 : 4 });
            if (step === 'reset') now = beginChange(now, { to: now.partitions, id: 'x', start: START });
          } else if (step === 'cancel' || step === 'complete') {
            ended.set(change.number, { how: step, of: now.layout });
            now = step === 'cancel' ? cancelChange(now) : completeChange(now, change, REACHED);
          }
          for (const [number, { how, of }] of ended) {
            // As a process of the drained layout sees it while the record still has that layout.
            if (now.layout === of) expect(isCancelled(number, of, now)).toBe(how === 'cancel');
            if (how === 'complete') expect(isCancelled(number, of, now)).toBe(false);
          }
          if (now.change !== undefined) expect(isCancelled(now.change.number, now.layout, now)).toBe(false);
          expect(isCancelled(now.changes + 1, now.layout, now)).toBe(false);
        }
      }),
    );
  });
});

describe('a deletion', () => {
  const deletes = { at: 1_764_000_000_000 };

  test('leaves no partitions, the largest run and epoch, and the count of changes', () => {
    const begun = beginChange({ ...FIRST, run: 3 }, { to: 4, deletes });
    const tombstone = completeChange(begun, begun.change!, REACHED);
    expect(tombstone).toEqual({
      ...{ partitions: 0, layout: 1, changes: 1, hasRecords: false, run: 3, deleted: deletes },
      start: { sequence: 0, created: '', epoch: 5 },
    });
    expect(readGroupRecord(JSON.parse(JSON.stringify(tombstone)) as GroupRecord, 'it')).toEqual(tombstone);
    const { deleted, ...unknowing } = tombstone;
    // As a release reads it that does not know of deletions.
    expect(() => readGroupRecord(unknowing, 'it')).toThrow('expected it to hold a power of two');
    expect(() => readGroupRecord({ ...FIRST, deleted: deleted! }, 'it')).toThrow('expected it to hold');
  });

  test('is followed by a group that counts on, in a layout that was never used', () => {
    const tombstone: GroupRecord = {
      ...{ ...FIRST, partitions: 0, layout: 7, changes: 9, run: 3, deleted: { ...deletes, removed: true } },
      start: { sequence: 0, created: '', epoch: 5 },
    };
    expect(nextGroupRecord(tombstone, 2, START)).toEqual({
      ...{ partitions: 2, layout: 10, changes: 10, hasRecords: false, run: 4, start: { ...START, epoch: 5 } },
    });
  });
});

describe('two changes', () => {
  const reset = { to: 4, id: 'a', start: START };

  test('are the same if both delete the group, whenever they were begun', () => {
    expect(isSameChange({ to: 4, deletes: { at: 1 } }, { to: 8, deletes: { at: 2 } })).toBe(true);
    expect(isSameChange({ to: 4, deletes: { at: 1 } }, { to: 4 })).toBe(false);
    expect(isSameChange(reset, { to: 4, deletes: { at: 1 } })).toBe(false);
  });

  test('are the same if they lead to the same number, and resets by id or by start', () => {
    expect(isSameChange({ to: 4 }, { to: 4 })).toBe(true);
    expect(isSameChange({ to: 4 }, { to: 8 })).toBe(false);
    expect(isSameChange({ to: 4 }, reset)).toBe(false);
    expect(isSameChange(reset, { to: 4 })).toBe(false);
    expect(isSameChange(reset, { ...reset, id: 'b' })).toBe(true);
    expect(isSameChange(reset, { ...reset, start: { ...START, sequence: 8 } })).toBe(true);
    expect(isSameChange(reset, { to: 4, id: 'b', start: { ...START, sequence: 8 } })).toBe(false);
    expect(isSameChange(reset, { to: 4, id: 'b', start: { ...START, created: 'now' } })).toBe(false);
  });
});
