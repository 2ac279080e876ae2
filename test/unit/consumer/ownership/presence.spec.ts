import { describe, expect, test } from '@jest/globals';
import { SeenEvents } from '#library/consumer/seen-events.js';
import { LEASE_MARGIN_MS } from '#library/consumer/ownership/lease.js';
import { Presence } from '#library/consumer/ownership/presence.js';
import type { HandledTypes, PresencePort } from '#library/records/member-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import { recordedLog } from '../handling/deliveries.js';

const TTL_MS = 3_000;
const BEAT_MS = TTL_MS / 5;

interface Replica {
  readonly presence: Presence;
  readonly views: string[];
  /** Its requests and beats fail from now on, and it hears nothing: it is cut off, frozen or dead. */
  cut: boolean;
  reads: number;
}

function fixture() {
  const clock = new ManualClock(10_000);
  const records = new MemoryPresence();
  const log = recordedLog();
  const replica = (member: string, handles: HandledTypes = { types: [], others: true }): Replica => {
    const inner = records.connect();
    const guard = <T>(what: () => Promise<T>): Promise<T> =>
      made.cut ? Promise.reject(new Error('away')) : what();
    const port: PresencePort = {
      announce: (record) => guard(() => inner.announce(record)),
      list: () => guard(() => inner.list()),
      read: (one) => {
        made.reads++;
        return guard(() => inner.read(one));
      },
      remove: (one, revision) => guard(() => inner.remove(one, revision)),
      onHint: (callback) => inner.onHint((record) => !made.cut && callback(record)),
      close: () => inner.close(),
    };
    const views: string[] = [];
    const made: Replica = {
      views,
      cut: false,
      reads: 0,
      presence: new Presence({
        ...{ name: member, member, ttlMs: TTL_MS, port, clock, log, handles },
        seen: new SeenEvents(),
        changed: () => views.push(made.presence.members.join('')),
      }),
    };
    return made;
  };
  return { clock, records, replica, log };
}

describe('what replicas handle', () => {
  const handles = (...types: string[]): HandledTypes => ({ types, others: false });

  test('a type counts as handled elsewhere while its replica lives and for a minute after it died', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a', handles('Placed')), replica('b', handles('Paid', 'Placed'))];
    a.presence.start();
    b.presence.start();
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
    a.presence.start();
    await clock.advance(59_999);
    expect(a.presence.handlesElsewhere('Paid')).toBe(true);
    await clock.advance(1);
    expect(a.presence.handlesElsewhere('Paid')).toBe(false);
  });

  test('of two services in one group each says so once, with both lists', async () => {
    const { clock, replica, log } = fixture();
    for (const one of [replica('a', handles('Placed')), replica('b', handles('Paid'))]) one.presence.start();
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
    a.presence.start();
    await clock.advance(100);
    b.presence.start();
    c.presence.start();
    await clock.advance(100);
    expect([a, b, c].map(({ presence }) => presence.members.join(''))).toEqual(['abc', 'abc', 'abc']);
    const reads = a.reads;
    await clock.advance(10 * TTL_MS);
    expect(a.reads).toBe(reads);
    expect(a.views).toEqual(['a', 'ab', 'abc']);
  });

  test('is gone at once when it withdraws, and leaves no record', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.presence.start();
    b.presence.start();
    await clock.advance(100);
    await b.presence.withdraw(10_000);
    expect(a.presence.members).toEqual(['a']);
    await clock.advance(10 * TTL_MS);
    expect(records.size).toBe(1);
    expect(a.views.at(-1)).toBe('a');
  });

  test('says that it withdraws when its connection is back, and does not try for ever', async () => {
    const { clock, records, replica } = fixture();
    const [a, b, c] = [replica('a'), replica('b'), replica('c')];
    for (const { presence } of [a, b, c]) presence.start();
    await clock.advance(100);
    b.cut = true;
    c.cut = true;
    const ended: string[] = [];
    void b.presence.withdraw(10_000).then(() => ended.push('b'));
    void c.presence.withdraw(10_000).then(() => ended.push('c'));
    await clock.advance(500);
    expect(a.presence.members).toEqual(['a', 'b', 'c']);
    b.cut = false;
    await clock.advance(200);
    expect([a.presence.members, ended]).toEqual([['a', 'c'], ['b']]);
    await clock.advance(3_000);
    expect(ended).toEqual(['b', 'c']);
    await clock.advance(2 * TTL_MS);
    expect(records.size).toBe(1);
  });

  test('does not come back by a beat that was under way when it withdrew', async () => {
    const { clock, records, replica } = fixture();
    const a = replica('a');
    a.presence.start();
    const stepping = clock.advance(0);
    await a.presence.withdraw(10_000);
    await stepping;
    expect(records.size).toBe(0);
  });
});

