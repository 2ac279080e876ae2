import { describe, expect, test } from '@jest/globals';
import { position } from '../oracle/example.js';
import { checkParking } from './check-parking.js';
import type { HandlerRun, ParkingHistory, SeenLetter } from './parking-history.js';

// Stories made up for each promise: the good one is green, and each broken one is red for its own reason.

const KEY = 'ill';

function run(n: number, start: number, change: Partial<HandlerRun> = {}): HandlerRun {
  return {
    ...{
      key: KEY,
      n,
      seq: n,
      epoch: 1,
      partition: 0,
      attempt: 1,
      worker: 'worker-0',
      run: 0,
      isReplay: false,
    },
    ...{ start, end: start + 1, ok: true },
    ...change,
  };
}

function letter(seq: number, at: number, change: Partial<SeenLetter> = {}): SeenLetter {
  return { key: KEY, seq, at, position: seq, marker: 7, ...change };
}

type Story = { -readonly [K in keyof ParkingHistory]: ParkingHistory[K] } & {
  runs: HandlerRun[];
  letters: SeenLetter[];
};

/** 1 is handled, 2 fails and is parked with 3 and 4, all three are replayed, 5 is live again. */
function goodStory(): Story {
  return {
    stored: [1, 2, 3, 4, 5].map((n) => ({ key: KEY, n, seq: n, slot: 0 })),
    runs: [run(1, 10), run(2, 20, { ok: false }), ...[2, 3, 4].map((n) => run(n, 200 + 10 * n)), run(5, 300)],
    letters: [2, 3, 4].map((n) => letter(n, 30 + n)),
    skipped: [],
    removed: [2, 3, 4].map((n) => ({ position: n, at: 205 + 10 * n })),
    markers: [
      { key: KEY, state: 'parking', at: 25 },
      { key: KEY, state: 'parked', at: 33 },
      { key: KEY, state: 'retrying', at: 150 },
      { key: KEY, state: undefined, at: 260 },
    ],
    positions: [position(0, 1, { write: 1 }), position(4, 40), position(5, 310)],
    dropped: new Set(),
    left: { letters: [], skipped: [], markers: [] },
    mayHaveStrangers: false,
  };
}

function rulesBroken(history: ParkingHistory): string[] {
  return [...new Set(checkParking(history).map((text) => text.split(':', 1)[0]!))].sort();
}

function redAfter(change: (story: Story) => void): string[] {
  const story = goodStory();
  change(story);
  return rulesBroken(story);
}

test('an aggregate that is parked, replayed and live again breaks no promise', () => {
  expect(checkParking(goodStory())).toEqual([]);
});

test('an event before the letters may come again while they wait', () => {
  expect(
    redAfter((story) => {
      story.positions = [position(0, 1, { write: 1 }), position(0, 60, { write: 1, epoch: 2, owner: 'b' })];
      story.runs.splice(2, 0, run(1, 70, { epoch: 2, worker: 'worker-1' }));
    }),
  ).toEqual([]);
});

describe('letters', () => {
  test('finds a hole and a wrong order', () => {
    expect(redAfter(({ letters }) => letters.splice(1, 1))).toContain('letters');
    expect(
      redAfter(({ letters }) => {
        letters[0] = letter(3, 32, { position: 2 });
        letters[1] = letter(2, 33, { position: 3 });
      }),
    ).toContain('letters');
  });
});

describe('parked-waits', () => {
  test('finds a letter that is handled though no one asked for it', () => {
    expect(
      redAfter(({ runs }) => runs.splice(2, 0, run(2, 90, { ok: false, epoch: 2, worker: 'worker-1' }))),
    ).toEqual(['parked-waits']);
  });

  test('lets the head of a diverted lane continue in its place', () => {
    expect(
      redAfter((story) => {
        story.markers = [
          { key: KEY, state: 'diverted', at: 25 },
          { key: KEY, state: undefined, at: 260 },
        ];
        story.runs[1] = run(2, 20, { end: 90 });
        story.runs.splice(2, 1);
      }),
    ).toEqual([]);
  });
});

