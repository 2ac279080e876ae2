import { describe, expect, test } from '@jest/globals';
import { systemClock } from '#library/clock.js';
import { CLOSE, KeyedExecutor, NEXT, type Step } from '#library/executor/keyed-executor.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

interface Item {
  next: Item | undefined;
  readonly key: string;
  readonly n: number;
}

interface Run {
  readonly name: string;
  end(step: Step): void;
}

/** For runs that never break. */
function broke(_item: Item, error: unknown): Step {
  throw error;
}

/** An executor whose runs end when the test says so, unless `sync` answers at once. */
function fixture(concurrency = 10, sync?: (item: Item) => Step | undefined) {
  const clock = new ManualClock();
  const started: string[] = [];
  const running: Run[] = [];
  const executor = new KeyedExecutor<Item>({
    concurrency,
    clock,
    broke,
    run: (item) => {
      const name = `${item.key}${item.n}`;
      started.push(name);
      const step = sync?.(item);
      if (step !== undefined) return step;
      return new Promise<Step>((resolve) => {
        running.push({ name, end: resolve });
      });
    },
  });
  const push = (key: string, ...numbers: number[]): void => {
    for (const n of numbers) executor.push(key, { next: undefined, key, n });
  };
  const end = async (name: string, step: Step = NEXT): Promise<void> => {
    const index = running.findIndex((run) => run.name === name);
    if (index === -1) throw new Error(`${name} does not run`);
    running.splice(index, 1)[0]!.end(step);
    await clock.settle();
  };
  return { clock, executor, started, running, push, end };
}

describe('order and concurrency', () => {
  test('a key runs one item at a time, in the order they were pushed', async () => {
    const { clock, started, push, end, executor } = fixture();
    push('a', 1, 2, 3);
    await clock.settle();
    expect(started).toEqual(['a1']);
    await end('a1');
    expect(started).toEqual(['a1', 'a2']);
    push('a', 4);
    await end('a2');
    await end('a3');
    await end('a4');
    expect(started).toEqual(['a1', 'a2', 'a3', 'a4']);
    expect([executor.size, executor.running, executor.laneCount]).toEqual([0, 0, 0]);
  });

  test('no run starts before the code that pushes has come to its end, and none waits for longer', async () => {
    const { started, push } = fixture();
    push('a', 1);
    push('b', 1);
    expect(started).toEqual([]);
    await Promise.resolve();
    expect(started).toEqual(['a1', 'b1']);
  });

  test('an item pushed in a turn in which others have started waits for the next turn', async () => {
    const { clock, started, push } = fixture(10, () => NEXT);
    const seen: string[][] = [];
    for (const key of ['a', 'b', 'c']) {
      push(key, 1);
      await Promise.resolve();
      seen.push([...started]);
    }
    expect(seen).toEqual([['a1'], ['a1'], ['a1']]);
    await clock.settle(1);
    expect(started).toEqual(['a1', 'b1', 'c1']);
    await clock.settle(1);
    push('d', 1);
    await Promise.resolve();
    expect(started).toContain('d1');
  });

  test('never more than `concurrency` runs; the next key starts when one ends', async () => {
    const { clock, started, push, end, executor } = fixture(2);
    push('a', 1);
    push('b', 1);
    push('c', 1);
    await clock.settle();
    expect(started).toEqual(['a1', 'b1']);
    expect([executor.running, executor.size]).toEqual([2, 3]);
    await end('b1');
    expect(started).toEqual(['a1', 'b1', 'c1']);
  });

  test('a run that never settles holds its own key and one place, nothing else', async () => {
    const { clock, started, push, end, executor } = fixture(2);
    push('stuck', 1, 2);
    push('a', 1, 2, 3);
    await clock.settle();
    await end('a1');
    await end('a2');
    await end('a3');
    expect(started).toEqual(['stuck1', 'a1', 'a2', 'a3']);
    expect(executor.laneOf('stuck')?.size).toBe(2);
    let ended = false;
    void executor.whenNoneRuns().then(() => (ended = true));
    await clock.advance(1_000_000);
    expect(ended).toBe(false);
  });

  test('runs that end at once and runs that end later keep one order', async () => {
    const { clock, started, push, end } = fixture(10, (item) => (item.n % 2 === 1 ? NEXT : undefined));
    push('a', 1, 2, 3, 4, 5);
    await clock.settle();
    expect(started).toEqual(['a1', 'a2']);
    await end('a2');
    expect(started).toEqual(['a1', 'a2', 'a3', 'a4']);
    await end('a4');
    expect(started).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
  });
});

