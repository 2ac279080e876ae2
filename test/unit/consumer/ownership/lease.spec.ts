import { describe, expect, test } from '@jest/globals';
import { Lease } from '#library/consumer/ownership/lease.js';
import { ownerlessAfterMs } from '#library/consumer/ownership/observed-lease.js';
import type { LeaseFacts } from '#library/consumer/ownership/lease-options.js';
import { LEASE_MARGIN_MS } from '#library/consumer/ownership/session.js';
import { type LeaseRecord, NO_SESSION_TTL_MS } from '#library/records/lease-record.js';
import { silentLog } from '#library/log.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import { FakeKeyPort } from './fake-key-port.js';
import { TestReplica } from './replica-fixture.js';

const TTL_MS = 3_000;
const BEAT_MS = TTL_MS / 4;
const NOT_RENEWED = 'lost: the session of this replica is over: it was not renewed in time';

/** Several processes, one key, one clock. */
function fixture() {
  const clock = new ManualClock(10_000);
  const key = new FakeKeyPort<LeaseRecord>();
  const records = new MemoryPresence();
  const process = (owner: string) => {
    const heard: string[] = [];
    /** Who held it, as this process saw it, and what this process did, whenever that changed. */
    const told: string[] = [];
    const facts: { current: LeaseFacts } = { current: {} };
    const isAtRest = { current: true };
    const replica = new TestReplica({ member: owner, ttlMs: TTL_MS, clock, records }).start();
    const guard = <T>(what: () => Promise<T>): Promise<T> =>
      replica.isCut ? Promise.reject(new Error('away')) : what();
    const lease: Lease = new Lease({
      name: owner,
      key: '0.0',
      session: replica.session,
      others: replica.others,
      // Each process has a port of its own to the one key; closing one closes no other.
      port: {
        maxBytes: key.maxBytes,
        read: () => guard(() => key.read()),
        write: (value, revision) => guard(() => key.write(value, revision)),
        onHint: (callback) => key.onHint((value) => !replica.isCut && callback(value)),
        close: () => undefined,
      },
      clock,
      log: silentLog,
      listener: {
        facts: () => facts.current,
        isAtRest: () => isAtRest.current,
        acquired: (before) => void heard.push(`acquired ${lease.epoch} after ${before?.owner ?? 'none'}`),
        lost: (reason) => void heard.push(`lost: ${reason}`),
        startsOver: (reason) => void heard.push(`starts over: ${reason}`),
        holderChanged: () => void told.push(`${lease.holder ?? 'none'}, ${lease.mode}`),
      },
    });
    return { lease, heard, told, facts, isAtRest, replica };
  };
  return { clock, key, records, process };
}

/** The process dies: nothing of it is heard again. */
function kill({ replica }: { readonly replica: TestReplica }): void {
  replica.isCut = true;
}

