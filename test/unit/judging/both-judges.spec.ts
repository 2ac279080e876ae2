import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { judgeHistory } from '#library/judging/judge-history.js';
import { OrderOracle } from '#library/judging/order-oracle.js';
import type { Disturbance, HandlerRun } from '#library/judging/run-history.js';

const KEYS = ['a', 'b'];
const LAST = 4;
/** What both judges know of. The oracle sees no processes, so it takes repeats as they come. */
const SHARED: ReadonlySet<string> = new Set(['order', 'one-owner', 'nothing-lost']);

type Move =
  | { readonly do: 'start'; readonly key: string; readonly ahead: number }
  | { readonly do: 'end'; readonly key: string; readonly ok: boolean }
  | { readonly do: 'crash'; readonly back: number };

const key = fc.constantFrom(...KEYS);
const moves = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('start' as const),
        key,
        ahead: fc.constantFrom(0, 0, 0, 0, 0, 1),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('end' as const),
        key,
        ok: fc.constantFrom(true, true, true, false),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('crash' as const), back: fc.integer({ min: 0, max: 2 }) }),
    },
  ),
  { minLength: 10, maxLength: 60 },
);

/** One owner after another: each begins a few events further back. Both judges are told the same. */
class Told {
  readonly oracle = new OrderOracle();
  readonly runs: HandlerRun[] = [];
  readonly disturbances: Disturbance[] = [];
  readonly #running = new Map<string, { number: number; start: number }[]>(KEYS.map((one) => [one, []]));
  readonly #next = new Map<string, number>(KEYS.map((one) => [one, 1]));
  readonly #handled = new Set<string>();
  #now = 0;
  #token = 1;

  /** @param isOrderly Nothing starts early or beside another event of its aggregate. */
  constructor(private readonly isOrderly: boolean) {
    for (const one of KEYS) for (let n = 1; n <= LAST; n++) this.oracle.published(one);
  }

  tell(move: Move): void {
    this.#now++;
    if (move.do === 'start') this.#start(move.key, (this.#next.get(move.key) ?? 1) + move.ahead);
    else if (move.do === 'end') this.#end(move.key, move.ok);
    else this.#crash(move.back);
  }

  /** Everything that still runs, or has not run, runs in order to its end. */
  finish(): void {
    for (const one of KEYS) {
      while ((this.#running.get(one) ?? []).length > 0) this.tell({ do: 'end', key: one, ok: true });
      while ((this.#next.get(one) ?? 1) <= LAST) {
        this.tell({ do: 'start', key: one, ahead: 0 });
        this.tell({ do: 'end', key: one, ok: true });
      }
    }
  }

  #start(aggregateId: string, number: number): void {
    if (number > LAST || (this.isOrderly && !this.#isNext(aggregateId, number))) return;
    this.#running.get(aggregateId)?.push({ number, start: this.#now });
    this.oracle.started(aggregateId, number);
  }

  #isNext(aggregateId: string, number: number): boolean {
    return this.#running.get(aggregateId)?.length === 0 && number === this.#next.get(aggregateId);
  }

  #end(aggregateId: string, ok: boolean): void {
    const ended = this.#running.get(aggregateId)?.shift();
    if (ended === undefined) return;
    const { number, start } = ended;
    const name = `${aggregateId} ${number}`;
    // A repeat that fails: the oracle does not hold it against the owner if another event follows.
    const isHandled = ok || this.#handled.has(name);
    this.oracle.ended(aggregateId, number, isHandled);
    this.runs.push({
      ...{ aggregateId, number, sequence: KEYS.indexOf(aggregateId) * LAST + number, partition: 0 },
      ...{ token: this.#token, process: `owner ${this.#token}`, start, end: this.#now },
      outcome: isHandled ? 'handled' : 'failed',
    });
    if (!isHandled) return;
    this.#handled.add(name);
    this.#next.set(aggregateId, number + 1);
  }

  #crash(back: number): void {
    if ([...this.#running.values()].some((runs) => runs.length > 0)) return;
    this.disturbances.push({
      kind: 'kill',
      process: `owner ${this.#token}`,
      from: this.#now,
      to: this.#now,
    });
    this.#token++;
    for (const [one, next] of this.#next) this.#next.set(one, Math.max(1, next - back));
  }
}

function isGreen({ violations, overlaps, lost }: ReturnType<OrderOracle['verdict']>): boolean {
  return [...violations, ...overlaps, ...lost].length === 0;
}

test('the judge of a live run and the judge of its history find the same runs in order', () => {
  const seen = { green: 0, red: 0 };
  fc.assert(
    fc.property(moves, fc.boolean(), (list, isOrderly) => {
      const told = new Told(isOrderly);
      for (const move of list) told.tell(move);
      told.finish();
      const { runs, disturbances, oracle } = told;
      const stored = KEYS.flatMap((aggregateId, place) =>
        Array.from({ length: LAST }, (_, index) => ({
          ...{ aggregateId, number: index + 1, sequence: place * LAST + index + 1 },
        })),
      );
      const history = { stored, published: [], runs, disturbances, leaseTtlMs: 1_500 };
      const { findings } = judgeHistory({ ...history, rest: { unsettled: 0, parked: 0 } });
      const broken = findings.filter(({ promise }) => SHARED.has(promise));
      const verdict = oracle.verdict();
      seen[broken.length === 0 ? 'green' : 'red']++;
      expect({ isGreen: isGreen(verdict), verdict }).toEqual({ isGreen: broken.length === 0, verdict });
      expect(verdict.handled).toBe(runs.filter(({ outcome }) => outcome === 'handled').length);
    }),
    { numRuns: 300 },
  );
  // Neither judge is right by always saying the same.
  expect(Math.min(seen.green, seen.red)).toBeGreaterThan(20);
});
