import { describe, expect, test } from '@jest/globals';
import { claimsOf } from './claims.js';
import { attempt, type Example, goodHistory, position } from './example.js';
import { CHECKERS, type CheckerName } from './finding.js';
import { judge } from './oracle.js';

const SECOND = { epoch: 2, worker: 'worker-1-1' };

function redAfter(change: (history: Example) => void): CheckerName[] {
  const history = goodHistory();
  change(history);
  return [...new Set(judge(history).findings.map(({ checker }) => checker))].sort();
}

/** Puts the attempts in the order of their starts, as a history has them. */
function sorted(history: Example): void {
  history.attempts.sort((a, b) => a.start - b.start);
}

test('a story that keeps every promise is green, and shows a replay and two claims', () => {
  const { findings, evidence } = judge(goodHistory());
  expect(findings).toEqual([]);
  expect(evidence).toMatchObject({ replays: 1, takeovers: 2, unheardClaims: 0, refusedPositions: 0 });
  expect(evidence.failoverMs).toEqual([90]);
});

describe('unknown-event', () => {
  test('finds a handler that gets an event which is not stored', () => {
    expect(redAfter(({ attempts }) => attempts.push(attempt(9, 300, { ...SECOND, seq: 99 })))).toEqual([
      'unknown-event',
    ]);
  });
});

describe('publish-order', () => {
  test('finds a hole in the stream, a wrong receipt and a publish without an outcome', () => {
    const hole = goodHistory();
    hole.stored = hole.stored.filter(({ seq }) => seq !== 2);
    hole.publishes = hole.publishes.map((one) => (one.n === 1 ? { ...one, outcome: 'none' } : one));
    const texts = judge(hole).findings.flatMap(({ checker, text }) =>
      checker === 'publish-order' ? [text] : [],
    );
    expect(texts).toEqual([
      'k: 3 (sequence 3) is stored after 1',
      'k: the publish of 1 has no outcome',
      'k: 2 was confirmed as sequence 2, found nothing',
      'l: the publish of 1 has no outcome',
    ]);
  });
});

describe('order', () => {
  test('finds an event that starts before its predecessor has ended', () => {
    expect(
      redAfter((history) => {
        history.attempts[2] = attempt(3, 22);
        sorted(history);
      }),
    ).toContain('order');
  });

  test('finds a skip forward from one owner to the next', () => {
    expect(redAfter(({ attempts }) => attempts.splice(4, 1))).toEqual(['order']);
  });

  test('finds a repeat and a hole within one epoch', () => {
    expect(redAfter(({ attempts }) => attempts.splice(3, 0, attempt(3, 36)))).toContain('order');
    expect(redAfter(({ attempts }) => attempts.splice(1, 1))).toContain('order');
  });

  test('finds a next event though the one before has failed', () => {
    expect(
      redAfter((history) => {
        history.attempts[1] = attempt(2, 20, { ok: false });
      }),
    ).toContain('order');
  });

  test('finds an epoch that begins further on than what it claimed, though all of it has ended', () => {
    expect(
      redAfter((history) => {
        history.positions[2] = position(2, 100, { write: 1, epoch: 2, owner: 'b' });
      }),
    ).toContain('order');
  });

  test('lets an epoch begin an aggregate after letters', () => {
    expect(
      redAfter((history) => {
        history.positions[2] = position(3, 100, { write: 1, epoch: 2, owner: 'b', unsettled: '3' });
        history.letters = [{ seq: 3, at: 37 }];
      }),
    ).toEqual([]);
  });
});

