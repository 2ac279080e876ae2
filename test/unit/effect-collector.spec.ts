import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EffectCollector } from '#library/effect-collector.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A database whose transactions end when the test says so. */
class Database {
  readonly started: (readonly number[])[] = [];
  readonly committed: number[] = [];
  mostAtOnce = 0;
  #open: (() => void)[] = [];

  constructor(private readonly culprits: ReadonlySet<number> = new Set()) {}

  readonly apply = async (effects: readonly number[]): Promise<void> => {
    this.started.push(effects);
    await new Promise<void>((resolve) => {
      this.#open.push(resolve);
      this.mostAtOnce = Math.max(this.mostAtOnce, this.#open.length);
    });
    const culprit = effects.find((effect) => this.culprits.has(effect));
    if (culprit !== undefined) throw new Error(`no room for ${culprit}`);
    this.committed.push(...effects);
  };

  /** Ends the transaction that was started first of those under way. False if there is none. */
  async end(index = 0): Promise<boolean> {
    const [resolve] = this.#open.splice(index % Math.max(1, this.#open.length), 1);
    resolve?.();
    await turn();
    return resolve !== undefined;
  }

  async endAll(): Promise<void> {
    while (await this.end());
  }
}

describe('effects', () => {
  test('of one turn share a transaction, in the order in which they were added', async () => {
    const database = new Database();
    const collector = new EffectCollector(database);
    const added = [1, 2, 3].map((effect) => collector.add(effect));
    expect(database.started).toEqual([]);
    await turn();
    expect(database.started).toEqual([[1, 2, 3]]);
    await database.endAll();
    await Promise.all(added);
    expect(database.committed).toEqual([1, 2, 3]);
  });

  test('wait together while all transactions are under way', async () => {
    const database = new Database();
    const collector = new EffectCollector({ apply: database.apply, concurrency: 1, maxSize: 2 });
    for (const effect of [1, 2, 3, 4]) {
      void collector.add(effect);
      await turn();
    }
    expect(database.started).toEqual([[1]]);
    await database.endAll();
    expect(database.started).toEqual([[1], [2, 3], [4]]);
  });

  test('resolve only when their transaction is committed', async () => {
    const database = new Database();
    const collector = new EffectCollector(database);
    let isDone = false;
    const added = collector.add(1).then(() => (isDone = true));
    await turn();
    await turn();
    expect(isDone).toBe(false);
    await database.end();
    await added;
  });

  test('of a failed transaction are applied alone: the culprit fails with its own error, the others do not', async () => {
    const database = new Database(new Set([2]));
    const collector = new EffectCollector(database);
    const outcomes = Promise.allSettled([1, 2, 3].map((effect) => collector.add(effect)));
    await turn();
    await database.endAll();
    expect(await outcomes).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { message: 'no room for 2' } },
      { status: 'fulfilled' },
    ]);
    expect(database.started).toEqual([[1, 2, 3], [1], [2], [3]]);
    expect(database.committed).toEqual([1, 3]);
  });

  test('fail one by one if apply throws before it returns', async () => {
    const collector = new EffectCollector<number>({
      apply: (effects) => {
        throw new Error(`refused ${effects.join()}`);
      },
    });
    const outcomes = await Promise.allSettled([collector.add(1), collector.add(2)]);
    expect(outcomes).toMatchObject([
      { reason: { message: 'refused 1' } },
      { reason: { message: 'refused 2' } },
    ]);
  });
});

test('every effect is committed once or fails for itself, within both bounds, however transactions end', async () => {
  const run = fc.asyncProperty(
    fc.record({ maxSize: fc.integer({ min: 1, max: 4 }), concurrency: fc.integer({ min: 1, max: 3 }) }),
    fc.uniqueArray(fc.nat(19), { maxLength: 5 }),
    fc.array(fc.oneof(fc.constant('add' as const), fc.nat(5)), { minLength: 1, maxLength: 40 }),
    async (bounds, culprits, steps) => {
      const database = new Database(new Set(culprits));
      const collector = new EffectCollector({ ...bounds, apply: database.apply });
      const outcomes: Promise<boolean>[] = [];
      for (const step of steps) {
        if (step !== 'add') await database.end(step);
        else
          outcomes.push(
            collector.add(outcomes.length).then(
              () => true,
              () => false,
            ),
          );
      }
      await turn();
      await database.endAll();
      const succeeded = (await Promise.all(outcomes)).flatMap((isDone, effect) => (isDone ? [effect] : []));
      const innocent = outcomes.map((_outcome, effect) => effect).filter((e) => !culprits.includes(e));
      expect(succeeded).toEqual(innocent);
      expect([...database.committed].sort((one, other) => one - other)).toEqual(innocent);
      expect(database.mostAtOnce).toBeLessThanOrEqual(bounds.concurrency);
      expect(Math.max(0, ...database.started.map(({ length }) => length))).toBeLessThanOrEqual(
        bounds.maxSize,
      );
    },
  );
  await fc.assert(run, { numRuns: 200 });
});

test.each([
  [{ maxSize: 0 }, 'maxSize', 'a whole number from 1 to 10000, found 0'],
  [{ maxSize: 1.5 }, 'maxSize', 'a whole number from 1 to 10000, found 1.5'],
  [{ concurrency: 1_001 }, 'concurrency', 'a whole number from 1 to 1000, found 1001'],
  [{ apply: undefined as never }, 'apply', 'a function, found undefined'],
])('%j is refused', (options, option, expected) => {
  const made = (): unknown => new EffectCollector({ apply: () => Promise.resolve(), ...options });
  expect(made).toThrow(
    expect.objectContaining({
      code: 'OPTIONS_INVALID',
      message: `expected ${option} of an EffectCollector to be ${expected}`,
    }),
  );
});