describe('one owner at a time', () => {
  test('notifies watchers when a standby acquires the lease, even if its own write was announced first', async () => {
    const { clock, process } = fixture();
    const a = process('a');
    a.lease.standBy();
    await clock.advance(4 * TTL_MS);
    expect(a.heard).toEqual(['acquired 1 after none']);
    expect(a.told).toContain('a, standby');
    expect(a.told.at(-1)).toBe('a, held');
  });

  test('is the one that writes first; the other waits as long as the session of the owner is renewed', async () => {
    const { clock, key, process } = fixture();
    const a = process('a');
    const b = process('b');
    a.lease.seek();
    b.lease.seek();
    await clock.advance(10 * TTL_MS);
    expect([a.lease.mode, b.lease.mode].sort()).toEqual(['held', 'seeking']);
    expect(key.value?.epoch).toBe(1);
    // Written once: its owner's session keeps it.
    expect(key.writes).toHaveLength(1);
  });

  test('is taken a ttl and a margin later by a replica that may not list the others', async () => {
    const { clock, process } = fixture();
    const { lease, replica } = process('a');
    replica.cannotList = true;
    lease.seek();
    await clock.advance(TTL_MS);
    expect(lease.mode).toBe('seeking');
    await clock.advance(LEASE_MARGIN_MS + 200);
    expect(lease.mode).toBe('held');
  });

  test('is followed by another when its session stood still for ttl and margin, not before', async () => {
    const { clock, process } = fixture();
    const a = process('a');
    a.lease.seek();
    await clock.advance(100);
    const b = process('b');
    b.lease.seek();
    await clock.advance(TTL_MS / 2);
    kill(a);
    await clock.advance(TTL_MS + LEASE_MARGIN_MS - BEAT_MS - 10);
    expect(b.lease.mode).toBe('seeking');
    await clock.advance(BEAT_MS + 110);
    expect(b.heard).toEqual(['acquired 2 after a']);
  });

  test('is released although an earlier write of it moved the key', async () => {
    const { clock, key, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(20);
    b.lease.seek();
    await clock.advance(20);
    // Sent before, and stored late.
    key.value = { ...key.value!, claimed: true };
    key.revision++;
    await a.lease.handOver();
    expect(key.value.released).toBeUndefined();
    await clock.advance(TTL_MS / 5);
    expect([a.lease.mode, b.heard]).toEqual(['standby', ['acquired 2 after a']]);
  });

  test('is followed at once, under the next epoch, when the lease is released', async () => {
    const { clock, process } = fixture();
    const a = process('a');
    a.lease.seek();
    await clock.advance(100);
    const b = process('b');
    b.lease.seek();
    await clock.advance(100);
    await a.lease.release();
    await clock.advance(20);
    expect(b.heard).toEqual(['acquired 2 after a']);
    expect(a.lease.mode).toBe('closed');
  });
});

describe('the deadline', () => {
  test('passes a margin before the ttl without renewals, and the owner hears of it', async () => {
    const { clock, process } = fixture();
    const { lease, heard, replica } = process('a');
    lease.seek();
    await clock.advance(20);
    replica.isCut = true;
    await clock.advance(TTL_MS - LEASE_MARGIN_MS - 100);
    expect(lease.isValid()).toBe(true);
    await clock.advance(200);
    expect(lease.isValid()).toBe(false);
    expect(heard).toEqual(['acquired 1 after none', NOT_RENEWED]);
  });

  test('does not keep a process from its own old lease: it takes that at once under the next epoch', async () => {
    const { clock, process } = fixture();
    const { lease, heard, replica } = process('a');
    lease.seek();
    await clock.advance(20);
    replica.isCut = true;
    await clock.advance(2 * TTL_MS);
    replica.isCut = false;
    await clock.advance(TTL_MS / 5);
    expect(heard.at(-1)).toBe('acquired 2 after a');
  });

  test('is not that of a take which is answered in another term: the lease is not held by it', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard, replica } = process('a');
    await clock.advance(20);
    const write = key.write.bind(key);
    let answer = (): void => undefined;
    key.write = async (value, revision) => {
      const written = await write(value, revision);
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return written;
    };
    lease.seek();
    await clock.advance(20);
    key.write = write;
    replica.isCut = true;
    await clock.advance(TTL_MS);
    replica.isCut = false;
    await clock.advance(100);
    const { term } = replica.session;
    expect([term > 1, key.value?.term]).toEqual([true, 1]);
    answer();
    await clock.settle();
    expect(lease.mode).toBe('seeking');
    await clock.advance(500);
    expect([heard, lease.epoch, key.value?.term]).toEqual([['acquired 2 after a'], 2, term]);
  });

  test('passes too when only the wall clock moved while the process slept', async () => {
    const { clock, process } = fixture();
    const { lease } = process('a');
    lease.seek();
    await clock.advance(20);
    const wallNow = clock.wallNow.bind(clock);
    clock.wallNow = () => wallNow() + TTL_MS;
    expect(lease.isValid()).toBe(false);
  });

  test('stays over when the wall clock is set back: lanes that found it over are closed', async () => {
    const { clock, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(20);
    const wallNow = clock.wallNow.bind(clock);
    clock.wallNow = () => wallNow() + TTL_MS;
    expect(lease.isValid()).toBe(false);
    clock.wallNow = wallNow;
    expect(lease.isValid()).toBe(false);
    await clock.advance(BEAT_MS + 10);
    expect(heard.slice(0, 2)).toEqual(['acquired 1 after none', NOT_RENEWED]);
    await clock.advance(TTL_MS);
    expect([lease.isValid(), lease.epoch]).toEqual([true, 2]);
  });
});

