import { describe, expect, test } from '@jest/globals';
import { ALONE_MS, type AloneMember, AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

class FakeMember implements AloneMember {
  isHeld = false;
  startedAt: number | undefined;

  hold(): void {
    this.isHeld = true;
  }

  release(): void {
    this.isHeld = false;
  }

  youngestStart(): number | undefined {
    return this.startedAt;
  }
}

function fixture() {
  const clock = new ManualClock(1_000);
  const turns = new AloneTurns(clock);
  const member = () => {
    const made = new FakeMember();
    turns.join(made);
    return made;
  };
  return { clock, turns, member };
}

describe('a turn to run alone', () => {
  test('is given to one event at a time over all partitions of the process', () => {
    const { turns, member } = fixture();
    const [a, b] = [member(), member()];
    const turn = turns.tryTake(a)!;
    expect([a.isHeld, b.isHeld]).toEqual([true, true]);
    expect([turns.tryTake(a), turns.tryTake(b)]).toEqual([undefined, undefined]);
    turns.give(turn);
    expect([a.isHeld, b.isHeld]).toEqual([false, false]);
    expect(turns.tryTake(b)).toBeDefined();
  });

  test('holds a partition that joins while it lasts', () => {
    const { turns, member } = fixture();
    const a = member();
    const turn = turns.tryTake(a)!;
    const late = member();
    expect(late.isHeld).toBe(true);
    turns.give(turn);
    expect(late.isHeld).toBe(false);
  });

  test('that is given back twice does not end the turn of another event', () => {
    const { turns, member } = fixture();
    const [a, b] = [member(), member()];
    const first = turns.tryTake(a)!;
    turns.give(first);
    const second = turns.tryTake(b)!;
    turns.give(first);
    expect([a.isHeld, b.isHeld, turns.tryTake(a)]).toEqual([true, true, undefined]);
    turns.give(second);
    expect([a.isHeld, b.isHeld]).toEqual([false, false]);
  });

  test('of a partition that leaves can still be given back, and the others are released', () => {
    const { turns, member } = fixture();
    const [a, b] = [member(), member()];
    const turn = turns.tryTake(a)!;
    turns.leave(a);
    turns.give(turn);
    expect([b.isHeld, turns.tryTake(b) !== undefined]).toEqual([false, true]);
  });
});

describe('quiet', () => {
  test('comes at once while no handler runs', async () => {
    const { clock, turns, member } = fixture();
    const turn = turns.tryTake(member())!;
    let isQuiet = false;
    void turns.whenQuiet(turn).then(() => (isQuiet = true));
    await clock.settle(1);
    expect(isQuiet).toBe(true);
  });

  test('comes when the handlers of all partitions have ended', async () => {
    const { clock, turns, member } = fixture();
    const [a, b] = [member(), member()];
    b.startedAt = clock.now();
    let isQuiet = false;
    void turns.whenQuiet(turns.tryTake(a)!).then(() => (isQuiet = true));
    await clock.advance(200);
    expect(isQuiet).toBe(false);
    b.startedAt = undefined;
    await clock.advance(20);
    expect(isQuiet).toBe(true);
  });

  test('does not wait for a handler that hangs: the process has survived it', async () => {
    const { clock, turns, member } = fixture();
    const [a, b] = [member(), member()];
    b.startedAt = clock.now() - ALONE_MS / 2;
    let isQuiet = false;
    void turns.whenQuiet(turns.tryTake(a)!).then(() => (isQuiet = true));
    await clock.advance(ALONE_MS / 2 - 20);
    expect(isQuiet).toBe(false);
    await clock.advance(40);
    expect(isQuiet).toBe(true);
  });
});
