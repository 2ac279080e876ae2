import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type DrainedPartition, initialPositions } from '#library/consumer/repartition/initial-positions.js';
import { unionOf } from '#library/consumer/repartition/settled-set.js';
import { partitionOf } from '#library/message/partitioning.js';
import { decodeSequences, encodeSequences, type PositionRecord } from '#library/records/position-record.js';
import { CREATED, isSettled, positionOf } from './positions.js';

const counts = fc.integer({ min: 0, max: 4 }).map((bits) => 2 ** bits);
const share = fc.double({ min: 0, max: 1, noNaN: true });

/** A stream of events; per layout, how far each partition reads and how much each aggregate settles of that. */
const world = fc.record({
  /** The aggregate of each event. */
  events: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 120 }),
  layouts: fc.array(
    fc.record({
      partitions: counts,
      reach: fc.array(share, { minLength: 16, maxLength: 16 }),
      settled: fc.array(share, { minLength: 31, maxLength: 31 }),
    }),
    { minLength: 2, maxLength: 5 },
  ),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;
type Layout = World['layouts'][number];

interface Event {
  readonly token: string;
  readonly sequence: number;
}

/** A partition reads on from its record, settles some of what it reads, and writes down where it stands. */
function drain(
  record: PositionRecord,
  own: readonly Event[],
  { reach, settled }: Layout & { reach: Layout['reach'] },
  partition: number,
): { drained: DrainedPartition; handled: number[] } {
  const end = own.at(-1)?.sequence ?? 0;
  const through = Math.max(record.high, Math.floor(reach[partition]! * end));
  const handled = new Set<number>();
  for (const token of new Set(own.map((event) => event.token))) {
    const open = own.filter(
      (event) => event.token === token && event.sequence <= through && !isSettled(record, event),
    );
    const part = settled[Number(token.slice(6))]!;
    for (const { sequence } of open.slice(0, Math.floor(part * (open.length + 1)))) handled.add(sequence);
  }
  const isOpen = (event: Event): boolean => !isSettled(record, event) && !handled.has(event.sequence);
  const done = own.filter((event) => event.sequence <= through && !isOpen(event));
  const high = Math.max(record.high, done.at(-1)?.sequence ?? 0);
  // Sequences of other partitions, from a split, are still listed.
  const foreign = decodeSequences(record.unsettled).filter((sequence) =>
    own.every((event) => event.sequence !== sequence),
  );
  const unsettled = own.filter((event) => event.sequence <= high && isOpen(event));
  const listed = [...foreign, ...unsettled.map(({ sequence }) => sequence)].sort((a, b) => a - b);
  const { origin } = record;
  const isPast = origin === undefined || through >= Math.max(...origin.sources.map((source) => source.high));
  const next: PositionRecord = {
    ...positionOf({ created: record.created, run: record.run }),
    ...{ high, unsettled: encodeSequences(listed), epoch: record.epoch + partition + 1 },
    ...{ drained: { change: 1 }, rest: true },
    ...(isPast ? {} : { origin }),
  };
  const behind = own.find(({ sequence }) => sequence > high)?.sequence ?? end + 1;
  return {
    drained: { record: next, firstUnsettled: listed[0] ?? behind },
    handled: [...handled],
  };
}

