import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CLOSE, KeyedExecutor, NEXT, type Step } from '#library/executor/keyed-executor.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

type Plan = { readonly kind: 'sync' | 'async'; readonly steps: readonly Step[]; readonly span: number };
type Action =
  | { readonly kind: 'push'; readonly key: string; readonly plan: Plan }
  | { readonly kind: 'end'; readonly which: number }
  | { readonly kind: 'close' | 'open'; readonly key: string }
  | { readonly kind: 'takeTail' | 'pauseAllBut'; readonly key: string }
  | { readonly kind: 'discard' | 'resume' | 'hold' | 'release' | 'stop' | 'restart' }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'settle' };

const key = fc.constantFrom('a', 'b', 'c', 'd');
const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant(NEXT) },
  { weight: 2, arbitrary: fc.nat(50) },
  { weight: 1, arbitrary: fc.constant(CLOSE) },
);
/** What an item's runs answer, one after the other; once they are used up, NEXT. */
const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constantFrom('sync', 'async'),
  steps: fc.array(step, { maxLength: 3 }),
  /** Items that its runs take together, if there are so many. */
  span: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.integer({ min: 2, max: 4 })),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('push' as const), key, plan }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'open' as const), key }) },
  { weight: 1, arbitrary: fc.constant<Action>({ kind: 'discard' }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('takeTail' as const, 'pauseAllBut' as const), key }),
  },
  { weight: 1, arbitrary: fc.constant<Action>({ kind: 'resume' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('hold' as const, 'release' as const, 'stop' as const, 'restart' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(40) }) },
  { weight: 4, arbitrary: fc.constant<Action>({ kind: 'settle' }) },
);

interface Item {
  next: Item | undefined;
  readonly key: string;
  readonly n: number;
  readonly plan: Plan;
  runs: number;
  notBefore: number;
}

/** What must be true of a keyed executor, said again in the plainest way. */
class Model {
  readonly queues = new Map<string, Item[]>();
  readonly running = new Set<Item>();
  /** How many items of a key its run holds. */
  readonly spans = new Map<string, number>();
  readonly closed = new Set<string>();
  /** While paused: the one key that may start. */
  only: string | undefined;
  isHeld = false;
  isStopped = false;
  readonly faults: string[] = [];
  readonly finished: Item[] = [];

  constructor(
    private readonly concurrency: number,
    private readonly clock: ManualClock,
  ) {}

  queue(of: string): Item[] {
    let queue = this.queues.get(of);
    if (queue === undefined) this.queues.set(of, (queue = []));
    return queue;
  }

  starts(item: Item, span: number): void {
    if (span > this.queue(item.key).length) this.faults.push(`${item.key} has no ${span} items`);
    this.spans.set(item.key, span);
    const name = `${item.key}${item.n}`;
    if (this.queue(item.key)[0] !== item) this.faults.push(`${name} started out of order`);
    for (const other of this.running)
      if (other.key === item.key) this.faults.push(`${name} started while ${other.n} ran`);
    if (this.only !== undefined && this.only !== item.key) this.faults.push(`${name} started while paused`);
    if (this.isHeld || this.isStopped) this.faults.push(`${name} started while held or stopped`);
    if (this.closed.has(item.key)) this.faults.push(`${name} started in a closed lane`);
    if (this.clock.now() < item.notBefore) this.faults.push(`${name} started before its wait was over`);
    this.running.add(item);
    if (this.running.size > this.concurrency) this.faults.push(`${this.running.size} ran at once`);
  }

  ends(item: Item, step: Step): void {
    this.running.delete(item);
    item.notBefore = 0;
    if (step === NEXT) {
      this.finished.push(...this.queue(item.key).splice(0, this.spans.get(item.key) ?? 1));
    } else if (step === CLOSE) this.closed.add(item.key);
    else item.notBefore = this.clock.now() + step;
  }

  opens(of: string): void {
    this.closed.delete(of);
    // Opening a closed lane ends the wait of its head, too.
    const head = this.queue(of)[0];
    if (head !== undefined) head.notBefore = 0;
  }

  get size(): number {
    return [...this.queues.values()].reduce((sum, queue) => sum + queue.length, 0);
  }
}

