import { describe, expect, test } from '@jest/globals';
import { type Inheritance, Suspects } from '#library/consumer/suspects/suspects.js';
import type { StartEntry } from '#library/records/position-record.js';
import { eventOf } from './deliveries.js';

const BOUND = 10;

interface Story {
  readonly deaths?: number;
  readonly window?: number;
  readonly starts?: Record<string, StartEntry>;
  readonly unsettled?: readonly number[];
  readonly lastSequence?: number;
  readonly before?: Inheritance['before'];
  readonly maxOpen?: number;
}

function fixture(story: Story = {}) {
  const { deaths = 0, window = BOUND, starts = {}, unsettled = [], lastSequence = 100, maxOpen = 4 } = story;
  const written: ReturnType<Suspects['snapshot']>[] = [];
  const survived = new Set<string>();
  const server = { answers: true };
  const suspects: Suspects = new Suspects({
    writer: {
      commitNow: () => {
        written.push(suspects.snapshot());
        return Promise.resolve(server.answers);
      },
    },
    survivors: { hasSurvived: (owner, partition, epoch) => survived.has(`${owner} ${partition} ${epoch}`) },
    partition: 3,
    maxOpen,
    bound: BOUND,
  });
  suspects.begin({
    record: { epoch: 7, deaths, window, starts },
    unsettled,
    lastSequence,
    before: story.before,
  });
  return {
    suspects,
    written,
    survived,
    server,
    startsWritten: () => written.map(({ starts: noted }) => noted),
  };
}

/** A lane that holds these events; the first one is its head. */
function laneOf(...sequences: number[]) {
  const events = sequences.map((sequence) => eventOf('a', sequence));
  for (const [index, event] of events.entries()) event.next = events[index + 1];
  return events[0]!;
}

describe('suspects', () => {
  test('are none after one death, which costs no write', () => {
    const { suspects, written } = fixture({ deaths: 1, unsettled: [3, 4] });
    for (const sequence of [3, 4, 5]) suspects.noteTakenIn(sequence);
    expect([3, 4, 5].map((sequence) => suspects.isSuspect(sequence))).toEqual([false, false, false]);
    suspects.clear(3);
    expect(written).toEqual([]);
  });

  test('are the unsettled events of the claimed record from the second death on, up to the window', () => {
    const { suspects } = fixture({ deaths: 2, window: 3, unsettled: [3, 4, 8, 9] });
    expect([3, 4, 8, 9].map((sequence) => suspects.isSuspect(sequence))).toEqual([true, true, true, false]);
  });

  test('include events above the claimed record while the window has room, as they are taken in', () => {
    const { suspects } = fixture({ deaths: 2, window: 4, unsettled: [3, 8] });
    for (const sequence of [3, 8, 11, 12, 13]) suspects.noteTakenIn(sequence);
    expect([11, 12, 13].map((sequence) => suspects.isSuspect(sequence))).toEqual([true, true, false]);
  });

  test('include no event after the last sequence of the stream at the claim', () => {
    const { suspects } = fixture({ deaths: 2, unsettled: [3], lastSequence: 11 });
    for (const sequence of [3, 11, 12]) suspects.noteTakenIn(sequence);
    expect([11, 12].map((sequence) => suspects.isSuspect(sequence))).toEqual([true, false]);
    suspects.noteTakenIn(10);
    expect(suspects.isSuspect(12)).toBe(false);
  });

  test('include every event that has an entry, after any number of deaths', () => {
    const { suspects } = fixture({ deaths: 0, starts: { '5': [1, 0, 6] }, unsettled: [4, 5] });
    expect([4, 5].map((sequence) => suspects.isSuspect(sequence))).toEqual([false, true]);
    expect([4, 5].map((sequence) => suspects.mustRunAlone(sequence))).toEqual([false, true]);
  });

  test('are cleared by an attempt that ends, and stay cleared', () => {
    const { suspects } = fixture({ deaths: 2, unsettled: [3, 4] });
    suspects.clear(3);
    suspects.noteTakenIn(3);
    expect([3, 4].map((sequence) => suspects.isSuspect(sequence))).toEqual([false, true]);
  });
});

describe('what ends', () => {
  test('counts once: attempts of an earlier tenure of this process, and settled events, end no suspicion of others', () => {
    const { suspects } = fixture({ deaths: 2, unsettled: [3, 4], lastSequence: 4 });
    for (const sequence of [1, 3, 3]) suspects.clear(sequence);
    suspects.noteReadThrough(4);
    expect([suspects.isSuspect(4), suspects.snapshot().deaths]).toEqual([true, 2]);
  });

  test('leaves no entry, although the suspicion ended while it ran', async () => {
    const { suspects, written } = fixture({ deaths: 2, unsettled: [3], lastSequence: 4 });
    suspects.noteTakenIn(4);
    await suspects.noteStart(eventOf('a', 4), { alone: false });
    suspects.noteReadThrough(4);
    for (const sequence of [3, 4]) suspects.clear(sequence);
    expect(written.at(-1)).toEqual({ deaths: 0, window: BOUND, starts: {} });
  });
});