describe('order', () => {
  test('finds a replay in the wrong order, and a live event before the last letter', () => {
    expect(
      redAfter(({ runs }) => {
        runs[2] = run(3, 210);
        runs[3] = run(2, 215);
      }),
    ).toContain('order');
    expect(redAfter(({ runs }) => runs.splice(4, 0, run(5, 235)))).toContain('order');
  });

  test('finds an earlier event that comes again after letters were handled', () => {
    expect(
      redAfter((story) => {
        story.positions = [position(0, 1, { write: 1 }), position(0, 60, { write: 1, epoch: 2, owner: 'b' })];
        story.runs = [run(1, 10), run(2, 20, { ok: false })];
        for (const n of [2, 3, 1]) story.runs.push(run(n, 200 + story.runs.length, { epoch: 2 }));
      }),
    ).toContain('order');
  });
});

describe('twice', () => {
  test('finds a letter that is handled after its removal', () => {
    expect(redAfter(({ runs }) => runs.splice(5, 0, run(4, 250, { epoch: 2 })))).toEqual(['twice']);
  });

  test('lets a letter be handled again whose removal was not confirmed', () => {
    expect(redAfter(({ runs }) => runs.splice(3, 0, run(2, 223, { epoch: 2 })))).toEqual([]);
  });
});

describe('settled-stays-settled', () => {
  test('finds an event that starts though its position calls it settled', () => {
    expect(
      redAfter((story) => {
        story.positions = [...story.positions, position(5, 320, { write: 1, epoch: 2, owner: 'b' })];
        story.runs.push(run(5, 330, { epoch: 2, worker: 'worker-1' }));
      }),
    ).toEqual(['settled-stays-settled']);
  });
});

describe('positions-tell-the-truth', () => {
  test('finds a position that settles an event before its letter is stored', () => {
    expect(
      redAfter((story) => {
        story.letters[2] = letter(4, 2_000);
      }),
    ).toContain('positions-tell-the-truth');
  });

  test('accepts what was skipped by policy', () => {
    expect(
      redAfter((story) => {
        story.letters = [];
        story.removed = [];
        story.markers = [];
        story.runs = [run(1, 10), run(2, 20, { ok: false }), run(3, 32), run(4, 36), run(5, 300)];
        story.skipped = [{ seq: 2, at: 30 }];
        story.dropped = new Set([2]);
        story.left = { letters: [], skipped: [2], markers: [] };
      }),
    ).toEqual([]);
  });
});

describe('lost', () => {
  test('finds an event that is neither handled nor a letter', () => {
    const lost = goodStory();
    lost.runs.splice(4, 2);
    lost.letters.splice(2, 1);
    expect(checkParking(lost)).toEqual(
      expect.arrayContaining([
        'lost: ill 4 (sequence 4) was neither handled nor is it in a letter',
        'lost: ill 5 (sequence 5) was neither handled nor is it in a letter',
      ]),
    );
  });

  test('a letter that names no marker keeps nothing', () => {
    const stranger = goodStory();
    stranger.runs.splice(2);
    const left = { ...stranger.left, letters: [...stranger.letters, letter(5, 41)] };
    expect(rulesBroken({ ...stranger, left })).toEqual(expect.arrayContaining(['left', 'lost']));
    const kept = { ...left, markers: [[KEY, 7] as const] };
    const letters = [...stranger.letters, letter(5, 41)];
    expect(checkParking({ ...stranger, removed: [], letters, left: kept })).toEqual([]);
  });
});

describe('left', () => {
  test('finds a marker without letters', () => {
    const story = goodStory();
    expect(rulesBroken({ ...story, left: { ...story.left, markers: [[KEY, 7]] } })).toEqual(['left']);
  });
});