describe('a chain of layouts', () => {
  test('handles every event once, in the order of its aggregate, for any part that each layout settles', () => {
    fc.assert(
      fc.property(world, ({ events, layouts }) => {
        const stream = events.map((key, index) => ({ token: `order-${key}`, sequence: index + 1 }));
        const handled: number[] = [];
        let records = Array.from({ length: layouts[0]!.partitions }, () => positionOf());
        for (const [index, layout] of layouts.entries()) {
          const isLast = index === layouts.length - 1;
          const reach = isLast ? layout.reach.map(() => 1) : layout.reach;
          const settled = isLast ? layout.settled.map(() => 1) : layout.settled;
          const drained = records.map((record, partition) => {
            const own = stream.filter(({ token }) => partitionOf(token, records.length) === partition);
            const { drained: next, handled: more } = drain(
              record,
              own,
              { ...layout, reach, settled },
              partition,
            );
            handled.push(...more.sort((a, b) => a - b));
            return next;
          });
          if (isLast) break;
          const highest = Math.max(...drained.map(({ record }) => record.epoch));
          records = initialPositions({
            change: { to: layouts[index + 1]!.partitions },
            drained,
            created: CREATED,
          });
          for (const record of records) {
            expect(record).toMatchObject({ epoch: highest, owner: '', write: 0, created: CREATED });
            expect(record.drained).toBeUndefined();
          }
        }
        expect(handled.toSorted((a, b) => a - b)).toEqual(stream.map(({ sequence }) => sequence));
        for (const token of new Set(stream.map((event) => event.token))) {
          const own = handled.filter((sequence) => stream[sequence - 1]!.token === token);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
      }),
      { numRuns: 300 },
    );
  });
});

function drainedOf(fields: Partial<PositionRecord>, firstUnsettled = 1): DrainedPartition {
  return { record: positionOf({ ...fields, drained: { change: 1 } }), firstUnsettled };
}

function merged(...drained: DrainedPartition[]): PositionRecord {
  return initialPositions({ change: { to: 1 }, drained, created: CREATED })[0]!;
}

describe('merging', () => {
  test('begins before the first unsettled event of all sources, and names what they had settled above it', () => {
    const record = merged(
      drainedOf({ high: 20, highTime: '200', unsettled: encodeSequences([4, 9]), epoch: 3 }, 4),
      drainedOf({ high: 12, highTime: '120', epoch: 7 }, 15),
    );
    expect(record).toMatchObject({ high: 3, highTime: '', unsettled: '', epoch: 7 });
    expect(record.origin).toEqual({
      partitions: 2,
      sources: [
        { partition: 0, high: 20, unsettled: encodeSequences([4, 9]) },
        { partition: 1, high: 12, unsettled: '' },
      ],
    });
  });

  test('needs no origin if no source has settled more than all of them', () => {
    const record = merged(
      drainedOf({ high: 20, highTime: '200' }, 31),
      drainedOf({ high: 12, highTime: '120' }, 31),
    );
    // Nothing between the largest `high` and the first unsettled event belongs to these partitions.
    expect(record).toMatchObject({ high: 20, highTime: '200' });
    expect(record.origin).toBeUndefined();
  });

  test('takes the largest of deaths, run and replay, all windows, all starts, and rest only if all say so', () => {
    const one = {
      ...{ deaths: 2, window: 5, run: 1, replayUntil: 8, rest: true as const },
      starts: { 3: [1, 0, 2] as const },
    };
    const other = { deaths: 0, window: 50, run: 4, starts: { 5: [2, 1, 2] as const } };
    const record = merged(drainedOf(one), drainedOf(other));
    expect(record).toMatchObject({
      ...{ deaths: 2, window: 55, run: 4, replayUntil: 8 },
      starts: { 3: [1, 0, 2], 5: [2, 1, 2] },
    });
    expect(record.rest).toBeUndefined();
    expect(merged(drainedOf({ rest: true }), drainedOf({ rest: true })).rest).toBe(true);
  });

  test('a source of another stream has settled nothing, and the run is above the one it would have begun', () => {
    const gone = { created: 'before', high: 900, run: 6, starts: { 2: [1, 1, 1] as const } };
    const record = merged(drainedOf(gone), drainedOf({ high: 12, run: 6 }, 13));
    expect(record).toMatchObject({ created: CREATED, high: 0, run: 7, starts: {} });
    expect(record.origin).toEqual({ partitions: 2, sources: [{ partition: 1, high: 12, unsettled: '' }] });
  });

  test('if no source knows the stream, the claim finds that out and begins at its first event', () => {
    const record = merged(
      drainedOf({ created: 'before', high: 900, run: 6 }),
      drainedOf({ created: 'long ago', high: 5, run: 2 }),
    );
    expect(record).toMatchObject({ created: 'before', high: 0, unsettled: '', run: 6 });
    expect(record.origin).toBeUndefined();
  });
});

describe('splitting', () => {
  test('copies the record of the source, without mark', () => {
    const { record } = drainedOf({ high: 9, highTime: '90', unsettled: '3', starts: { 3: [1, 0, 1] } });
    const [first, second] = initialPositions({
      change: { to: 2 },
      drained: [{ record, firstUnsettled: 1 }],
      created: CREATED,
    });
    const expected = { ...record, owner: '', write: 0, drained: undefined };
    expect(first).toEqual(expected);
    expect(second).toEqual(expected);
  });

  test('carries on the part of an origin that the new partition needs', () => {
    const sources = [
      { partition: 0, high: 9, unsettled: '' },
      { partition: 2, high: 8, unsettled: '' },
    ];
    const split = initialPositions({
      change: { to: 2 },
      drained: [drainedOf({ origin: { partitions: 4, sources } })],
      created: CREATED,
    });
    expect(split.map(({ origin }) => origin?.sources.map(({ partition }) => partition))).toEqual([[0], [2]]);
    const fine = initialPositions({
      change: { to: 8 },
      drained: [drainedOf({ origin: { partitions: 4, sources } })],
      created: CREATED,
    });
    expect(fine.map(({ origin }) => origin?.sources.map(({ partition }) => partition))).toEqual([
      ...[[0], [0], undefined, undefined, [2], [2], undefined, undefined],
    ]);
  });
});

test('the union of two settled sets holds what either holds', () => {
  const set = fc
    .record({ high: fc.nat(30), open: fc.uniqueArray(fc.integer({ min: 1, max: 30 })) })
    .map(({ high, open }) => ({
      high,
      unsettled: open.filter((sequence) => sequence <= high).sort((a, b) => a - b),
    }));
  const has = ({ high, unsettled }: { high: number; unsettled: readonly number[] }, sequence: number) =>
    sequence <= high && !unsettled.includes(sequence);
  fc.assert(
    fc.property(set, set, (a, b) => {
      const both = unionOf(a, b);
      for (let sequence = 1; sequence <= 31; sequence++)
        expect(has(both, sequence)).toBe(has(a, sequence) || has(b, sequence));
    }),
  );
});
