import { describe, expect, test } from '@jest/globals';
import { Lease, LEASE_MARGIN_MS } from '#library/consumer/ownership/lease.js';
import { chooseConsumer, type LeaseRecord } from '#library/records/lease-record.js';
import { silentLog } from '#library/log.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { FakeKeyPort } from './fake-key-port.js';

const TTL_MS = 3_000;

/** Several processes, one key, one clock. */
function bench() {
  const clock = new ManualClock(10_000);
  const key = new FakeKeyPort<LeaseRecord>();
  const cancelled = new Set<number>();
  const process = (owner: string, layout = 0) => {
    const heard: string[] = [];
    /** Who held it, as this process saw it, and what this process did, whenever that changed. */
    const told: string[] = [];
    const lease: Lease = new Lease({
      name: owner,
      owner,
      ttlMs: TTL_MS,
      // Each process has a port of its own to the one key; closing one closes no other.
      port: {
        read: () => key.read(),
        write: (value, revision) => key.write(value, revision),
        onHint: (callback) => key.onHint(callback),
        close: () => undefined,
      },
      clock,
      log: silentLog,
      layout,
      isCancelled: (change) => cancelled.has(change),
      facts: () => ({ floor: 7, streamCreated: 'then' }),
      acquired: (previous) => heard.push(`acquired ${lease.epoch} after ${previous?.owner ?? 'nobody'}`),
      lost: (reason) => heard.push(`lost: ${reason}`),
      drained: () => heard.push('drained'),
      holderChanged: () => told.push(`${lease.holder ?? 'nobody'}, ${lease.mode}`),
    });
    return { lease, heard, told };
  };
  return { clock, key, process, cancelled };
}

