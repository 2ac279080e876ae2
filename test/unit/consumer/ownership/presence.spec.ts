import { describe, expect, test } from '@jest/globals';
import { SeenEvents } from '#library/consumer/seen-events.js';
import { LEASE_MARGIN_MS } from '#library/consumer/ownership/lease.js';
import { Presence } from '#library/consumer/ownership/presence.js';
import { silentLog } from '#library/log.js';
import type { PresencePort } from '#library/records/member-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';

const TTL_MS = 3_000;
const BEAT_MS = TTL_MS / 5;

interface Replica {
  readonly presence: Presence;
  readonly views: string[];
  /** Its requests and beats fail from now on, and it hears nothing: it is cut off, frozen or dead. */
  cut: boolean;
  reads: number;
}

function bench() {
  const clock = new ManualClock(10_000);
  const records = new MemoryPresence();
  const replica = (member: string): Replica => {
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
        ...{ name: member, member, ttlMs: TTL_MS, port, clock, log: silentLog },
        seen: new SeenEvents(),
        changed: () => views.push(made.presence.members.join('')),
      }),
    };
    return made;
  };
  return { clock, records, replica };
}

describe('who is there', () => {
  test('each sees the others as soon as they come, and nobody is read twice while he is heard', async () => {
    const { clock, replica } = bench();
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

  test('one that withdraws is gone at once, and leaves no record', async () => {
    const { clock, records, replica } = bench();
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

  test('one that withdraws while its connection is away says so when it is back, and does not try for ever', async () => {
    const { clock, records, replica } = bench();
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

  test('a beat under way does not bring one back that withdraws', async () => {
    const { clock, records, replica } = bench();
    const a = replica('a');
    a.presence.start();
    const stepping = clock.advance(0);
    await a.presence.withdraw(10_000);
    await stepping;
    expect(records.size).toBe(0);
  });
});

describe('who is gone', () => {
  test('one that falls silent is gone after its ttl and a margin, not before, and its record is removed', async () => {
    const { clock, records, replica } = bench();
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

  test('one that froze is back with its next beat', async () => {
    const { clock, replica } = bench();
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

  test('who hears nothing for a while does not take the others for dead: it reads them first', async () => {
    const { clock, records, replica } = bench();
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

  test('records of replicas that died before this one came are found, and removed in the same way', async () => {
    const { clock, records, replica } = bench();
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
