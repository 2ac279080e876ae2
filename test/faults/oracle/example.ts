import { CONSUMERS } from '../consumer/scenario.js';
import type { Attempt, History, PositionWrite } from './history.js';

// A story that keeps every promise. Tests of checkers break one line of it each.

/** As {@link History}, with lists that a test may change. */
export type Example = { -readonly [K in keyof History]: History[K] } & {
  attempts: Attempt[];
  positions: PositionWrite[];
};

export function attempt(n: number, start: number, change: Partial<Attempt> = {}): Attempt {
  return {
    ...{ key: 'k', n, seq: n, partition: 0, epoch: 1, attempt: 1, worker: 'worker-0-1' },
    ...{ start, end: start + 5, ok: true },
    ...change,
  };
}

let writes = 0;

export function position(high: number, at: number, change: Partial<PositionWrite> = {}): PositionWrite {
  return {
    ...{ id: ++writes, at, answeredAt: at + 1, outcome: 'stored', layout: 0, partitions: 1, partition: 0 },
    ...{ expected: 0, epoch: 1, owner: 'a', write: 2, created: 'now', high, unsettled: '' },
    ...{ window: 100, deaths: 0, rest: false, hasOrigin: false, drained: false },
    ...change,
  };
}

const SECOND = { epoch: 2, worker: 'worker-1-1' };

/**
 * One partition with the events 1 to 6 of `k` and 7 and 8 of `l`. The first owner handles 1 to 4 and is killed before
 * it has written down that 4 is settled. The second one claims position 3, repeats 4 and handles the rest.
 */
export function goodHistory(): Example {
  const attempts = [
    ...[1, 2, 3, 4].map((n) => attempt(n, 10 * n)),
    ...[4, 5, 6].map((n) => attempt(n, 100 + 10 * n, SECOND)),
    ...[1, 2].map((n) => attempt(n, 180 + 10 * n, { ...SECOND, key: 'l', seq: 6 + n })),
  ];
  return {
    attempts,
    positions: [
      position(0, 1, { write: 1 }),
      position(3, 38),
      position(3, 100, { write: 1, epoch: 2, owner: 'b', deaths: 1 }),
      position(8, 210, { epoch: 2, owner: 'b' }),
    ],
    effects: attempts.map((one) => ({
      ...one,
      at: one.end - 1,
      accepted: true,
      highest: one.epoch === 2 && one.n > 4 ? 2 : 1,
    })),
    publishes: [
      ...[1, 2, 3, 4, 5, 6].map((n) => ({ key: 'k', n, outcome: 'ok' as const, seq: n })),
      ...[1, 2].map((n) => ({ key: 'l', n, outcome: 'ok' as const, seq: 6 + n })),
    ],
    stored: [
      ...[1, 2, 3, 4, 5, 6].map((n) => ({ key: 'k', n, seq: n, slot: 7 })),
      ...[1, 2].map((n) => ({ key: 'l', n, seq: 6 + n, slot: 200 })),
    ],
    troubles: [{ kind: 'kill', worker: 'worker-0-1', from: 50, to: 90 }],
    logs: [],
    exits: [{ worker: 'worker-0-1', at: 50, how: 'SIGKILL', expected: true }],
    letters: [],
    tapGaps: [],
    consumers: { ...CONSUMERS, partitions: 1 },
    quiet: true,
  };
}