describe('a changed key', () => {
  test('ends the lease of its owner as soon as that hears of it and has read it', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(20);
    await key.write({ ...key.value!, owner: 'b', epoch: 2 }, key.revision);
    await clock.advance(20);
    expect(heard).toEqual(['acquired 1 after none', 'lost: it is held by b in epoch 2']);
  });

  test('that was announced and refused costs its owner nothing', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(20);
    key.announce({ ...key.value!, owner: 'b', epoch: 2 });
    await clock.advance(TTL_MS);
    expect([heard, lease.isValid()]).toEqual([['acquired 1 after none'], true]);
  });

  test('whose announcement was missed is found after an interruption, and within ten ttls', async () => {
    const { clock, key, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(20);
    const change = () => {
      key.value = { ...key.value!, owner: 'x', epoch: key.value!.epoch + 1 };
      key.revision++;
    };
    change();
    a.replica.isCut = true;
    await clock.advance(BEAT_MS + 10);
    a.replica.isCut = false;
    await clock.advance(100);
    expect(a.heard.at(-1)).toBe('lost: it is held by x in epoch 2');
    a.lease.abandon();
    await clock.advance(TTL_MS);
    b.lease.seek();
    await clock.advance(2 * TTL_MS);
    expect(b.lease.mode).toBe('held');
    change();
    await clock.advance(10 * TTL_MS);
    expect(b.heard).toContain('lost: it is held by x in epoch 4');
  });

  test('that is its own write whose answer was lost costs its owner nothing', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard, facts } = process('a');
    lease.seek();
    await clock.advance(20);
    await key.write({ ...key.value!, claimed: true }, key.revision);
    facts.current = { claimed: true };
    lease.noteFacts();
    await clock.advance(TTL_MS);
    expect([lease.isValid(), heard]).toEqual([true, ['acquired 1 after none']]);
    await lease.release();
    expect(key.value).toMatchObject({ claimed: true, released: true });
  });
});

describe('the record', () => {
  test('names owner, term, ttl and epoch, and nothing of the position', async () => {
    const { clock, key, process } = fixture();
    process('a').lease.seek();
    await clock.advance(TTL_MS);
    expect(key.value).toEqual({
      ...{ owner: 'a', term: 1, sessionTtlMs: TTL_MS, epoch: 1 },
      // To releases that know no sessions.
      ttlMs: NO_SESSION_TTL_MS,
    });
  });

  test('says that the position was claimed, at once', async () => {
    const { clock, key, process } = fixture();
    const { lease, facts } = process('a');
    lease.seek();
    await clock.advance(20);
    expect(key.value?.claimed).toBeUndefined();
    // A real clock moves on between two reads.
    const now = clock.now.bind(clock);
    let reads = 0;
    clock.now = () => {
      if (++reads > 1_000)
        throw new Error('expected a lease at rest, found one that reads the clock for ever');
      return now() + reads / 1_000;
    };
    facts.current = { claimed: true };
    lease.noteFacts();
    await clock.advance(20);
    expect(key.value?.claimed).toBe(true);
    const { length } = key.writes;
    await clock.advance(BEAT_MS - 100);
    expect([key.writes.length, reads < 100]).toEqual([length, true]);
  });

  test('keeps saying so when the next owner takes it, before that one has claimed anything', async () => {
    const { clock, key, process } = fixture();
    const a = process('a');
    a.facts.current = { claimed: true };
    a.lease.seek();
    await clock.advance(TTL_MS);
    await a.lease.release();
    process('b').lease.seek();
    await clock.advance(20);
    expect(key.value).toMatchObject({ owner: 'b', epoch: 2, claimed: true });
  });

  test('names the handlers that keep the partition from being drained', async () => {
    const { clock, key, process } = fixture();
    const { lease, facts } = process('a');
    const running = [{ aggregateId: 'order 1', sequence: 3, forMs: 10 }];
    lease.seek();
    await clock.advance(20);
    facts.current = { running };
    for (let ms = 0; ms < TTL_MS; ms += 50) {
      lease.noteFacts();
      await clock.advance(50);
    }
    expect(key.value?.running).toEqual(running);
    // No faster than a session is renewed.
    expect(key.writes.length).toBeLessThanOrEqual(6);
    facts.current = {};
    lease.noteFacts();
    await clock.advance(BEAT_MS);
    expect(key.value).not.toHaveProperty('running');
    const { length } = key.writes;
    await clock.advance(5 * TTL_MS);
    expect(key.writes).toHaveLength(length);
  });
});