describe('a replica that is gone', () => {
  test('is missed after its ttl and a margin of silence, not before, and its record is removed', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.presence.start();
    b.presence.start();
    await clock.advance(100);
    b.cut = true;
    await clock.advance(TTL_MS + LEASE_MARGIN_MS - BEAT_MS - 100);
    expect(a.presence.members).toEqual(['a', 'b']);
    await clock.advance(2 * BEAT_MS + 100);
    expect(a.presence.members).toEqual(['a']);
    expect(records.size).toBe(1);
  });

  test('is back with its next beat if it was only frozen', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.presence.start();
    b.presence.start();
    await clock.advance(100);
    b.cut = true;
    await clock.advance(3 * TTL_MS);
    b.cut = false;
    await clock.advance(BEAT_MS);
    expect(a.views).toEqual(['a', 'ab', 'a', 'ab']);
    expect(b.presence.members).toEqual(['a', 'b']);
  });

  test('is read before it counts as gone, by a replica that heard nothing for a while', async () => {
    const { clock, records, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.presence.start();
    b.presence.start();
    await clock.advance(100);
    a.cut = true;
    await clock.advance(3 * TTL_MS);
    expect(a.presence.members).toEqual(['a', 'b']);
    a.cut = false;
    await clock.advance(TTL_MS);
    expect(a.views).toEqual(['a', 'ab']);
    expect(records.size).toBe(2);
  });

  test('is found by its record if it died before this replica came, and removed in the same way', async () => {
    const { clock, records, replica } = fixture();
    await records.connect().announce({ member: 'old', ttlMs: TTL_MS, beat: 7 });
    await records.connect().announce({ member: 'left', ttlMs: TTL_MS, beat: 8, released: true });
    const a = replica('a');
    a.presence.start();
    await clock.advance(100);
    expect(a.presence.members).toEqual(['a', 'old']);
    await clock.advance(TTL_MS + LEASE_MARGIN_MS + BEAT_MS);
    expect(a.presence.members).toEqual(['a']);
    expect(records.size).toBe(1);
  });
});

describe('a lost lease', () => {
  const LOST = { partition: 3, epoch: 7 };

  test('that was survived is known to the others at once, with its partition and epoch', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.presence.start();
    b.presence.start();
    await clock.advance(100);
    b.presence.noteSurvived(LOST.partition, LOST.epoch);
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
    const { presence } = replica('a');
    presence.start();
    await clock.advance(100);
    expect(presence.hasSurvived('a', 3, 7)).toBe(false);
    presence.noteSurvived(3, 7);
    expect([presence.hasSurvived('a', 3, 7), presence.hasSurvived('a', 3, 6)]).toEqual([true, false]);
  });

  test('that was survived is said with the first beat after the connection is back', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    a.presence.start();
    b.presence.start();
    await clock.advance(100);
    b.cut = true;
    b.presence.noteSurvived(3, 7);
    await clock.advance(2 * BEAT_MS);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(false);
    b.cut = false;
    await clock.advance(BEAT_MS);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(true);
  });

  test('is found by a replica that joins later, and forgotten with the layout', async () => {
    const { clock, replica } = fixture();
    const [a, b] = [replica('a'), replica('b')];
    b.presence.start();
    b.presence.noteSurvived(3, 7);
    await clock.advance(100);
    a.presence.start();
    await clock.advance(100);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(true);
    b.presence.forgetSurvived();
    await clock.advance(BEAT_MS);
    expect(a.presence.hasSurvived('b', 3, 7)).toBe(false);
  });
});