describe('the window', () => {
  test('is not smaller than the inherited one while an event of that is open', () => {
    const { suspects } = fixture({ deaths: 1, window: 1_000, unsettled: [3, 4], lastSequence: 4 });
    suspects.noteReadThrough(4);
    expect([suspects.bound, suspects.snapshot().window]).toEqual([1_000, 1_000]);
    suspects.clear(3);
    expect(suspects.bound).toBe(1_000);
    suspects.clear(4);
    expect([suspects.bound, suspects.snapshot()]).toEqual([BOUND, { deaths: 0, window: BOUND, starts: {} }]);
  });

  test('of a larger predecessor is kept by a successor with a smaller bound, which finds the killer there', () => {
    const unsettled = Array.from({ length: 500 }, (_, n) => n + 1);
    const { suspects } = fixture({ deaths: 2, window: 1_000, unsettled });
    expect([suspects.isSuspect(500), suspects.bound]).toEqual([true, 1_000]);
  });

  test('ends when the reader has gone past all that existed at the claim', () => {
    const { suspects } = fixture({ deaths: 2, unsettled: [], lastSequence: 20 });
    suspects.noteReadThrough(19);
    expect(suspects.snapshot().deaths).toBe(2);
    suspects.noteReadThrough(20);
    expect(suspects.snapshot().deaths).toBe(0);
  });

  test('deaths are written as 0 as soon as its last event has ended', () => {
    const { suspects, written } = fixture({ deaths: 1, unsettled: [3], lastSequence: 3 });
    suspects.noteReadThrough(3);
    suspects.clear(3);
    expect(written).toEqual([{ deaths: 0, window: BOUND, starts: {} }]);
  });
});

describe('a start', () => {
  test('is written down together with the suspects after it in its lane, at most so many as may be open', async () => {
    const { suspects, startsWritten } = fixture({ deaths: 2, unsettled: [1, 2, 3, 4, 5, 6], maxOpen: 4 });
    const head = laneOf(1, 2, 3, 4, 5, 6);
    expect(await suspects.noteStart(head, { alone: false })).toBe(true);
    const entry = [1, 0, 7];
    expect(startsWritten()).toEqual([{ '1': entry, '2': entry, '3': entry, '4': entry }]);
  });

  test('is written down with no event that must run alone, and none that is no suspect', async () => {
    const starts: Record<string, StartEntry> = { '3': [1, 0, 6] };
    const { suspects, startsWritten } = fixture({ deaths: 2, starts, unsettled: [1, 2, 3, 4] });
    await suspects.noteStart(laneOf(1, 2, 3, 4), { alone: false });
    expect(startsWritten()).toEqual([{ '1': [1, 0, 7], '2': [1, 0, 7], '3': [1, 0, 6] }]);
    await suspects.noteStart(laneOf(4, 200), { alone: false });
    expect(Object.keys(startsWritten().at(-1)!)).toEqual(['1', '2', '3', '4']);
  });

  test('of a follower that was written down already costs no write', async () => {
    const { suspects, written } = fixture({ deaths: 2, unsettled: [1, 2] });
    const head = laneOf(1, 2);
    await suspects.noteStart(head, { alone: false });
    suspects.clear(1);
    const before = written.length;
    expect(await suspects.noteStart(head.next as typeof head, { alone: false })).toBe(true);
    expect(written).toHaveLength(before);
  });

  test('alone is written singly, and adds to what earlier owners have written', async () => {
    const { suspects, startsWritten } = fixture({ deaths: 3, starts: { '1': [2, 1, 6] }, unsettled: [1, 2] });
    await suspects.noteStart(laneOf(1, 2), { alone: true });
    expect(startsWritten()).toEqual([{ '1': [3, 2, 7] }]);
  });

  test('that is company by now is written as one that was not alone', async () => {
    const { suspects, startsWritten } = fixture({ deaths: 3, starts: { '1': [2, 1, 6] }, unsettled: [1] });
    await suspects.noteStart(laneOf(1), { alone: true });
    await suspects.noteCompany(1);
    expect(startsWritten().at(-1)).toEqual({ '1': [3, 1, 7] });
  });

  test('must not happen if it could not be written down', async () => {
    const { suspects, server } = fixture({ deaths: 2, unsettled: [1] });
    server.answers = false;
    expect(await suspects.noteStart(laneOf(1), { alone: false })).toBe(false);
  });

  test('is struck out, in a write of its own, when its attempt ends', async () => {
    const { suspects, startsWritten } = fixture({ deaths: 2, starts: { '1': [1, 0, 6] }, unsettled: [1, 2] });
    await suspects.noteStart(laneOf(1), { alone: true });
    suspects.clear(1);
    expect(startsWritten().at(-1)).toEqual({});
  });
});