describe('a deleted key', () => {
  test('is free after the ttl, because its owner may still run: it is written over its tombstone', async () => {
    const { clock, key, process } = fixture();
    key.delete();
    const a = process('a');
    a.lease.seek();
    await clock.advance(TTL_MS);
    expect(a.heard).toEqual([]);
    await clock.advance(TTL_MS / 2);
    expect(a.heard).toEqual(['acquired 1 after none']);
    expect(key.value).toMatchObject({ owner: 'a', epoch: 1 });
  });

  test('ends the epoch of its owner, which takes it again at once', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(20);
    key.delete();
    await clock.advance(50);
    expect(heard).toEqual([
      'acquired 1 after none',
      'starts over: its key was deleted',
      'acquired 2 after none',
    ]);
    expect(lease.isValid()).toBe(true);
    expect(key.value).toMatchObject({ owner: 'a', epoch: 2 });
  });

  test('that a live session lists as held is not taken by others, although it was purged', async () => {
    const { clock, key, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(BEAT_MS + 20);
    key.value = undefined;
    key.revision = 0;
    b.lease.seek();
    await clock.advance(2 * TTL_MS);
    expect([a.lease.isValid(), b.lease.mode]).toEqual([true, 'seeking']);
    await clock.advance(10 * TTL_MS);
    expect(a.lease.epoch).toBe(2);
    expect(key.value).toMatchObject({ owner: 'a', epoch: 2 });
  });

  test('that another process takes first is lost to its owner', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(20);
    key.value = { owner: 'b', term: 1, ttlMs: TTL_MS, epoch: 1 };
    key.revision += 2;
    key.announce(key.value);
    await clock.advance(20);
    expect([lease.mode, heard.at(-1)]).toEqual(['seeking', 'lost: it is held by b in epoch 1']);
  });

  test('is taken by a standby another ttl later, if no replica seeks it', async () => {
    const { clock, key, process } = fixture();
    key.delete();
    const c = process('c');
    c.lease.standBy();
    await clock.advance(2 * TTL_MS);
    expect(c.lease.mode).toBe('standby');
    await clock.advance(TTL_MS / 2);
    expect(c.lease.mode).toBe('held');
  });
});