test('runs items in order, one per key and bounded, and forgets none, for random actions', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (actions, concurrency) => {
        const clock = new ManualClock();
        const model = new Model(concurrency, clock);
        const ends: { item: Item; end: () => void }[] = [];
        const executor = new KeyedExecutor<Item>({
          concurrency,
          clock,
          broke: () => NEXT,
          spanOf: (head) => {
            let span = 1;
            for (let { next } = head; next !== undefined && span < head.plan.span; { next } = next) span++;
            return span;
          },
          run: (item, span) => {
            model.starts(item, span);
            const answer = item.plan.steps[item.runs++] ?? NEXT;
            if (item.plan.kind === 'sync') {
              model.ends(item, answer);
              return answer;
            }
            return new Promise<Step>((resolve) => {
              ends.push({
                item,
                end: () => {
                  model.ends(item, answer);
                  resolve(answer);
                },
              });
            });
          },
        });
        let n = 0;
        let discarded = 0;
        for (const doing of actions) {
          switch (doing.kind) {
            case 'push': {
              const item = {
                next: undefined,
                key: doing.key,
                n: ++n,
                plan: doing.plan,
                runs: 0,
                notBefore: 0,
              };
              model.queue(doing.key).push(item);
              executor.push(doing.key, item);
              break;
            }
            case 'end':
              // A promise tells in a later microtask, so what follows must not come between.
              if (ends.length > 0) ends.splice(doing.which % ends.length, 1)[0]!.end();
              await clock.settle(1);
              break;
            case 'close':
              model.closed.add(doing.key);
              executor.close(doing.key);
              break;
            case 'open':
              if (model.closed.has(doing.key)) model.opens(doing.key);
              executor.open(doing.key);
              break;
            case 'takeTail': {
              // The head stays, whether it runs or not.
              const tail = model.queue(doing.key).splice(1);
              model.spans.set(doing.key, 1);
              expect(executor.takeTail(doing.key)).toEqual(tail);
              discarded += tail.length;
              break;
            }
            case 'pauseAllBut':
              model.only = doing.key;
              executor.pauseAllBut(doing.key);
              break;
            case 'resume':
              model.only = undefined;
              executor.resume();
              break;
            case 'hold':
              model.isHeld = true;
              executor.hold();
              break;
            case 'release':
              model.isHeld = false;
              executor.release();
              break;
            case 'stop':
              model.isStopped = true;
              executor.stop();
              break;
            case 'restart':
              model.isStopped = false;
              executor.restart();
              break;
            case 'discard': {
              const dropped: Item[] = [];
              executor.discardQueued((item) => dropped.push(item));
              const kept = [...model.queues.values()].flat().filter((item) => model.running.has(item));
              const gone = [...model.queues.values()].flat().filter((item) => !model.running.has(item));
              expect(new Set(dropped)).toEqual(new Set(gone));
              discarded += dropped.length;
              model.closed.clear();
              model.spans.clear();
              for (const queue of model.queues.values())
                queue.splice(0, queue.length, ...queue.filter((item) => kept.includes(item)));
              break;
            }
            case 'advance':
              await clock.advance(doing.ms);
              break;
            case 'settle':
              await clock.settle(2);
          }
          expect(model.faults).toEqual([]);
          expect(executor.size).toBe(model.size);
          expect(executor.running).toBe(model.running.size);
        }
        model.isHeld = model.isStopped = false;
        executor.release();
        executor.restart();
        // The key that may start while all others are paused gets to its end alone.
        const alone = model.only;
        if (alone !== undefined) {
          for (let round = 0; model.queue(alone).length > 0 && round < 1_000; round++) {
            if (model.closed.has(alone)) model.opens(alone);
            executor.open(alone);
            await clock.advance(51);
            while (ends.length > 0) {
              ends.pop()!.end();
              await clock.settle(1);
            }
          }
          expect(model.queue(alone)).toEqual([]);
        }
        model.only = undefined;
        executor.resume();
        for (let round = 0; model.size > 0 && round < 1_000; round++) {
          for (const of of [...model.closed]) {
            model.opens(of);
            executor.open(of);
          }
          await clock.advance(51);
          while (ends.length > 0) {
            ends.pop()!.end();
            await clock.settle(1);
          }
        }
        for (const of of [...model.closed]) executor.open(of);
        expect(model.faults).toEqual([]);
        expect(model.finished.length + discarded).toBe(n);
        expect([executor.size, executor.running, executor.laneCount]).toEqual([0, 0, 0]);
        expect(clock.pendingTimers).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});
