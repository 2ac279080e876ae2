import { describe, expect, test } from '@jest/globals';
import { Lease, LEASE_MARGIN_MS } from '#library/consumer/ownership/lease.js';
import { ownerlessAfterMs } from '#library/consumer/ownership/observed-lease.js';
import type { LeaseFacts } from '#library/consumer/ownership/lease-options.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import { silentLog } from '#library/log.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { FakeKeyPort } from './fake-key-port.js';

const TTL_MS = 3_000;

/** Several processes, one key, one clock. */
function fixture() {
  const clock = new ManualClock(10_000);
  const key = new FakeKeyPort<LeaseRecord>();
  const process = (owner: string) => {
    const heard: string[] = [];
    /** Who held it, as this process saw it, and what this process did, whenever that changed. */
    const told: string[] = [];
    const facts: { current: LeaseFacts } = { current: {} };
    const isAtRest = { current: true };
    const lease: Lease = new Lease({
      name: owner,
      owner,
      ttlMs: TTL_MS,
      // Each process has a port of its own to the one key; closing one closes no other.
      port: {
        maxBytes: key.maxBytes,
        read: () => key.read(),
        write: (value, revision) => key.write(value, revision),
        onHint: (callback) => key.onHint(callback),
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
    return { lease, heard, told, facts, isAtRest };
  };
  return { clock, key, process };
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

  test('is the one that writes first; the other waits as long as the lease is renewed', async () => {
    const { clock, key, process } = fixture();
    const a = process('a');
    const b = process('b');
    a.lease.seek();
    b.lease.seek();
    await clock.advance(10 * TTL_MS);
    expect([a.lease.mode, b.lease.mode].sort()).toEqual(['held', 'seeking']);
    expect(key.value?.epoch).toBe(1);
    // Five renewals per ttl, and not many more.
    expect(key.writes.length).toBeGreaterThanOrEqual(45);
    expect(key.writes.length).toBeLessThanOrEqual(60);
  });

  test('is followed by another when the revision stood still for ttl and margin, not before', async () => {
    const { clock, key, process } = fixture();
    const a = process('a');
    a.lease.seek();
    await clock.advance(100);
    const b = process('b');
    b.lease.seek();
    await clock.advance(TTL_MS / 2);
    const gone = key.failure;
    // The owner dies: nothing of it is heard again.
    a.lease.abandon();
    const renewedAt = clock.now();
    key.failure = gone;
    await clock.advance(TTL_MS + LEASE_MARGIN_MS - TTL_MS / 5 - 100);
    expect(b.lease.mode).toBe('seeking');
    await clock.advance(TTL_MS / 5 + 400);
    expect(b.heard).toEqual(['acquired 2 after a']);
    expect(clock.now() - renewedAt).toBeLessThanOrEqual(TTL_MS + 500);
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
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    key.failure = new Error('away');
    await clock.advance(TTL_MS - LEASE_MARGIN_MS - 100);
    expect(lease.isValid()).toBe(true);
    await clock.advance(200);
    expect(lease.isValid()).toBe(false);
    expect(heard).toEqual(['acquired 1 after none', 'lost: it was not renewed in time']);
  });

  test('does not keep a process from its own old lease: it takes that at once under the next epoch', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    key.failure = new Error('away');
    await clock.advance(2 * TTL_MS);
    key.failure = undefined;
    await clock.advance(TTL_MS / 5);
    expect(heard.at(-1)).toBe('acquired 2 after a');
  });

  test('is not extended by an answer that comes after it', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    const write = key.write.bind(key);
    let answer = (): void => undefined;
    key.write = async (value, revision) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return write(value, revision);
    };
    await clock.advance(TTL_MS);
    expect(lease.isValid()).toBe(false);
    key.write = write;
    answer();
    await clock.settle();
    expect(lease.isValid()).toBe(false);
    expect(heard).toContain('lost: it was not renewed in time');
  });

  test('passes too when only the wall clock moved while the process slept', async () => {
    const { clock, process } = fixture();
    const { lease } = process('a');
    lease.seek();
    await clock.advance(10);
    const wallNow = clock.wallNow.bind(clock);
    clock.wallNow = () => wallNow() + TTL_MS;
    expect(lease.isValid()).toBe(false);
  });

  test('stays over when the wall clock is set back: lanes that found it over are closed', async () => {
    const { clock, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    const wallNow = clock.wallNow.bind(clock);
    clock.wallNow = () => wallNow() + TTL_MS;
    expect(lease.isValid()).toBe(false);
    clock.wallNow = wallNow;
    expect(lease.isValid()).toBe(false);
    await clock.advance(TTL_MS / 5 + 10);
    expect(heard.slice(0, 2)).toEqual(['acquired 1 after none', 'lost: it was not renewed in time']);
    await clock.advance(TTL_MS);
    expect([lease.isValid(), lease.epoch]).toEqual([true, 2]);
  });
});

