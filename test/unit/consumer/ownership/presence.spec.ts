import { describe, expect, test } from '@jest/globals';
import { LEASE_MARGIN_MS } from '#library/consumer/ownership/session.js';
import type { SessionNews } from '#library/consumer/ownership/sessions.js';
import type { HandledTypes } from '#library/records/member-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import { recordedLog } from '../handling/deliveries.js';
import { TestReplica } from './replica-fixture.js';

const TTL_MS = 3_000;
const BEAT_MS = TTL_MS / 4;

interface Replica {
  readonly replica: TestReplica;
  readonly session: TestReplica['session'];
  readonly presence: TestReplica['others'];
  readonly views: string[];
  /** What its leases hear of other sessions. */
  readonly news: SessionNews[];
  cut: boolean;
  start(): void;
}

function fixture() {
  const clock = new ManualClock(10_000);
  const records = new MemoryPresence();
  const log = recordedLog();
  const replica = (member: string, handles: HandledTypes = { types: [], others: true }): Replica => {
    const made = new TestReplica({ member, ttlMs: TTL_MS, clock, records, handles, log });
    const views: string[] = [];
    const news: SessionNews[] = [];
    made.others.changed = () => views.push(made.others.members.join(''));
    made.others.listen({ sessionHeard: (heard) => void news.push(heard), othersSeen: () => undefined });
    return {
      ...{ replica: made, session: made.session, presence: made.others, views, news },
      get cut() {
        return made.isCut;
      },
      set cut(isCut) {
        made.isCut = isCut;
      },
      start: () => void made.start(),
    };
  };
  return { clock, records, replica, log };
}

describe('what replicas handle', () => {
  const handles = (...types: string[]): HandledTypes => ({ types, others: false });

  test('a type counts as handled elsewhere while its replica lives and for a minute after it died', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a', handles('Placed')), replica('b', handles('Paid', 'Placed'))];
    a.start();
    b.start();
    await clock.advance(BEAT_MS);
    expect(a.presence.handlesElsewhere('Paid')).toBe(true);
    expect(b.presence.handlesElsewhere('Paid')).toBe(false);
    b.cut = true;
    await clock.advance(60_000);
    expect(a.presence.members).toEqual(['a']);
    expect(a.presence.handlesElsewhere('Paid')).toBe(true);
    await clock.advance(TTL_MS + LEASE_MARGIN_MS + BEAT_MS);
    expect(a.presence.handlesElsewhere('Paid')).toBe(false);
  });

  test('until the others were seen, every type may be handled there, but for no longer than a minute', async () => {
    const { clock, replica } = fixture();
    const a = replica('a', handles('Placed'));
    a.cut = true;
    a.start();
    await clock.advance(59_999);
    expect(a.presence.handlesElsewhere('Paid')).toBe(true);
    await clock.advance(1);
    expect(a.presence.handlesElsewhere('Paid')).toBe(false);
  });

  test('of two services in one group each says so once, with both lists', async () => {
    const { clock, replica, log } = fixture();
    for (const one of [replica('a', handles('Placed')), replica('b', handles('Paid'))]) one.start();
    await clock.advance(10 * TTL_MS);
    expect(log.lines).toEqual([
      expect.stringMatching(
        /this replica handles (Placed|Paid), and another one \([ab]\) handles (Paid|Placed)/,
      ),
      expect.stringMatching(
        /this replica handles (Placed|Paid), and another one \([ab]\) handles (Paid|Placed)/,
      ),
    ]);
  });
});

describe('a replica that is there', () => {
  test('each sees the others as soon as they come, and reads none twice while it is heard', async () => {
    const { clock, replica } = fixture();
    const [a, b, c] = [replica('a'), replica('b'), replica('c')];
    a.start();
    await clock.advance(100);
    b.start();
    c.start();
    await clock.advance(100);
    expect([a, b, c].map(({ presence }) => presence.members.join(''))).toEqual(['abc', 'abc', 'abc']);
    const reads = a.replica.reads;
    await clock.advance(10 * TTL_MS);
    expect(a.replica.reads).toBe(reads);
    expect(a.views).toEqual(['a', 'ab', 'abc']);
  });

  test('is gone at once when it withdraws, and leaves no record', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    await b.replica.close(10_000);
    expect(a.presence.members).toEqual(['a']);
    await clock.advance(10 * TTL_MS);
    expect(records.size).toBe(1);
    expect(a.views.at(-1)).toBe('a');
  });

  test('says that it withdraws when its connection is back, and does not try for ever', async () => {
    const { clock, records, replica } = fixture();
    const [a, b, c] = [replica('a'), replica('b'), replica('c')];
    for (const one of [a, b, c]) one.start();
    await clock.advance(100);
    b.cut = true;
    c.cut = true;
    const ended: string[] = [];
    void b.replica.close(10_000).then(() => ended.push('b'));
    void c.replica.close(10_000).then(() => ended.push('c'));
    await clock.advance(500);
    expect(a.presence.members).toEqual(['a', 'b', 'c']);
    b.cut = false;
    await clock.advance(200);
    expect([a.presence.members, ended]).toEqual([['a', 'c'], ['b']]);
    await clock.advance(3_000);
    expect(ended).toEqual(['b', 'c']);
    await clock.advance(42 * TTL_MS);
    expect(records.size).toBe(1);
  });

  test('does not come back by a beat that was under way when it withdrew', async () => {
    const { clock, records, replica } = fixture();
    const a = replica('a');
    a.start();
    const stepping = clock.advance(0);
    await a.replica.close(10_000);
    await stepping;
    expect(records.size).toBe(0);
  });
});