describe('fairness', () => {
  test("a lane of 10 000 items delays another lane's first item by one turn of the ring, no more", async () => {
    const { clock, started, push } = fixture(1, () => NEXT);
    push('hot', ...Array.from({ length: 10_000 }, (_, n) => n));
    push('a', 1);
    push('b', 1);
    await clock.settle();
    expect(started.slice(0, 3)).toEqual(['hot0', 'a1', 'b1']);
    while (started.length < 10_002) await clock.settle();
  });

  test('a key that arrives while a lane of 10 000 items runs starts within one turn of the ring', async () => {
    const { clock, started, push, end } = fixture(1);
    push('hot', ...Array.from({ length: 10_000 }, (_, n) => n));
    push('warm', 1, 2, 3);
    await clock.settle();
    await end('hot0');
    await end('warm1');
    push('late', 1);
    await end('hot1');
    await end('warm2');
    expect(started).toEqual(['hot0', 'warm1', 'hot1', 'warm2', 'late1']);
  });

  test('100 000 handlers that end at once let timers and sockets in between', async () => {
    let ran = 0;
    const total = 100_000;
    const executor = new KeyedExecutor<Item>({
      concurrency: 256,
      clock: systemClock,
      broke,
      run: () => {
        ran++;
        const until = performance.now() + 0.0005;
        while (performance.now() < until);
        return NEXT;
      },
    });
    for (let n = 0; n < total; n++) executor.push(`k${n % 1_000}`, { next: undefined, key: '', n });
    const seen: number[] = [];
    let timerAt: number | undefined;
    setTimeout(() => (timerAt = ran), 1);
    await new Promise<void>((resolve) => {
      const look = (): void => {
        seen.push(ran);
        if (ran < total) setImmediate(look);
        else resolve();
      };
      setImmediate(look);
    });
    expect(new Set(seen).size).toBeGreaterThan(5);
    expect(timerAt).toBeLessThan(total);
    expect(executor.laneCount).toBe(0);
  });

  test('is behind while heads wait for the processor or for a place, and reports when it has caught up', async () => {
    let now = 0;
    const clock = { ...systemClock, now: () => now };
    const settle = (turns: number): Promise<void> => new ManualClock().settle(turns);
    let step: (() => Step | Promise<Step>) | undefined;
    const run = (): Step | Promise<Step> => step!();
    let caughtUp = 0;
    const executor = new KeyedExecutor<Item>({
      concurrency: 40,
      clock,
      run,
      broke,
      caughtUp: () => caughtUp++,
    });
    const pushAll = (): void => {
      for (let n = 0; n < 50; n++) executor.push(`k${n}`, { next: undefined, key: `k${n}`, n });
    };
    // Each run takes a millisecond of the processor: a turn's budget is used up long before the last one.
    step = () => {
      now++;
      return NEXT;
    };
    pushAll();
    await settle(1);
    expect(executor.size).toBeGreaterThan(0);
    expect(executor.isBehind).toBe(true);
    await settle(20);
    expect([executor.size, executor.isBehind, caughtUp]).toEqual([0, false, 1]);
    const ends: (() => void)[] = [];
    step = () => new Promise<Step>((resolve) => ends.push(() => resolve(NEXT)));
    pushAll();
    await settle(4);
    expect([executor.size, executor.running, executor.isBehind]).toEqual([50, 40, true]);
    for (const end of ends) end();
    await settle(4);
    expect([executor.size, executor.running, executor.isBehind]).toEqual([10, 10, false]);
    expect(caughtUp).toBe(2);
    for (const end of ends) end();
  });
});

