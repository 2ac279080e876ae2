import { describe, expect, test } from '@jest/globals';
import { LEASE_MARGIN_MS } from '#library/consumer/ownership/session.js';
import type { SessionTenant } from '#library/consumer/ownership/sessions.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import { recordedLog } from '../handling/deliveries.js';
import { TestReplica } from './replica-fixture.js';

const TTL_MS = 3_000;
const BEAT_MS = TTL_MS / 4;

/** Holds what the test says, and notes what it is told. */
class Tenant implements SessionTenant {
  held: SessionTenant['held'];
  readonly told: string[] = [];

  sessionBegan(): void {
    this.told.push('began');
  }

  sessionEnded(reason: string): void {
    this.told.push(`ended: ${reason}`);
  }

  sessionResumed(): void {
    this.told.push('resumed');
  }
}

function fixture() {
  const clock = new ManualClock(10_000);
  const records = new MemoryPresence();
  const replica = new TestReplica({ member: 'a', ttlMs: TTL_MS, clock, records });
  const tenant = new Tenant();
  replica.session.join(tenant);
  return { clock, records, replica, session: replica.session, tenant, port: records.connect() };
}

describe('a session', () => {
  test('begins its first term with the first confirmed write, and is renewed four times per ttl', async () => {
    const { clock, records, replica, session, tenant } = fixture();
    expect(session.term).toBe(0);
    replica.start();
    await clock.advance(10);
    expect([session.term, tenant.told]).toEqual([1, ['began']]);
    await clock.advance(10 * TTL_MS);
    expect(session.term).toBe(1);
    expect(records.stored('a').revision).toBeGreaterThanOrEqual(40);
    expect(records.stored('a').revision).toBeLessThanOrEqual(42);
  });

  test('lists in its record what its leases hold', async () => {
    const { clock, records, replica, tenant } = fixture();
    replica.start();
    tenant.held = { key: '0.2', epoch: 7 };
    await clock.advance(BEAT_MS + 10);
    expect(records.stored('a').value).toMatchObject({ member: 'a', term: 1, holds: { '0.2': 7 } });
  });

  test('is over a margin before the ttl without renewals, and begins the next term when it can write again', async () => {
    const { clock, replica, session, tenant } = fixture();
    replica.start();
    await clock.advance(10);
    replica.isCut = true;
    await clock.advance(TTL_MS - LEASE_MARGIN_MS - 100);
    expect(session.remainingMs()).toBeGreaterThan(0);
    await clock.advance(200);
    expect([session.term, tenant.told.at(-1)]).toEqual([0, 'ended: it was not renewed in time']);
    replica.isCut = false;
    await clock.advance(100);
    expect([session.term > 1, tenant.told.at(-2)]).toEqual([true, 'began']);
  });

  test('tells its leases when requests were interrupted, because they may have missed announcements', async () => {
    const { clock, replica, session, tenant } = fixture();
    replica.start();
    await clock.advance(10);
    replica.isCut = true;
    await clock.advance(BEAT_MS + 10);
    replica.isCut = false;
    await clock.advance(100);
    expect([session.term, tenant.told]).toEqual([1, ['began', 'resumed']]);
  });

  test('is over when an operator removes its record, at most a beat later', async () => {
    const { clock, records, replica, session, tenant } = fixture();
    replica.start();
    await clock.advance(10);
    records.purge('a');
    await clock.advance(BEAT_MS + 10);
    expect(tenant.told).toEqual(['began', 'ended: its record was removed', 'began']);
    expect(session.term).toBe(2);
  });

  test('is over when another replica has ended it, and the next term begins above it', async () => {
    const { clock, records, replica, session, port, tenant } = fixture();
    replica.start();
    await clock.advance(10);
    const { revision } = records.stored('a');
    await port.announce({ member: 'a', ttlMs: TTL_MS, beat: 1, term: 1, ended: true }, revision);
    await clock.advance(BEAT_MS + 10);
    expect(tenant.told).toEqual(['began', 'ended: its record was written by another process', 'began']);
    expect(session.term).toBe(2);
  });

  test('begins above an earlier record of its name, once that has stood still for its ttl and a margin', async () => {
    const { clock, records, replica, session, port } = fixture();
    await port.announce({ member: 'a', ttlMs: TTL_MS, beat: 40, term: 5 }, 0);
    replica.start();
    await clock.advance(TTL_MS);
    // Nothing of it is heard that could be taken for news of that session.
    expect(session.term).toBe(0);
    expect(records.stored('a').value).toMatchObject({ beat: 40, term: 5 });
    await clock.advance(LEASE_MARGIN_MS + BEAT_MS);
    expect(session.term).toBe(6);
  });

  test('never begins while another process of the same name is alive, says so, and leaves its record', async () => {
    const { clock, records, replica, session } = fixture();
    replica.start();
    await clock.advance(10);
    const log = recordedLog();
    const twin = new TestReplica({
      member: 'a',
      ttlMs: TTL_MS,
      firstBeat: 1_000,
      clock,
      records,
      log,
    }).start();
    await clock.advance(20 * TTL_MS);
    expect([session.term, twin.session.term]).toEqual([1, 0]);
    expect(log.lines).toEqual([expect.stringContaining('another process uses the name a')]);
    await twin.close(100);
    await clock.advance(TTL_MS);
    expect([session.term, records.stored('a').value?.term]).toEqual([1, 1]);
  });

  test('never begins a term again that a write of it has named and another replica has ended', async () => {
    const { clock, records, replica, session, port } = fixture();
    // Stored, and its answer is lost.
    replica.loseAnswer = true;
    replica.start();
    await clock.advance(10);
    replica.isCut = true;
    const { value, revision } = records.stored('a');
    expect(value?.term).toBe(1);
    await port.announce({ ...value!, ended: true }, revision);
    records.purge('a');
    replica.isCut = false;
    await clock.advance(BEAT_MS);
    expect(session.term).toBeGreaterThan(1);
  });

  test('recognises its own write whose answer was lost, and its term continues', async () => {
    const { clock, records, replica, session, tenant } = fixture();
    replica.start();
    await clock.advance(10);
    const { value, revision } = records.stored('a');
    // As if the next beat was stored and never answered.
    replica.loseAnswer = true;
    await clock.advance(BEAT_MS + 10);
    expect(records.stored('a').revision).toBeGreaterThan(revision);
    expect(records.stored('a').value?.beat).toBeGreaterThan(value!.beat);
    await clock.advance(2 * TTL_MS);
    expect([session.term, tenant.told.filter((told) => told !== 'resumed')]).toEqual([1, ['began']]);
  });

  test('does not come back by an answer after its deadline', async () => {
    const { clock, replica, session, tenant } = fixture();
    replica.start();
    await clock.advance(10);
    const answer = replica.holdAnswer();
    await clock.advance(TTL_MS);
    expect(session.term).toBe(0);
    answer();
    await clock.settle();
    expect(session.term).not.toBe(1);
    expect(tenant.told).toContain('ended: it was not renewed in time');
  });

  test('is over when only the wall clock moved, and stays over when that is set back', async () => {
    const { clock, replica, session } = fixture();
    replica.start();
    await clock.advance(10);
    const wallNow = clock.wallNow.bind(clock);
    clock.wallNow = () => wallNow() + TTL_MS;
    expect(session.term).toBe(0);
    clock.wallNow = wallNow;
    expect(session.term).toBe(0);
    await clock.advance(BEAT_MS + 10);
    expect(session.term).toBe(2);
  });

  test('lives on while its replica leaves, and leaves no record when that is at rest', async () => {
    const { clock, records, replica, session } = fixture();
    replica.start();
    await clock.advance(10);
    session.leaveGroup();
    await clock.advance(3 * TTL_MS);
    expect([session.term, records.stored('a').value?.released]).toEqual([1, true]);
    await session.end(true, 1_000);
    expect([session.term, records.size]).toEqual([0, 0]);
  });

  test('leaves its record to stand still when its replica is not at rest', async () => {
    const { clock, records, replica, session } = fixture();
    replica.start();
    await clock.advance(10);
    session.leaveGroup();
    await session.end(false, 1_000);
    const { revision } = records.stored('a');
    await clock.advance(3 * TTL_MS);
    expect(records.stored('a').revision).toBe(revision);
  });
});