describe('one-owner', () => {
  test('finds an epoch that two processes share, in starts and in positions', () => {
    expect(
      redAfter((history) => {
        history.attempts[5] = attempt(5, 150, { epoch: 2, worker: 'worker-2-1' });
      }),
    ).toContain('one-owner');
    expect(
      redAfter((history) => {
        history.positions[3] = position(8, 210, { epoch: 2, owner: 'c' });
      }),
    ).toEqual(['one-owner']);
  });

  test('finds a start after a newer claim stands, and excuses one after a freeze', () => {
    const late = (history: Example): void => {
      history.attempts.push(attempt(4, 120));
      sorted(history);
    };
    expect(redAfter(late)).toContain('one-owner');
    expect(
      redAfter((history) => {
        late(history);
        history.troubles = [{ kind: 'freeze', worker: 'worker-0-1', from: 45, to: 119 }];
      }),
    ).toEqual([]);
  });

  test('finds a start without a claim', () => {
    expect(redAfter(({ positions }) => positions.splice(2, 2))).toContain('one-owner');
  });

  test('finds two handlers of one aggregate at a time, unless the older owner could not know', () => {
    const overlap = (history: Example): void => {
      history.attempts[3] = attempt(4, 40, { end: 160 });
    };
    expect(redAfter(overlap)).toEqual([]);
    expect(
      redAfter((history) => {
        overlap(history);
        history.troubles = [];
      }),
    ).toContain('one-owner');
  });
});

describe('nothing-lost', () => {
  test('finds an event that no handler came to the end of', () => {
    expect(redAfter(({ attempts }) => attempts.pop())).toContain('nothing-lost');
  });

  test('finds an event without an effect', () => {
    expect(
      redAfter((history) => {
        history.effects = history.effects.filter(({ seq }) => seq !== 8);
      }),
    ).toEqual(['nothing-lost']);
  });
});

describe('settled-stays-settled', () => {
  const again = (history: Example): void => {
    history.attempts.splice(4, 0, attempt(3, 120, SECOND));
  };

  test('finds an event that starts though its own claim, or an earlier one, calls it settled', () => {
    expect(redAfter(again)).toContain('settled-stays-settled');
  });

  test('lets a letter be handled that is settled because it is stored', () => {
    expect(
      redAfter((history) => {
        again(history);
        history.letters = [{ seq: 3, at: 37 }];
      }),
    ).not.toContain('settled-stays-settled');
  });
});

describe('positions-tell-the-truth', () => {
  test('finds a claim and a commit that call settled what has not ended', () => {
    expect(
      redAfter((history) => {
        history.positions[1] = position(4, 38);
      }),
    ).toEqual(['positions-tell-the-truth']);
    expect(
      redAfter((history) => {
        history.positions[2] = position(5, 100, { write: 1, epoch: 2, owner: 'b' });
      }),
    ).toContain('positions-tell-the-truth');
  });

  test('reads the list of unsettled events, and judges refused writes too', () => {
    const listed = (unsettled: string): CheckerName[] =>
      redAfter(({ positions }) =>
        positions.splice(2, 0, position(8, 60, { unsettled, outcome: 'refused', write: 3 })),
      );
    expect(listed('5 1*3')).toEqual([]);
    expect(listed('5 1 2')).toEqual(['positions-tell-the-truth']);
  });

  test('accepts a letter in place of an end', () => {
    expect(
      redAfter((history) => {
        history.positions[1] = position(5, 38);
        history.letters = [
          { seq: 4, at: 36 },
          { seq: 5, at: 37 },
        ];
      }),
    ).toEqual([]);
  });
});

describe('window', () => {
  test('finds a start of a dead owner among no suspects of its successor', () => {
    const narrow = (window: number) => (history: Example) => {
      history.attempts.splice(4, 0, attempt(1, 45, { key: 'l', seq: 7, ok: undefined, end: 50 }));
      history.positions[2] = position(3, 100, { write: 1, epoch: 2, owner: 'b', window });
    };
    // Unsettled are 4, 5, 6 and 7: the start of 7 is the fourth.
    expect(redAfter(narrow(3))).toEqual(['window']);
    expect(redAfter(narrow(4))).toEqual([]);
  });
});

describe('no-deaf-worker', () => {
  test('finds a second position of an owner that hears no answer', () => {
    const deaf = (count: number): CheckerName[] =>
      redAfter((history) => {
        history.troubles = [
          { kind: 'kill', worker: 'worker-0-1', from: 50, to: 90 },
          { kind: 'blackhole-s2c', worker: 'worker-1-1', from: 200, to: 900 },
        ];
        for (let n = 0; n < count; n++)
          history.positions.push(position(8, 300 + n, { epoch: 2, owner: 'b', write: 3 + n }));
      });
    expect(deaf(1)).toEqual([]);
    expect(deaf(2)).toEqual(['no-deaf-worker']);
  });
});