describe('a head that runs again later', () => {
  test('keeps its place, frees its slot, and holds up its own lane only', async () => {
    const { clock, started, push, end, executor } = fixture(1);
    push('a', 1, 2);
    push('b', 1);
    await clock.settle();
    await end('a1', 500);
    expect(started).toEqual(['a1', 'b1']);
    await end('b1');
    expect(executor.running).toBe(0);
    await clock.advance(499);
    expect(started).toEqual(['a1', 'b1']);
    await clock.advance(1);
    expect(started).toEqual(['a1', 'b1', 'a1']);
    await end('a1');
    expect(started.at(-1)).toBe('a2');
  });

  test('with a wait of 0 runs again at once, behind the lanes that are ready', async () => {
    const { clock, started, push, end } = fixture(1);
    push('a', 1);
    push('b', 1);
    await clock.settle();
    await end('a1', 0);
    expect(started).toEqual(['a1', 'b1']);
    await end('b1');
    expect(started).toEqual(['a1', 'b1', 'a1']);
  });

  test('is not hurried by a push', async () => {
    const { clock, started, push, end } = fixture();
    push('a', 1);
    await clock.settle();
    await end('a1', 1_000);
    push('a', 2);
    await clock.advance(999);
    expect(started).toEqual(['a1']);
  });

  test('a wait that was cut short by close and open does not cut the next one short', async () => {
    const { clock, started, push, end, executor } = fixture();
    push('a', 1);
    await clock.settle();
    await end('a1', 100);
    executor.close('a');
    executor.open('a');
    await clock.settle();
    expect(started).toEqual(['a1', 'a1']);
    await end('a1', 1_000);
    await clock.advance(999);
    expect(started).toEqual(['a1', 'a1']);
    await clock.advance(1);
    expect(started).toEqual(['a1', 'a1', 'a1']);
  });
});

describe('closed lanes', () => {
  test('a head that closes its lane stays in its place until the lane is opened', async () => {
    const { clock, started, push, end, executor } = fixture();
    push('a', 1, 2);
    await clock.settle();
    await end('a1', CLOSE);
    push('a', 3);
    push('b', 1);
    await clock.advance(10_000);
    expect(started).toEqual(['a1', 'b1']);
    executor.open('a');
    await clock.settle();
    expect(started).toEqual(['a1', 'b1', 'a1']);
  });

  test('close keeps a ready lane from starting', async () => {
    const { clock, started, push, executor } = fixture();
    push('a', 1);
    executor.close('a');
    await clock.settle();
    expect(started).toEqual([]);
    executor.open('a');
    executor.open('a');
    await clock.settle();
    expect(started).toEqual(['a1']);
  });

  test('close while the head runs lets it end, and nothing follows', async () => {
    const { clock, started, push, end, executor } = fixture();
    push('a', 1, 2);
    await clock.settle();
    executor.close('a');
    await end('a1');
    await clock.advance(10_000);
    expect(started).toEqual(['a1']);
    executor.open('a');
    await clock.settle();
    expect(started).toEqual(['a1', 'a2']);
  });

  test('open before that head has ended leaves the lane as it was', async () => {
    const { clock, started, push, end, executor } = fixture();
    push('a', 1, 2);
    await clock.settle();
    executor.close('a');
    executor.open('a');
    await clock.settle();
    expect(started).toEqual(['a1']);
    await end('a1');
    expect(started).toEqual(['a1', 'a2']);
  });

  test('close before the first push holds what comes, and an empty closed lane is forgotten when opened', async () => {
    const { clock, started, push, executor } = fixture();
    executor.close('a');
    executor.close('b');
    push('a', 1);
    await clock.settle();
    expect(started).toEqual([]);
    executor.open('b');
    expect(executor.laneCount).toBe(1);
    executor.open('a');
    await clock.settle();
    expect(started).toEqual(['a1']);
  });

  test('close while the head waits outlives the wait', async () => {
    const { clock, started, push, end, executor } = fixture();
    push('a', 1);
    await clock.settle();
    await end('a1', 100);
    executor.close('a');
    await clock.advance(1_000);
    expect(started).toEqual(['a1']);
    executor.open('a');
    await clock.settle();
    expect(started).toEqual(['a1', 'a1']);
  });

  test('close from within the run, the last item too: nothing starts until opened', async () => {
    let closing = true;
    const { clock, started, push, executor } = fixture(10, (item) => {
      if (closing) executor.close(item.key);
      return NEXT;
    });
    push('a', 1);
    await clock.settle();
    push('a', 2);
    await clock.settle();
    expect(started).toEqual(['a1']);
    closing = false;
    executor.open('a');
    await clock.settle();
    expect(started).toEqual(['a1', 'a2']);
    expect(executor.laneCount).toBe(0);
  });
});