describe('an event is given up', () => {
  const before = { owner: 'p', epoch: 6 };

  test.each<[StartEntry, number, boolean]>([
    [[1, 1, 6], 1, false],
    [[2, 1, 6], 1, true],
    [[2, 0, 6], 1, false],
    [[9, 0, 6], 3, false],
    [[2, 1, 6], 3, false],
    [[3, 1, 6], 3, true],
  ])('for entry %j and %i attempts: %p', (entry, attempts, isGivenUp) => {
    const { suspects } = fixture({ deaths: 3, starts: { '1': entry }, unsettled: [1] });
    expect(suspects.isExhausted(1, attempts)).toBe(isGivenUp);
  });

  test('not for a start whose process lost its lease and lives', () => {
    const { suspects, survived } = fixture({ deaths: 3, starts: { '1': [2, 1, 6] }, unsettled: [1], before });
    survived.add('p 3 6');
    expect(suspects.isExhausted(1, 1)).toBe(false);
    expect([suspects.startsOf(1), suspects.mustRunAlone(1)]).toEqual([1, true]);
    // Struck once, although it is asked again.
    expect([suspects.isExhausted(1, 1), suspects.startsOf(1)]).toEqual([false, 1]);
  });

  test('for starts of earlier owners, although the last one lives', () => {
    const { suspects, survived } = fixture({ deaths: 3, starts: { '1': [4, 2, 6] }, unsettled: [1], before });
    survived.add('p 3 6');
    expect(suspects.isExhausted(1, 3)).toBe(true);
  });

  test('for a start of another epoch than the one that was survived', () => {
    const { suspects, survived } = fixture({ deaths: 3, starts: { '1': [2, 1, 5] }, unsettled: [1], before });
    survived.add('p 3 6');
    expect(suspects.isExhausted(1, 1)).toBe(true);
  });
});

describe('an entry', () => {
  test('falls when the reader has gone past its event, which the stream no longer holds', () => {
    const { suspects } = fixture({ deaths: 2, starts: { '15': [2, 1, 6] }, lastSequence: 20 });
    suspects.noteReadThrough(20);
    expect(suspects.snapshot()).toEqual({ deaths: 0, window: BOUND, starts: {} });
  });

  test("falls when a later event is taken in, because its own is gone or another partition's", () => {
    const { suspects } = fixture({ deaths: 2, starts: { '15': [2, 1, 6] }, lastSequence: 20 });
    suspects.noteTakenIn(14);
    expect(suspects.snapshot().starts).toEqual({ '15': [2, 1, 6] });
    suspects.noteTakenIn(16);
    expect(suspects.snapshot().starts).toEqual({});
  });

  test('falls when its event was not there although the reader had come right before it', () => {
    const { suspects } = fixture({ deaths: 2, starts: { '15': [2, 1, 6] }, lastSequence: 20 });
    suspects.noteReadThrough(14);
    expect(suspects.snapshot().starts).toEqual({ '15': [2, 1, 6] });
    suspects.noteTakenIn(16);
    expect(suspects.snapshot().starts).toEqual({});
  });

  test('stays while its event is unsettled, although later events are taken in', () => {
    const starts: Record<string, StartEntry> = { '3': [1, 0, 6], '15': [1, 0, 6] };
    const { suspects } = fixture({ deaths: 2, starts, unsettled: [3], lastSequence: 20 });
    for (const sequence of [15, 16, 3]) suspects.noteTakenIn(sequence);
    suspects.noteReadThrough(20);
    expect(suspects.snapshot().starts).toEqual(starts);
  });

  test('is not left behind when an event that ran alone ends while it becomes company', async () => {
    const { suspects } = fixture({ deaths: 2, starts: { '1': [1, 0, 6] }, unsettled: [1], lastSequence: 1 });
    suspects.noteReadThrough(1);
    await suspects.noteStart(laneOf(1), { alone: true });
    suspects.clear(1);
    await suspects.noteCompany(1);
    suspects.clear(1);
    expect(suspects.snapshot().starts).toEqual({});
  });
});
