import { describe, expect, test } from '@jest/globals';
import { type SuspectRecord, Suspects } from '#library/consumer/handling/suspects.js';
import { silentLog } from '#library/log.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { FakeKeyPort } from '../ownership/fake-key-port.js';

function bench(left: SuspectRecord = {}) {
  const port = new FakeKeyPort<SuspectRecord>();
  port.value = left;
  const suspects = new Suspects({ name: 'p', port, maxStarts: 3, clock: new ManualClock(), log: silentLog });
  return { port, suspects };
}

describe('who is under suspicion', () => {
  test('after a crash everything delivered before; after a release nothing', async () => {
    const { suspects } = bench();
    suspects.inherit(true);
    await suspects.load();
    suspects.takenOver(10);
    expect([suspects.isSuspect(10), suspects.isSuspect(11)]).toEqual([true, false]);
    suspects.inherit(false);
    await suspects.load();
    suspects.takenOver(20);
    expect(suspects.isSuspect(10)).toBe(false);
  });

  test('what an owner that died had started, even after a release in between', async () => {
    const { suspects } = bench({ '5': 3, '6': 1 });
    suspects.inherit(false);
    await suspects.load();
    suspects.takenOver(9);
    expect([suspects.isSuspect(5), suspects.isSuspect(6), suspects.isSuspect(7)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([suspects.isExhausted(5), suspects.isExhausted(6)]).toEqual([true, false]);
  });

  test('nobody any more once an attempt has ended here', async () => {
    const { suspects } = bench();
    suspects.inherit(true);
    await suspects.load();
    suspects.takenOver(10);
    await suspects.noteStart(4);
    suspects.ended(4);
    expect(suspects.isSuspect(4)).toBe(false);
  });
});

describe('what is written down', () => {
  test('a start adds one to what earlier owners left; its end strikes it out', async () => {
    const { port, suspects } = bench({ '4': 1 });
    suspects.inherit(true);
    await suspects.load();
    suspects.takenOver(10);
    expect(await suspects.noteStart(4)).toBe(true);
    expect(port.value).toEqual({ '4': 2 });
    suspects.ended(4);
    await suspects.settle();
    expect(port.value).toEqual({});
  });

  test('the starts of one turn go into one write, and are there before any of them runs', async () => {
    const { port, suspects } = bench();
    suspects.inherit(true);
    await suspects.load();
    suspects.takenOver(10);
    expect(await Promise.all([suspects.noteStart(1), suspects.noteStart(2), suspects.noteStart(3)])).toEqual([
      true,
      true,
      true,
    ]);
    expect(port.writes).toEqual([{ '1': 1, '2': 1, '3': 1 }]);
  });

  test('a start that cannot be written down must not happen; own starts do not count as an earlier owner’s', async () => {
    const { port, suspects } = bench();
    suspects.inherit(true);
    await suspects.load();
    suspects.takenOver(10);
    port.failure = new Error('away');
    expect(await suspects.noteStart(1)).toBe(false);
    port.failure = undefined;
    expect(await suspects.noteStart(1)).toBe(true);
    expect(suspects.startsOf(1)).toBe(0);
    expect(port.value).toEqual({ '1': 1 });
  });
});