describe('a held executor', () => {
  test('starts neither ready nor waiting heads until it is released', async () => {
    const { clock, executor, push, end, started } = fixture();
    push('a', 1, 2);
    push('w', 1);
    await clock.settle();
    await end('w1', 50);
    executor.hold();
    executor.hold();
    push('b', 1);
    await end('a1');
    await clock.advance(100);
    expect(started).toEqual(['a1', 'w1']);
    executor.release();
    await clock.settle();
    expect(started.slice(2).sort()).toEqual(['a2', 'b1', 'w1']);
  });

  test('starts nothing of a turn that was scheduled before, and nothing after a head that holds it', async () => {
    const made = fixture(10, (item) => {
      if (item.key === 'h') made.executor.hold();
      return NEXT;
    });
    made.push('a', 1);
    made.executor.hold();
    await made.clock.settle();
    expect(made.started).toEqual([]);
    made.executor.release();
    made.push('h', 1);
    made.push('b', 1);
    await made.clock.settle();
    expect(made.started).toEqual(['a1', 'h1']);
    made.executor.release();
    await made.clock.settle();
    expect(made.started).toEqual(['a1', 'h1', 'b1']);
  });

  test('is not behind: its heads wait for no processor', async () => {
    const { clock, executor, push } = fixture();
    executor.hold();
    push('a', 1);
    await clock.settle();
    expect(executor.isBehind).toBe(false);
    executor.release();
    expect(executor.isBehind).toBe(true);
  });

  test('stays held over stop and restart, and stopped over hold and release', async () => {
    const { clock, executor, push, started } = fixture();
    executor.hold();
    executor.stop();
    push('a', 1);
    executor.restart();
    await clock.settle();
    executor.stop();
    executor.release();
    await clock.settle();
    expect(started).toEqual([]);
    executor.restart();
    await clock.settle();
    expect(started).toEqual(['a1']);
  });

  test('drops what is discarded, and runs what comes after its release', async () => {
    const { clock, executor, push, started } = fixture();
    executor.hold();
    push('a', 1);
    await clock.settle();
    executor.discardQueued(() => undefined);
    push('a', 2);
    executor.release();
    await clock.settle();
    expect(started).toEqual(['a2']);
  });

  test('starts only the key that may start when it is released while paused', async () => {
    const { clock, executor, push, started } = fixture();
    executor.hold();
    push('a', 1);
    push('b', 1);
    executor.pauseAllBut('b');
    executor.release();
    await clock.settle();
    expect(started).toEqual(['b1']);
    executor.resume();
    await clock.settle();
    expect(started).toEqual(['b1', 'a1']);
  });
});

