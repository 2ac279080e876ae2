import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  beginChange,
  cancelChange,
  completeChange,
  forgetFormer,
  type GroupLayout,
  isCancelled,
  readLayout,
  sourcesOf,
} from '#library/records/group-record.js';
import { partitionOf } from '#library/message/partitioning.js';

const counts = fc.integer({ min: 0, max: 8 }).map((bits) => 2 ** bits);
const FIRST: GroupLayout = { partitions: 4, layout: 0, changes: 0 };

describe('the sources of a partition', () => {
  test('an aggregate moves from one of the sources of its new partition, whatever the two numbers are', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), counts, counts, (token, from, to) => {
        const sources = sourcesOf(partitionOf(token, to), to, from);
        expect(sources).toContain(partitionOf(token, from));
      }),
    );
  });

  test('all new partitions together have all old ones as sources, and no others', () => {
    fc.assert(
      fc.property(counts, counts, (from, to) => {
        const all = Array.from({ length: to }, (_, partition) => sourcesOf(partition, to, from)).flat();
        expect([...new Set(all)]).toEqual(Array.from({ length: from }, (_, partition) => partition));
        // Merging, each goes to one place only.
        if (from >= to) expect(all.length).toBe(from);
      }),
    );
  });
});

describe('the record of a group', () => {
  test('a record of the first release is the first layout', () => {
    expect(readLayout({ partitions: 4 }, 'it')).toEqual(FIRST);
    expect(() => readLayout({ partitions: 3 }, 'it')).toThrow('expected it to hold a power of two');
    expect(() => readLayout({}, 'it')).toThrow('found nothing');
  });

  test('a change is begun, completed and cleaned up', () => {
    const begun = beginChange(FIRST, 16);
    expect(begun).toEqual({ ...FIRST, changes: 1, change: { number: 1, to: 16 } });
    const complete = completeChange(begun, begun.change!);
    expect(complete).toEqual({ partitions: 16, layout: 1, changes: 1, former: 4 });
    expect(forgetFormer(complete)).toEqual({ partitions: 16, layout: 1, changes: 1 });
  });

  test('a change that is cancelled leaves nothing but its number, which is not used again', () => {
    const cancelled = cancelChange(beginChange(FIRST, 16));
    expect(cancelled).toEqual({ ...FIRST, changes: 1 });
    expect(beginChange(cancelled, 8).change).toEqual({ number: 2, to: 8 });
  });

  test('a mark is void if, and only if, its change was cancelled, and it stays void for ever', () => {
    const steps = fc.array(fc.constantFrom('begin', 'cancel', 'complete'), { maxLength: 30 });
    fc.assert(
      fc.property(steps, (run) => {
        let now = FIRST;
        const ended = new Map<number, { how: string; of: number }>();
        for (const step of run) {
          const { change } = now;
          if (step === 'begin' && change === undefined) now = beginChange(now, now.partitions === 4 ? 16 : 4);
          if (step !== 'begin' && change !== undefined) {
            ended.set(change.number, { how: step, of: now.layout });
            now = step === 'cancel' ? cancelChange(now) : forgetFormer(completeChange(now, change));
          }
          for (const [number, { how, of }] of ended) {
            // Seen from a process of the layout that was to be drained, as long as the record has that layout.
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
