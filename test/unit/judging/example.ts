import type { HandlerRun, RunHistory } from '#library/judging/run-history.js';

// A history that keeps every promise. Tests of the judge break one line of it each.

/** As {@link RunHistory}, with lists that a test may change. */
export type Example = { -readonly [K in keyof RunHistory]: RunHistory[K] } & { runs: HandlerRun[] };

export function run(number: number, start: number, change: Partial<HandlerRun> = {}): HandlerRun {
  return {
    ...{ aggregateId: 'k', number, sequence: number, partition: 0, token: 1, process: 'first' },
    ...{ start, end: start + 5, outcome: 'handled' },
    ...change,
  };
}

const SECOND = { token: 2, process: 'second' };

/**
 * The events 1 to 6 of `k`, and 7 and 8 of `l`. The first owner handles 1 to 4, 2 of them at the second attempt, and is
 * killed. The second one repeats 4 and handles the rest.
 */
export function goodHistory(): Example {
  const numbers = [1, 2, 3, 4, 5, 6];
  const stored = [
    ...numbers.map((number) => ({ aggregateId: 'k', number, sequence: number })),
    ...[1, 2].map((number) => ({ aggregateId: 'l', number, sequence: 6 + number })),
  ];
  return {
    stored,
    published: stored.map((event) => ({ ...event, outcome: 'stored' as const })),
    runs: [
      run(1, 10),
      run(2, 20, { outcome: 'failed' }),
      run(2, 26),
      run(3, 40),
      run(4, 50),
      ...[4, 5, 6].map((number) => run(number, 4_000 + 10 * number, SECOND)),
      ...[1, 2].map((number) =>
        run(number, 4_100 + 10 * number, { ...SECOND, aggregateId: 'l', sequence: 6 + number }),
      ),
    ],
    disturbances: [{ kind: 'kill', process: 'first', from: 60, to: 60 }],
    leaseTtlMs: 1_500,
    rest: { unsettled: 0, parked: 0 },
  };
}