describe('the end', () => {
  test('stop starts neither ready nor waiting heads, and lets running heads end', async () => {
    const { clock, started, push, end, executor } = fixture(2);
    push('a', 1, 2);
    push('b', 1);
    push('c', 1);
    await clock.settle();
    await end('b1', 100);
    await end('c1', 0);
    const soFar = [...started];
    executor.stop();
    await clock.settle();
    let ended = 0;
    void executor.whenNoneRuns().then(() => ended++);
    void executor.whenNoneRuns().then(() => ended++);
    push('d', 1);
    for (const name of ['a1', 'c1']) {
      expect(ended).toBe(0);
      await end(name);
    }
    await clock.advance(10_000);
    expect(started).toEqual(soFar);
    expect(ended).toBe(2);
    await executor.whenNoneRuns();
  });

  test('discardQueued drops everything but running heads, in order, and forgets closed lanes too', async () => {
    const { clock, started, push, end, executor } = fixture(2);
    push('run', 1, 2, 3);
    push('wait', 1, 2);
    await clock.settle();
    await end('wait1', 1_000);
    push('shut', 1, 2);
    await clock.settle();
    await end('shut1', CLOSE);
    push('gone', 1);
    const dropped: string[] = [];
    executor.discardQueued((item) => dropped.push(`${item.key}${item.n}`));
    expect(dropped.sort()).toEqual(['gone1', 'run2', 'run3', 'shut1', 'shut2', 'wait1', 'wait2']);
    expect([executor.size, executor.running]).toEqual([1, 1]);
    push('run', 4);
    push('wait', 3);
    push('gone', 2);
    push('shut', 3);
    await clock.settle();
    // The running head still guards its key.
    expect(started).not.toContain('run4');
    await end('run1');
    await clock.advance(5_000);
    expect(started).toEqual(['run1', 'wait1', 'shut1', 'wait3', 'gone2']);
    await end('wait3');
    await end('gone2');
    await end('shut3');
    await end('run4');
    expect([executor.size, executor.laneCount]).toEqual([0, 0]);
  });

  test('discardQueued while the running head asks to run again leaves just that head', async () => {
    const { clock, started, push, end, executor } = fixture();
    push('a', 1, 2);
    await clock.settle();
    executor.discardQueued(() => undefined);
    await end('a1', 100);
    expect(executor.size).toBe(1);
    await clock.advance(100);
    expect(started).toEqual(['a1', 'a1']);
  });
});

describe('memory', () => {
  test('a key at rest costs nothing: 10 000 keys, each used twice, leave no lane', async () => {
    const { clock, started, push, executor } = fixture(64, () => NEXT);
    for (let round = 0; round < 2; round++) {
      for (let key = 0; key < 10_000; key++) push(`k${key}`, round);
      while (executor.size > 0) await clock.settle();
      expect(executor.laneCount).toBe(0);
    }
    expect(started).toHaveLength(20_000);
  });

  test('sizeOf tells one key, lanes tells all', async () => {
    const { clock, push, executor } = fixture();
    push('a', 1, 2);
    push('b', 1);
    await clock.settle();
    const sizes = ['a', 'b', 'c'].map((key) => executor.laneOf(key)?.size);
    expect(sizes).toEqual([2, 1, undefined]);
    expect([...executor.lanes()].map(({ key, mode }) => `${key} ${mode}`)).toEqual([
      'a running',
      'b running',
    ]);
  });
});

test('a run that throws or rejects costs its own lane a step, and stops no other', async () => {
  const clock = new ManualClock();
  const broken: string[] = [];
  const ran: string[] = [];
  const executor = new KeyedExecutor<Item>({
    concurrency: 2,
    clock,
    run: ({ key, n }) => {
      ran.push(`${key}${n}`);
      if (key === 'throws' && ran.length < 5) throw new Error('thrown');
      return key === 'rejects' && n === 1 ? Promise.reject(new Error('rejected')) : NEXT;
    },
    broke: ({ key }, error) => {
      broken.push(`${key}: ${(error as Error).message}`);
      return key === 'throws' ? 100 : NEXT;
    },
  });
  const push = (key: string, n: number): number => executor.push(key, { next: undefined, key, n });
  push('throws', 1);
  push('rejects', 1);
  push('rejects', 2);
  push('fine', 1);
  await clock.settle();
  expect(ran).toEqual(['throws1', 'rejects1', 'fine1', 'rejects2']);
  expect(broken).toEqual(['throws: thrown', 'rejects: rejected']);
  await clock.advance(100);
  expect(ran.at(-1)).toBe('throws1');
  expect([executor.size, executor.running]).toEqual([0, 0]);
});