describe('one owner at a time', () => {
  test('who watches learns that a replica that stood by holds it now, though its own write is heard before the answer', async () => {
    const { clock, process } = bench();
    const a = process('a');
    a.lease.standBy();
    await clock.advance(4 * TTL_MS);
    expect(a.heard).toEqual(['acquired 1 after nobody']);
    expect(a.told).toContain('a, standby');
    expect(a.told.at(-1)).toBe('a, held');
  });

  test('the first to write holds it; the other waits as long as it is renewed', async () => {
    const { clock, key, process } = bench();
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

  test('when the owner is gone another takes over once the revision stood still for ttl and margin, not before', async () => {
    const { clock, key, process } = bench();
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

  test('a released lease is taken at once, under the next epoch', async () => {
    const { clock, process } = bench();
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
  test('without renewals the owner counts its time short by the margin, and hears that it is over', async () => {
    const { clock, key, process } = bench();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    key.failure = new Error('away');
    await clock.advance(TTL_MS - LEASE_MARGIN_MS - 100);
    expect(lease.isValid()).toBe(true);
    await clock.advance(200);
    expect(lease.isValid()).toBe(false);
    expect(heard).toEqual(['acquired 1 after nobody', 'lost: it was not renewed in time']);
  });

  test('its own lease, from before it lost it, is taken again at once under the next epoch', async () => {
    const { clock, key, process } = bench();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    key.failure = new Error('away');
    await clock.advance(2 * TTL_MS);
    key.failure = undefined;
    await clock.advance(TTL_MS / 5);
    expect(heard.at(-1)).toBe('acquired 2 after a');
  });

  test('an answer that comes after the deadline does not bring it back', async () => {
    const { clock, key, process } = bench();
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

  test('a wall clock that ran on while the process slept ends it too', async () => {
    const { clock, process } = bench();
    const { lease } = process('a');
    lease.seek();
    await clock.advance(10);
    const wallNow = clock.wallNow.bind(clock);
    clock.wallNow = () => wallNow() + TTL_MS;
    expect(lease.isValid()).toBe(false);
  });
});

test('somebody else has written: the owner hears it with its next renewal', async () => {
  const { clock, key, process } = bench();
  const { lease, heard } = process('a');
  lease.seek();
  await clock.advance(10);
  await key.write({ ...key.value!, owner: 'b', epoch: 2 }, key.revision);
  await clock.advance(TTL_MS / 5 + 10);
  expect(heard).toEqual(['acquired 1 after nobody', 'lost: it is held by b in epoch 2']);
});

test('a renewal whose answer was lost is recognised as its own', async () => {
  const { clock, key, process } = bench();
  const { lease, heard } = process('a');
  lease.seek();
  await clock.advance(10);
  await key.write({ ...key.value!, floor: 8 }, key.revision);
  await clock.advance(TTL_MS);
  expect(lease.isValid()).toBe(true);
  expect(heard).toEqual(['acquired 1 after nobody']);
});

test('the record says what is settled, so that a successor knows where to begin', async () => {
  const { clock, key, process } = bench();
  process('a').lease.seek();
  await clock.advance(TTL_MS);
  const consumer = { generation: 0, retired: [] };
  expect(key.value).toEqual({
    ...{
      owner: 'a',
      ttlMs: TTL_MS,
      epoch: 1,
      beat: 6,
      floor: 7,
      streamCreated: 'then',
      layout: 0,
      ...consumer,
    },
  });
});

describe('the name of the consumer', () => {
  test('an owner that finds its consumer gone names another in the record, under the next epoch', async () => {
    const { clock, key, process } = bench();
    const { lease, heard } = process('a');
    lease.seek();
    await clock.advance(10);
    lease.startOver('its consumer is gone');
    await clock.advance(TTL_MS);
    expect(heard).toEqual(['acquired 1 after nobody', 'lost: its consumer is gone', 'acquired 2 after a']);
    expect(key.value).toMatchObject({ epoch: 2, generation: 2, retired: [0] });
    lease.startOver('its consumer is gone');
    await clock.advance(TTL_MS);
    expect(key.value).toMatchObject({ epoch: 3, generation: 3, retired: [0, 2] });
  });

  test('if somebody else has named another meanwhile, that one is used', async () => {
    const { clock, key, process } = bench();
    const { lease } = process('a');
    lease.seek();
    await clock.advance(10);
    await key.write({ ...key.value!, owner: 'b', epoch: 7, generation: 7, released: true }, key.revision);
    lease.startOver('its consumer is gone');
    await clock.advance(TTL_MS);
    expect(key.value).toMatchObject({ owner: 'a', epoch: 8, generation: 7, retired: [] });
  });

  test('only the last few retired ones are remembered', () => {
    expect(chooseConsumer({ generation: 6, retired: [0, 2, 4, 5] }, 7, 6)).toEqual({
      generation: 7,
      retired: [2, 4, 5, 6],
    });
    expect(chooseConsumer(undefined, 1, undefined)).toEqual({ generation: 0, retired: [] });
  });
});

describe('standing by', () => {
  test('a replica that stands by asks nothing while it hears the holder, and takes nothing', async () => {
    const { clock, key, process } = bench();
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

  test('what is handed over goes to the one that seeks it, at once, and not back', async () => {
    const { clock, process } = bench();
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

  test('if nobody comes for it, one that stands by takes it a ttl later', async () => {
    const { clock, process } = bench();
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

  test('if its holder is gone and nobody seeks it, one that stands by takes it two ttls later', async () => {
    const { clock, process } = bench();
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

  test('one that begins to seek after it heard the last renewal need not wait anew', async () => {
    const { clock, process } = bench();
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

  test('hints that were missed give nothing away: a renewal is found when the record is read', async () => {
    const { clock, key, process } = bench();
    const [a, b] = [process('a'), process('b')];
    a.lease.seek();
    await clock.advance(10);
    b.lease.standBy();
    await clock.advance(10);
    // The holder goes on under a revision of its own; b hears nothing of it.
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

describe('a change of layout', () => {
  const MARK = { change: 1, delivered: 9, unsettled: '8' };

  test('a lease that is given up with a mark is taken by nobody, until its change is known to be cancelled', async () => {
    const { clock, key, process, cancelled } = bench();
    const a = process('a');
    const b = process('b');
    a.lease.seek();
    await clock.advance(TTL_MS);
    b.lease.seek();
    await a.lease.giveUpDrained(1, MARK);
    expect(a.lease.isValid()).toBe(false);
    await clock.advance(10 * TTL_MS);
    expect([a.lease.mode, b.lease.mode]).toEqual(['seeking', 'seeking']);
    expect([a.lease.drainedFor, b.lease.drainedFor]).toEqual([1, 1]);
    expect(key.value).toMatchObject({ drained: MARK, released: true, epoch: 1 });
    cancelled.add(1);
    await clock.advance(TTL_MS);
    expect([a.lease.mode, b.lease.mode].sort()).toEqual(['held', 'seeking']);
    expect(key.value).toMatchObject({ epoch: 2 });
    expect(key.value?.drained).toBeUndefined();
  });

  test('a position of an epoch that has ended is not written down', async () => {
    const { clock, key, process } = bench();
    const a = process('a');
    a.lease.seek();
    await clock.advance(TTL_MS);
    await a.lease.giveUpDrained(7, MARK);
    expect(a.lease.mode).toBe('held');
    expect(key.value?.drained).toBeUndefined();
  });

  test('if the mark has no answer nothing goes on: the lease is taken in a new epoch', async () => {
    const { clock, key, process } = bench();
    const a = process('a');
    a.lease.seek();
    await clock.advance(TTL_MS);
    key.failure = new Error('no answer');
    const handedOver = a.lease.giveUpDrained(1, MARK);
    await clock.advance(1);
    expect(a.lease.isValid()).toBe(false);
    await handedOver;
    key.failure = undefined;
    await clock.advance(TTL_MS);
    expect(a.lease).toMatchObject({ mode: 'held', epoch: 2 });
  });

  test('a process of another layout does not take a lease that this layout has let go', async () => {
    const { clock, process } = bench();
    const now = process('now', 2);
    now.lease.seek();
    await clock.advance(TTL_MS);
    const sleeper = process('sleeper', 0);
    sleeper.lease.seek();
    await now.lease.release();
    await clock.advance(10 * TTL_MS);
    expect(sleeper.lease.mode).toBe('seeking');
  });

  test('one that stands by does not take it either, however long nobody holds it, and asks no more often than others', async () => {
    const { clock, key, process, cancelled } = bench();
    const [a, c] = [process('a'), process('c')];
    a.lease.seek();
    await clock.advance(10);
    c.lease.standBy();
    await clock.advance(10);
    await a.lease.giveUpDrained(1, MARK);
    await clock.advance(0);
    expect(c.lease.drainedFor).toBe(1);
    a.lease.abandon();
    let reads = 0;
    const read = key.read.bind(key);
    key.read = () => {
      reads++;
      return read();
    };
    await clock.advance(20 * TTL_MS);
    expect(c.lease.mode).toBe('standby');
    expect(key.value).toMatchObject({ drained: MARK, epoch: 1 });
    expect(reads).toBeLessThanOrEqual(20 * 10);
    cancelled.add(1);
    await clock.advance(TTL_MS);
    expect(c.lease).toMatchObject({ mode: 'held', epoch: 2 });
  });
});