describe('a lease of a release without sessions', () => {
  const renewed = (beat: number): LeaseRecord => ({ owner: 'earlier', ttlMs: TTL_MS, epoch: 4, beat });

  test('is left to its owner while that renews it, and taken a ttl and a margin after the last renewal', async () => {
    const { clock, key, process } = fixture();
    await key.write(renewed(1), 0);
    const a = process('a');
    a.lease.seek();
    for (let beat = 2; beat < 20; beat++) {
      await clock.advance(TTL_MS / 5);
      await key.write(renewed(beat), key.revision);
    }
    await clock.advance(TTL_MS + LEASE_MARGIN_MS - 10);
    expect([a.lease.mode, a.lease.holder]).toEqual(['seeking', 'earlier']);
    await clock.advance(20);
    expect(a.heard).toEqual(['acquired 5 after earlier']);
  });

  test('is read no more often by a standby because its owner renews it', async () => {
    const { clock, key, process } = fixture();
    await key.write(renewed(1), 0);
    const a = process('a');
    a.lease.standBy();
    await clock.advance(100);
    let reads = 0;
    const read = key.read.bind(key);
    key.read = () => {
      reads++;
      return read();
    };
    for (let beat = 2; beat < 20; beat++) {
      await key.write(renewed(beat), key.revision);
      await clock.advance(TTL_MS / 5);
    }
    expect([a.lease.mode, reads]).toEqual(['standby', 0]);
  });

  test('is followed at once when it is released', async () => {
    const { clock, key, process } = fixture();
    await key.write(renewed(1), 0);
    const a = process('a');
    a.lease.seek();
    await clock.advance(100);
    await key.write({ ...renewed(2), released: true }, key.revision);
    await clock.advance(20);
    expect(a.heard).toEqual(['acquired 5 after earlier']);
  });
});

describe('a key that an operator restored', () => {
  test.each([
    ['names an earlier term of the owner', {}],
    ['says that it is free', { released: true }],
  ])('and that %s is not taken while a live session holds a later epoch', async (_, state) => {
    const { clock, key, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(20);
    const backup = { ...key.value!, ...state };
    a.replica.isCut = true;
    await clock.advance(TTL_MS);
    a.replica.isCut = false;
    await clock.advance(2 * BEAT_MS);
    expect([a.replica.session.term > 1, a.lease.epoch]).toEqual([true, 2]);
    key.value = backup;
    key.revision++;
    b.lease.seek();
    await clock.advance(TTL_MS);
    expect([a.lease.isValid(), b.heard]).toEqual([true, []]);
  });
});

describe('starting over', () => {
  test('ends the epoch and takes the next one at once', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(20);
    lease.startOver('its stream was made again');
    expect(lease.isValid()).toBe(false);
    await clock.advance(50);
    expect(heard).toEqual([
      'acquired 1 after none',
      'starts over: its stream was made again',
      'acquired 2 after a',
    ]);
    expect(key.value).toMatchObject({ owner: 'a', epoch: 2 });
  });

  test('takes an epoch above the one it was told of, and stays above it after a further loss', async () => {
    const { clock, process } = fixture();
    const { lease } = process('a');
    lease.seek();
    await clock.advance(20);
    lease.startOver('its position is of epoch 40', 40);
    await clock.advance(50);
    expect([lease.mode, lease.epoch]).toEqual(['held', 41]);
    lease.startOver('its position is of epoch 7', 7);
    await clock.advance(50);
    expect(lease.epoch).toBe(42);
  });

  test('without the lease does nothing', async () => {
    const { clock, process } = fixture();
    const { lease, heard } = process('a');
    lease.startOver('no reason', 40);
    await clock.advance(50);
    expect([lease.mode, heard]).toEqual(['idle', []]);
  });
});