test('an owner loses the lease with its next renewal when another process has written', async () => {
  const { clock, key, process } = fixture();
  const { lease, heard } = process('a');
  lease.seek();
  await clock.advance(10);
  await key.write({ ...key.value!, owner: 'b', epoch: 2 }, key.revision);
  await clock.advance(TTL_MS / 5 + 10);
  expect(heard).toEqual(['acquired 1 after none', 'lost: it is held by b in epoch 2']);
});

test('a renewal whose answer was lost is recognised as its own', async () => {
  const { clock, key, process } = fixture();
  const { lease, heard } = process('a');
  lease.seek();
  await clock.advance(10);
  await key.write({ ...key.value!, beat: 99 }, key.revision);
  await clock.advance(TTL_MS);
  expect(lease.isValid()).toBe(true);
  expect(heard).toEqual(['acquired 1 after none']);
});

describe('the record', () => {
  test('names owner, ttl, epoch and beat, and nothing of the position', async () => {
    const { clock, key, process } = fixture();
    process('a').lease.seek();
    await clock.advance(TTL_MS);
    expect(key.value).toEqual({ owner: 'a', ttlMs: TTL_MS, epoch: 1, beat: 6 });
  });

  test('says that the position was claimed with the next renewal, at once', async () => {
    const { clock, key, process } = fixture();
    const { lease, facts } = process('a');
    lease.seek();
    await clock.advance(10);
    expect(key.value?.claimed).toBeUndefined();
    facts.current = { claimed: true };
    lease.noteClaimed();
    await clock.advance(10);
    expect(key.value?.claimed).toBe(true);
  });

  test('keeps saying so when the next owner takes it, before that one has claimed anything', async () => {
    const { clock, key, process } = fixture();
    const a = process('a');
    a.facts.current = { claimed: true };
    a.lease.seek();
    await clock.advance(TTL_MS);
    await a.lease.release();
    process('b').lease.seek();
    await clock.advance(10);
    expect(key.value).toMatchObject({ owner: 'b', epoch: 2, claimed: true });
  });

  test('names the handlers that keep the partition from being drained', async () => {
    const { clock, key, process } = fixture();
    const { lease, facts } = process('a');
    const running = [{ aggregateId: 'order 1', sequence: 3, forMs: 10 }];
    facts.current = { running };
    lease.seek();
    await clock.advance(TTL_MS);
    expect(key.value?.running).toEqual(running);
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

  test('costs its owner nothing: the next renewal writes it again under the same epoch', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    key.delete();
    await clock.advance(TTL_MS);
    expect([lease.isValid(), heard]).toEqual([true, ['acquired 1 after none']]);
    expect(key.value).toMatchObject({ owner: 'a', epoch: 1 });
  });

  test('that another process takes first is lost to its owner with the next renewal', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    key.delete();
    await key.write({ owner: 'b', ttlMs: TTL_MS, epoch: 1, beat: 1 }, key.revision);
    await clock.advance(TTL_MS / 5 + 10);
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

describe('starting over', () => {
  test('ends the epoch and takes the next one at once', async () => {
    const { clock, key, process } = fixture();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
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
    await clock.advance(10);
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
    await clock.advance(10);
    b.lease.standBy();
    await clock.advance(10);
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
    await clock.advance(10);
    lease.giveUp('its position could not be claimed');
    await clock.advance(TTL_MS + 3 * LEASE_MARGIN_MS);
    expect(lease.mode).toBe('seeking');
    await clock.advance(2 * LEASE_MARGIN_MS);
    expect([lease.mode, lease.epoch]).toEqual(['held', 2]);
  });

  test('lets the lease run out while a handler of an earlier epoch runs, and gives others that much longer', async () => {
    const { clock, key, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.isAtRest.current = false;
    a.lease.seek();
    await clock.advance(10);
    b.lease.seek();
    await clock.advance(10);
    a.lease.giveUp('its position could not be claimed');
    await clock.advance(TTL_MS - LEASE_MARGIN_MS);
    expect([b.lease.mode, key.writes.some(({ released }) => released)]).toEqual(['seeking', false]);
    await clock.advance(3 * LEASE_MARGIN_MS);
    expect([a.lease.mode, b.lease.mode]).toEqual(['seeking', 'held']);
  });

  test('lets the lease run out if the server does not confirm the release', async () => {
    const { clock, key, process } = fixture();
    const { lease } = process('a');
    lease.seek();
    await clock.advance(10);
    key.failure = new Error('away');
    lease.giveUp('its position could not be claimed');
    await clock.advance(100);
    key.failure = undefined;
    await clock.advance(2 * TTL_MS);
    expect(lease.mode).toBe('seeking');
    await clock.advance(TTL_MS);
    expect([lease.mode, lease.epoch]).toEqual(['held', 2]);
  });
});

describe('standing by', () => {
  test('sends no request while the holder is heard, and takes nothing', async () => {
    const { clock, key, process } = fixture();
    const a = process('a');
    a.lease.seek();
    await clock.advance(10);
    const b = process('b');
    b.lease.standBy();
    await clock.advance(10);
    let reads = 0;
    const read = key.read.bind(key);
    key.read = () => {
      reads++;
      return read();
    };
    await clock.advance(10 * TTL_MS);
    expect([b.lease.mode, b.lease.holder, reads]).toEqual(['standby', 'a', 0]);
  });

  test('leaves what is handed over to the replica that seeks it, and does not take it back', async () => {
    const { clock, process } = fixture();
    const [a, b, c] = [process('a'), process('b'), process('c')];
    a.lease.seek();
    await clock.advance(10);
    b.lease.seek();
    c.lease.standBy();
    await clock.advance(10);
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
    await clock.advance(10);
    c.lease.standBy();
    await clock.advance(10);
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
    await clock.advance(10);
    c.lease.standBy();
    await clock.advance(10);
    a.lease.abandon();
    await clock.advance(2 * TTL_MS - 100);
    expect(c.lease.mode).toBe('standby');
    await clock.advance(LEASE_MARGIN_MS + 200);
    expect(c.lease.mode).toBe('held');
  });

  test('counts the time since the last renewal it heard when it begins to seek', async () => {
    const { clock, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(10);
    b.lease.standBy();
    await clock.advance(10);
    a.lease.abandon();
    await clock.advance(TTL_MS);
    b.lease.seek();
    await clock.advance(LEASE_MARGIN_MS + 20);
    expect(b.lease.mode).toBe('held');
  });

  test('finds a renewal whose announcement was missed when it reads the record', async () => {
    const { clock, key, process } = fixture();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(10);
    b.lease.standBy();
    await clock.advance(10);
    // The holder continues under a revision of its own; b hears nothing of it.
    a.lease.abandon();
    await clock.advance(TTL_MS);
    key.value = { ...key.value!, beat: (key.value?.beat ?? 0) + 1 };
    key.revision++;
    b.lease.seek();
    await clock.advance(TTL_MS);
    expect(b.lease.mode).toBe('seeking');
    await clock.advance(2 * LEASE_MARGIN_MS);
    expect(b.lease.mode).toBe('held');
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
    a.lease.abandon();
    const most = await longest(clock, [b.lease, c.lease], 4 * TTL_MS);
    expect(key.value?.owner).toBe('b');
    expect(most).toBeGreaterThan(TTL_MS);
    expect(most).toBeLessThan(ownerlessAfterMs(TTL_MS));
  });

  test('is one 2 ttls after the last renewal, and no more with the next one', async () => {
    const { clock, key, process } = fixture();
    const { lease } = process('a');
    lease.seek();
    await clock.advance(10 * TTL_MS);
    expect(lease.ownerlessMs).toBe(0);
    key.failure = new Error('no bucket');
    await clock.advance(2 * TTL_MS - TTL_MS / 5);
    expect(lease.ownerlessMs).toBeLessThanOrEqual(ownerlessAfterMs(TTL_MS));
    await clock.advance(TTL_MS / 2);
    expect(lease.ownerlessMs).toBeGreaterThan(ownerlessAfterMs(TTL_MS));
    key.failure = undefined;
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