describe('a replica that is gone', () => {
  test('is missed after its ttl and a margin of silence, not before, and its session is ended', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    b.cut = true;
    await clock.advance(TTL_MS + LEASE_MARGIN_MS - 150);
    expect(a.presence.members).toEqual(['a', 'b']);
    await clock.advance(100);
    expect(a.presence.members).toEqual(['a']);
    expect(records.stored('b').value).toMatchObject({ member: 'b', term: 1, ended: true });
    expect(a.presence.overSince({ owner: 'b', term: 1 })).toBeDefined();
  });

  test('leaves no record twenty ttls later', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    b.cut = true;
    await clock.advance(42 * TTL_MS);
    expect(records.size).toBe(1);
  });

  test('is back with its next beat, in the next term, if it was only frozen', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    b.cut = true;
    await clock.advance(3 * TTL_MS);
    b.cut = false;
    await clock.advance(BEAT_MS);
    expect(a.views).toEqual(['ab', 'a', 'ab']);
    expect(b.presence.members).toEqual(['a', 'b']);
    const { term } = b.session;
    expect(term).toBeGreaterThan(1);
    expect(a.presence.overSince({ owner: 'b', term: term - 1 })).toBeDefined();
    expect(a.presence.overSince({ owner: 'b', term })).toBeUndefined();
  });

  test('is read before it counts as gone, by a replica that heard nothing for a while', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    a.cut = true;
    await clock.advance(3 * TTL_MS);
    expect(a.presence.members).toEqual(['a', 'b']);
    a.cut = false;
    await clock.advance(TTL_MS);
    expect(a.views).toEqual(['ab']);
    expect(records.size).toBe(2);
    expect(b.session.term).toBe(1);
  });

  test('is found by its record if it died before this replica came, and ended in the same way', async () => {
    const { clock, records, replica } = fixture();
    const port = records.connect();
    await port.announce({ member: 'old', ttlMs: TTL_MS, beat: 7, term: 3 }, 0);
    await port.announce({ member: 'left', ttlMs: TTL_MS, beat: 8, term: 1, released: true }, 0);
    const a = replica('a');
    a.start();
    await clock.advance(100);
    expect(a.presence.members).toEqual(['a', 'old']);
    await clock.advance(TTL_MS + LEASE_MARGIN_MS);
    expect(a.presence.members).toEqual(['a']);
    expect(a.presence.overSince({ owner: 'old', term: 3 })).toBeDefined();
    expect(a.presence.overSince({ owner: 'left', term: 1 })).toBeDefined();
  });

  test('that another replica has ended is known to be gone when its record is read, not when that is announced', async () => {
    const { clock, records, replica } = fixture();
    const a = replica('a');
    a.start();
    const b = replica('b');
    b.start();
    await clock.advance(100);
    // Refused: the record has another revision.
    const mark = { member: 'b', ttlMs: TTL_MS, beat: 1, term: 1, ended: true };
    expect(await records.connect().announce(mark, 99)).toBeUndefined();
    await clock.advance(10);
    expect(a.presence.overSince({ owner: 'b', term: 1 })).toBeUndefined();
    expect(a.presence.members).toEqual(['a', 'b']);
  });
});

describe('the term of another session', () => {
  test('is over when the next one is stored, not when that is announced and refused', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    const { value, revision } = records.stored('b');
    const port = records.connect();
    // As a second process of that name would announce it.
    await port.announce({ ...value!, beat: 7_000, term: 9 }, revision - 1);
    await clock.advance(50);
    expect(a.presence.overSince({ owner: 'b', term: 1 })).toBeUndefined();
    await port.announce({ ...value!, beat: 7_001, term: 9 }, records.stored('b').revision);
    await clock.advance(50);
    expect(a.presence.overSince({ owner: 'b', term: 8 })).toBeDefined();
  });

  test('is not judged in a release without sessions: its replica is gone when it is silent, and back when it is not', async () => {
    const { clock, records, replica } = fixture();
    const a = replica('a');
    a.start();
    const port = records.connect();
    const write = (beat: number) =>
      port.announce({ member: 'b', ttlMs: TTL_MS, beat, term: 0 }, records.stored('b').revision);
    await write(1);
    await clock.advance(100);
    expect(a.presence.members).toEqual(['a', 'b']);
    await clock.advance(TTL_MS + LEASE_MARGIN_MS);
    expect(a.presence.members).toEqual(['a']);
    await write(2);
    await clock.advance(100);
    expect(a.presence.members).toEqual(['a', 'b']);
  });
});