describe('giving up', () => {
  test('lets every other replica have its turn first', async () => {
    const { clock, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(20);
    b.lease.standBy();
    await clock.advance(20);
    a.lease.giveUp('its position could not be claimed');
    await clock.advance(TTL_MS + 2 * LEASE_MARGIN_MS);
    expect([a.lease.mode, b.lease.mode]).toEqual(['seeking', 'held']);
  });

  test('releases the lease, so that a replica that seeks takes it at once', async () => {
    const { clock, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(10);
    b.lease.seek();
    await clock.advance(10);
    a.lease.giveUp('its position could not be claimed');
    await clock.advance(50);
    expect([a.lease.mode, b.heard]).toEqual(['seeking', ['acquired 2 after a']]);
  });

  test('seeks again after one ttl and the margins if no other replica wants it', async () => {
    const { clock, process } = fixture();
    const { lease } = process('a');
    lease.seek();
    await clock.advance(20);
    lease.giveUp('its position could not be claimed');
    await clock.advance(TTL_MS + 3 * LEASE_MARGIN_MS);
    expect(lease.mode).toBe('seeking');
    await clock.advance(TTL_MS / 4 + 2 * LEASE_MARGIN_MS);
    expect([lease.mode, lease.epoch]).toEqual(['held', 2]);
  });

  test('keeps the lease from others for a ttl while a handler of an earlier epoch runs', async () => {
    const { clock, key, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.isAtRest.current = false;
    a.lease.seek();
    await clock.advance(20);
    b.lease.seek();
    await clock.advance(20);
    a.lease.giveUp('its position could not be claimed');
    await clock.advance(TTL_MS - LEASE_MARGIN_MS);
    expect([b.lease.mode, key.writes.some(({ released }) => released)]).toEqual(['seeking', false]);
    await clock.advance(3 * LEASE_MARGIN_MS);
    expect([a.lease.mode, b.lease.mode]).toEqual(['seeking', 'held']);
  });

  test('lets the lease go as soon as that handler has ended', async () => {
    const { clock, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.isAtRest.current = false;
    a.lease.seek();
    await clock.advance(20);
    b.lease.seek();
    await clock.advance(20);
    a.lease.giveUp('its position could not be claimed');
    await clock.advance(100);
    a.isAtRest.current = true;
    await clock.advance(TTL_MS / 5);
    expect([a.lease.mode, b.lease.mode]).toEqual(['seeking', 'held']);
  });

  test('tries to let the lease go until the server confirms it', async () => {
    const { clock, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(20);
    b.lease.seek();
    await clock.advance(20);
    a.replica.isCut = true;
    a.lease.giveUp('its position could not be claimed');
    await clock.advance(100);
    expect(b.lease.mode).toBe('seeking');
    a.replica.isCut = false;
    await clock.advance(TTL_MS / 5);
    expect([a.lease.mode, b.lease.mode]).toEqual(['seeking', 'held']);
  });
});

describe('standing by', () => {
  test('reads it no more than every ten ttls while the holder is heard, and takes nothing', async () => {
    const { clock, key, process } = fixture();
    const a = process('a');
    a.lease.seek();
    await clock.advance(20);
    const b = process('b');
    b.lease.standBy();
    await clock.advance(20);
    let reads = 0;
    const read = key.read.bind(key);
    key.read = () => {
      reads++;
      return read();
    };
    await clock.advance(10 * TTL_MS);
    // One of the owner, and one of the standby.
    expect([b.lease.mode, b.lease.holder, reads]).toEqual(['standby', 'a', 2]);
  });

  test('leaves what is handed over to the replica that seeks it, and does not take it back', async () => {
    const { clock, process } = fixture();
    const [a, b, c] = [process('a'), process('b'), process('c')];
    a.lease.seek();
    await clock.advance(20);
    b.lease.seek();
    c.lease.standBy();
    await clock.advance(20);
    await a.lease.handOver();
    await clock.advance(20);
    expect(b.heard).toEqual(['acquired 2 after a']);
    await clock.advance(5 * TTL_MS);
    expect([a.lease.mode, b.lease.mode, c.lease.mode]).toEqual(['standby', 'held', 'standby']);
    expect([a.lease.holder, b.lease.holder, c.lease.holder]).toEqual(['b', 'b', 'b']);
  });

  test('takes a free lease a ttl later, if no replica seeks it', async () => {
    const { clock, process } = fixture();
    const [a, c] = [process('a'), process('c')];
    a.lease.seek();
    await clock.advance(20);
    c.lease.standBy();
    await clock.advance(20);
    await a.lease.release();
    await clock.advance(TTL_MS - 100);
    expect(c.lease.mode).toBe('standby');
    await clock.advance(200);
    expect(c.heard).toEqual(['acquired 2 after a']);
  });

  test('takes the lease of a dead holder two ttls later, if no replica seeks it', async () => {
    const { clock, process } = fixture();
    const [a, c] = [process('a'), process('c')];
    a.lease.seek();
    await clock.advance(20);
    c.lease.standBy();
    await clock.advance(20);
    kill(a);
    await clock.advance(2 * TTL_MS - 100);
    expect(c.lease.mode).toBe('standby');
    await clock.advance(LEASE_MARGIN_MS + 200);
    expect(c.lease.mode).toBe('held');
  });

  test('counts the time since the last renewal it heard when it begins to seek', async () => {
    const { clock, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(20);
    b.lease.standBy();
    await clock.advance(20);
    kill(a);
    await clock.advance(TTL_MS);
    b.lease.seek();
    await clock.advance(LEASE_MARGIN_MS + 50);
    expect(b.lease.mode).toBe('held');
  });

  test('finds a release whose announcement was missed with the next beat of its old holder', async () => {
    const { clock, key, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(20);
    b.lease.standBy();
    await clock.advance(2 * TTL_MS);
    b.replica.isCut = true;
    await a.lease.handOver();
    b.replica.isCut = false;
    expect(b.lease.holder).toBe('a');
    await clock.advance(BEAT_MS + TTL_MS / 10 + 20);
    expect(b.lease.holder).toBeUndefined();
    await clock.advance(TTL_MS + 50);
    expect([a.lease.mode, b.lease.mode].sort()).toEqual(['held', 'standby']);
    expect(key.value?.epoch).toBe(2);
  });
});

describe('a partition without an owner', () => {
  /** The longest time, over all moments, that a process saw no owner at work. */
  async function longest(clock: ManualClock, leases: readonly Lease[], forMs: number): Promise<number> {
    let most = 0;
    for (let ms = 0; ms < forMs; ms += 50) {
      await clock.advance(50);
      most = Math.max(most, ...leases.map(({ ownerlessMs }) => ownerlessMs));
    }
    return most;
  }

  test('is none while a failover takes no longer than ttl and margin', async () => {
    const { clock, key, process } = fixture();
    const [a, b, c] = [process('a'), process('b'), process('c')];
    a.lease.seek();
    await clock.advance(100);
    b.lease.seek();
    c.lease.standBy();
    await clock.advance(10 * TTL_MS);
    // Killed: nothing is released.
    kill(a);
    const most = await longest(clock, [b.lease, c.lease], 4 * TTL_MS);
    expect(key.value?.owner).toBe('b');
    expect(most).toBeGreaterThan(TTL_MS);
    expect(most).toBeLessThan(ownerlessAfterMs(TTL_MS));
  });

  test('is one 2 ttls after the last renewal, and no more with the next one', async () => {
    const { clock, process } = fixture();
    const { lease, replica } = process('a');
    lease.seek();
    await clock.advance(10 * TTL_MS);
    expect(lease.ownerlessMs).toBe(0);
    replica.isCut = true;
    await clock.advance(2 * TTL_MS - TTL_MS / 5);
    expect(lease.ownerlessMs).toBeLessThanOrEqual(ownerlessAfterMs(TTL_MS));
    await clock.advance(TTL_MS / 2);
    expect(lease.ownerlessMs).toBeGreaterThan(ownerlessAfterMs(TTL_MS));
    replica.isCut = false;
    await clock.advance(1_000);
    expect([lease.mode, lease.ownerlessMs]).toEqual(['held', 0]);
  });

  test.each([
    [1_000, 2_000],
    [3_000, 6_000],
    [4_000, 8_000],
    [7_000, 8_000],
    [60_000, 60_500],
  ])('with a ttl of %i ms counts from %i ms on, which no failover reaches', (ttlMs, afterMs) => {
    expect(ownerlessAfterMs(ttlMs)).toBe(afterMs);
    expect(afterMs).toBeGreaterThan(ttlMs + 300);
  });
});