describe('fencing', () => {
  test('finds a write with another token than that of its start, and a hole in the effects', () => {
    expect(
      redAfter((history) => {
        history.effects = history.effects.map((effect) =>
          effect.n === 5 ? { ...effect, epoch: 1, highest: 1 } : effect,
        );
      }),
    ).toContain('fencing');
    expect(
      redAfter((history) => {
        history.effects = history.effects.filter(({ key, n }) => key !== 'k' || n !== 2);
      }),
    ).toEqual(['fencing', 'nothing-lost']);
  });
});

describe('isolation', () => {
  test('finds a hang during which no other aggregate starts', () => {
    const hang = (others: boolean): CheckerName[] =>
      redAfter((history) => {
        history.attempts = [
          attempt(1, 10, { end: 5_000 }),
          ...[2, 3, 4, 5, 6].map((n) => attempt(n, 5_000 + 10 * n)),
          ...[1, 2].map((n) => attempt(n, (others ? 1_000 : 6_000) + 10 * n, { key: 'l', seq: 6 + n })),
        ];
        sorted(history);
        history.effects = history.attempts.map((one) => ({
          ...one,
          at: one.end - 1,
          accepted: true,
          highest: 1,
        }));
        history.positions = [position(0, 1, { write: 1 })];
        history.troubles = [{ kind: 'hang', worker: 'worker-0-1', from: 10, to: 5_000 }];
      });
    expect(hang(true)).toEqual([]);
    expect(hang(false)).toEqual(['isolation']);
  });
});

describe('bounds', () => {
  test('finds more handlers at once than configured', () => {
    expect(
      redAfter((history) => {
        history.consumers = { ...history.consumers, concurrency: 1 };
        history.attempts[7] = attempt(1, 161, { ...SECOND, key: 'l', seq: 7 });
        history.effects = history.effects.map((effect) =>
          effect.seq === 7 ? { ...effect, at: 165 } : effect,
        );
      }),
    ).toEqual(['bounds']);
  });

  test('finds a position that lists more than its window', () => {
    expect(
      redAfter(({ positions }) => positions.splice(2, 0, position(4, 46, { unsettled: '1*4', window: 3 }))),
    ).toContain('bounds');
  });
});

describe('at-rest', () => {
  test('finds events that stay unsettled and a process that ends by itself', () => {
    expect(
      redAfter((history) => {
        history.quiet = false;
      }),
    ).toEqual(['at-rest']);
    expect(
      redAfter((history) => {
        history.exits = [{ worker: 'worker-1-1', at: 220, how: 'code 1', expected: false }];
      }),
    ).toEqual(['at-rest']);
  });
});

describe('a claim', () => {
  const claim = (change: object) => position(3, 100, { write: 1, epoch: 2, owner: 'b', ...change });

  test('stands if it was stored, also when other copies say otherwise', () => {
    const claims = claimsOf({
      attempts: [],
      positions: [
        claim({ high: 1, outcome: 'refused' }),
        claim({ high: 2 }),
        claim({ high: 1, outcome: 'unanswered', answeredAt: undefined }),
      ],
    });
    expect(claims.of(0, 2)).toMatchObject({ high: 2 });
    expect(claims.unheard.size).toBe(0);
  });

  test('stands without an answer when its epoch continues, unless its copies differ', () => {
    const lost = { outcome: 'unanswered', answeredAt: undefined };
    const attempts = [attempt(4, 140, SECOND)];
    expect(claimsOf({ attempts, positions: [claim(lost)] }).of(0, 2)).toMatchObject({ standsAt: 140 });
    expect(claimsOf({ attempts: [], positions: [claim(lost)] }).of(0, 2)).toBeUndefined();
    const claims = claimsOf({ attempts, positions: [claim(lost), claim({ ...lost, high: 2 })] });
    expect(claims.of(0, 2)).toBeUndefined();
    expect([...claims.unheard]).toEqual(['partition 0, epoch 2']);
  });
});

test('every checker of this oracle has been seen red here or in the room it belongs to', () => {
  const elsewhere: readonly string[] = ['poison-found', 'regression-noticed', 'even-share'];
  const here = Object.keys(CHECKERS).filter((name) => !elsewhere.includes(name));
  expect(here).toHaveLength(13);
});