describe('a session that a lease names', () => {
  test('whose record is missing is ended after the ttl and a margin', async () => {
    const { clock, records, replica } = fixture();
    const a = replica('a');
    a.start();
    await clock.advance(100);
    a.presence.watch({ owner: 'command', term: 1, ttlMs: 5_000 });
    await clock.advance(5_000 + LEASE_MARGIN_MS - 10);
    expect(a.presence.overSince({ owner: 'command', term: 1 })).toBeUndefined();
    await clock.advance(20);
    expect(a.presence.overSince({ owner: 'command', term: 1 })).toBeDefined();
    expect(records.stored('command').value).toMatchObject({ ended: true, term: 1 });
  });

  test('whose record an operator removes counts from then on, and is not over while its replica writes again', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    records.purge('b');
    await clock.advance(BEAT_MS + 10);
    expect([b.session.term, records.stored('b').value?.term]).toEqual([2, 2]);
    expect(a.presence.overSince({ owner: 'b', term: 2 })).toBeUndefined();
    await clock.advance(3 * TTL_MS);
    expect([b.session.term, a.presence.members.join('')]).toEqual([2, 'ab']);
  });

  test('that is removed while its replica is cut off is over when that replica knows it, not before', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    b.cut = true;
    await clock.advance(2_000);
    records.purge('b');
    let isOverAt = Number.POSITIVE_INFINITY;
    for (let ms = 0; ms < 3 * TTL_MS; ms += 50) {
      await clock.advance(50);
      if (a.presence.overSince({ owner: 'b', term: 1 }) === undefined) continue;
      isOverAt = Math.min(isOverAt, clock.now());
      expect(b.session.term).toBe(0);
    }
    expect(isOverAt).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  test('tells leases what it holds with every beat, and that it is over', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.session.join({
      held: { key: '0.3', epoch: 4 },
      sessionBegan: () => undefined,
      sessionEnded: () => undefined,
      sessionResumed: () => undefined,
    });
    b.start();
    await clock.advance(100);
    expect(a.news.at(-1)).toEqual({ member: 'b', term: 1, ttlMs: TTL_MS, holds: { '0.3': 4 } });
    expect([a.presence.heldEpoch('0.3'), a.presence.heldEpoch('0.4')]).toEqual([4, 0]);
    b.cut = true;
    await clock.advance(TTL_MS + 2 * LEASE_MARGIN_MS);
    expect(a.news.at(-1)).toEqual({ member: 'b', term: 1, ttlMs: TTL_MS, holds: undefined });
    expect(a.presence.heldEpoch('0.3')).toBe(0);
  });
});

describe('a lost lease', () => {
  const LOST = { partition: 3, epoch: 7 };

  test('that was survived is known to the others at once, with its partition and epoch', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    b.session.noteSurvived(LOST.partition, LOST.epoch);
    await clock.advance(20);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(true);
    expect([
      a.presence.hasSurvived('b', 3, 6),
      a.presence.hasSurvived('b', 2, 7),
      a.presence.hasSurvived('c', 3, 7),
    ]).toEqual([false, false, false]);
  });

  test('that was survived here is known here', async () => {
    const { clock, replica } = fixture();
    const a = replica('a');
    const { presence, session } = a;
    a.start();
    await clock.advance(100);
    expect(presence.hasSurvived('a', 3, 7)).toBe(false);
    session.noteSurvived(3, 7);
    expect([presence.hasSurvived('a', 3, 7), presence.hasSurvived('a', 3, 6)]).toEqual([true, false]);
  });

  test('that was survived is said with the first beat after the connection is back', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.start();
    b.start();
    await clock.advance(100);
    b.cut = true;
    b.session.noteSurvived(3, 7);
    await clock.advance(2 * BEAT_MS);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(false);
    b.cut = false;
    await clock.advance(BEAT_MS);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(true);
  });

  test('is found by a replica that joins later, and forgotten with the layout', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    b.start();
    b.session.noteSurvived(3, 7);
    await clock.advance(100);
    a.start();
    await clock.advance(100);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(true);
    b.session.forgetSurvived();
    await clock.advance(BEAT_MS);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(false);
  });
});
