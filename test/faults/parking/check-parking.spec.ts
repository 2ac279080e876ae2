import { describe, expect, test } from '@jest/globals';
import { checkParking } from './check-parking.js';
import type { HandlerRun, ParkingHistory, SeenLetter } from './parking-history.js';

// C7 on stories made up for it: the good one is green, and each broken one is red for its own reason.

const KEY = 'ill';

function run(n: number, start: number, change: Partial<HandlerRun> = {}): HandlerRun {
  return {
    ...{ key: KEY, n, seq: n, epoch: 1, attempt: 1, live: true, worker: 'worker-0' },
    ...{ start, end: start + 1, ok: true },
    ...change,
  };
}

function letter(seq: number, at: number, change: Partial<SeenLetter> = {}): SeenLetter {
  return { key: KEY, seq, at, position: seq, marker: 7, ...change };
}

/** 1 is handled, 2 fails and is parked with 3 and 4, all three are replayed, 5 is live again. */
function goodStory(): ParkingHistory & { runs: HandlerRun[]; letters: SeenLetter[] } {
  return {
    stored: [1, 2, 3, 4, 5].map((n) => ({ key: KEY, n, seq: n })),
    runs: [
      run(1, 10),
      run(2, 20, { ok: false }),
      ...[2, 3, 4].map((n) => run(n, 100 + 10 * n, { live: false })),
      run(5, 200),
    ],
    letters: [2, 3, 4].map((n) => letter(n, 30 + n)),
    removed: [2, 3, 4].map((n) => ({ position: n, at: 105 + 10 * n })),
    acked: [1, 2, 3, 4, 5].map((n) => ({ seq: n, at: n < 5 ? 40 + n : 210 })),
    dropped: new Set(),
    left: { letters: [], skipped: [], markers: [] },
    mayHaveStrangers: false,
  };
}

function rulesBroken(history: ParkingHistory): string[] {
  return [...new Set(checkParking(history).map((text) => text.split(':', 1)[0]!))].sort();
}

describe('C7', () => {
  test('is green for an aggregate that is parked, replayed and live again', () => {
    expect(checkParking(goodStory())).toEqual([]);
  });

  test('letters: finds a hole and a wrong order', () => {
    const hole = goodStory();
    hole.letters.splice(1, 1);
    expect(rulesBroken(hole)).toEqual(['letters']);
    const swapped = goodStory();
    swapped.letters[0] = letter(3, 32, { position: 2 });
    swapped.letters[1] = letter(2, 33, { position: 3 });
    expect(rulesBroken(swapped)).toContain('letters');
  });

  test('live: finds an event that reaches a handler from the stream while its aggregate is parked', () => {
    const again = goodStory();
    again.runs.splice(2, 0, run(2, 50, { ok: false, epoch: 2 }));
    // Its ack said that the letter is stored, so it was settled too.
    expect(rulesBroken(again)).toEqual(['live', 'twice']);
  });

  test('live: lets the head of a diverted lane go on in its place, in its own process only', () => {
    const diverted = goodStory();
    diverted.runs[1] = run(2, 20, { end: 90 });
    diverted.runs.splice(2, 1);
    expect(checkParking(diverted)).toEqual([]);
    diverted.runs.splice(2, 0, run(2, 60, { ok: false, epoch: 2, worker: 'worker-1' }));
    expect(rulesBroken(diverted)).toContain('live');
  });

  test('order: finds a replay in the wrong order, and a live event before the last letter', () => {
    const swapped = goodStory();
    swapped.runs[2] = run(3, 120, { live: false });
    swapped.runs[3] = run(2, 130, { live: false });
    expect(rulesBroken(swapped)).toEqual(['order', 'twice']);
    const early = goodStory();
    early.runs.splice(4, 0, run(5, 135));
    expect(rulesBroken(early)).toEqual(['live', 'order']);
  });

  test('twice: finds a letter that is handled again after its removal', () => {
    const again = goodStory();
    again.runs.push(run(3, 300, { live: false, epoch: 2 }));
    expect(rulesBroken(again)).toEqual(['twice']);
  });

  test('twice: lets a letter be handled again whose removal was not confirmed', () => {
    const again = goodStory();
    again.runs.splice(3, 0, run(2, 123, { live: false, epoch: 2 }));
    expect(checkParking(again)).toEqual([]);
  });

  test('lost: finds an event that is neither handled nor a letter', () => {
    const lost = goodStory();
    lost.runs.splice(4, 2);
    lost.letters.splice(2, 1);
    expect(checkParking(lost)).toEqual([
      'lost: ill 4 (sequence 4) was neither handled nor is it in a letter',
      'lost: ill 5 (sequence 5) was neither handled nor is it in a letter',
    ]);
  });

  test('lost: a letter that names no marker keeps nothing', () => {
    const stranger = goodStory();
    stranger.runs.splice(2);
    const left = { ...stranger.left, letters: [...stranger.letters, letter(5, 41)] };
    expect(rulesBroken({ ...stranger, left })).toEqual(['left', 'lost']);
    const kept = { ...left, markers: [[KEY, 7] as const] };
    expect(checkParking({ ...stranger, removed: [], left: kept })).toEqual([]);
  });

  test('left: finds a marker without letters', () => {
    const story = goodStory();
    expect(rulesBroken({ ...story, left: { ...story.left, markers: [[KEY, 7]] } })).toEqual(['left']);
  });
});
