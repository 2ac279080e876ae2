import { expect, test } from '@jest/globals';
import { ALONE_MS, Intake } from '#library/consumer/intake.js';
import { Ledger } from '#library/consumer/position/ledger.js';
import { Suspects, type SuspectRecord } from '#library/consumer/handling/suspects.js';
import { KeyedExecutor, NEXT, type Step } from '#library/executor/keyed-executor.js';
import { silentLog } from '#library/log.js';
import type { Delivery } from '#library/message/delivery.js';
import { OrderedAcks } from '#library/settlement/ordered-acks.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { deliveryOf } from './fake-consumer-port.js';
import { FakeKeyPort } from './fake-key-port.js';

/** Among the sequences started: from here on letters may be worked off. */
const OPENED = -1;

/** A lease from an owner that died while it ran event 5; `hang` says which events do not settle here. */
async function bench(hang: (event: Delivery) => boolean) {
  const clock = new ManualClock(0);
  const port = new FakeKeyPort<SuspectRecord>();
  port.value = { 5: 1 };
  port.revision = 1;
  const suspects = new Suspects({ name: 'p', port, maxStarts: 3, clock, log: silentLog });
  suspects.inherit(true);
  await suspects.load();
  suspects.takenOver(10);
  const started: number[] = [];
  const acked: number[] = [];
  const acks = new OrderedAcks({
    clock,
    maySend: () => true,
    send: ({ sequence }) => acked.push(sequence),
    maxUnconfirmedPerAggregate: 10,
    pauseLane: () => undefined,
    resumeLane: () => undefined,
  });
  const executor: KeyedExecutor<Delivery> = new KeyedExecutor<Delivery>({
    concurrency: 10,
    clock,
    run: (event): Step | Promise<Step> => {
      started.push(event.sequence);
      if (hang(event)) return new Promise<Step>(() => undefined);
      intake.attempted(event, true);
      return NEXT;
    },
  });
  const intake: Intake = new Intake({
    ledger: new Ledger(),
    executor,
    acks,
    suspects,
    maxAckPending: 1_000,
    clock,
    parkedLanes: { isParked: () => false, takes: () => false, overShare: () => undefined },
    opened: () => started.push(OPENED),
    isSettledBefore: () => false,
    passOver: () => undefined,
    disordered: () => undefined,
  });
  return { clock, executor, intake, started, acks, acked };
}

const suspect = (): Delivery => deliveryOf({ sequence: 5, token: 'a' });
const other = (): Delivery => deliveryOf({ sequence: 6, token: 'b' });

test('an event that was started by an owner that died runs alone, and the others behind it', async () => {
  const { clock, intake, started } = await bench(() => false);
  intake.released([suspect(), other()]);
  await clock.advance(1);
  expect(started).toEqual([5, OPENED, 6]);
});

test('letters are worked off only when everything that came through the fence is in its place, and never if it is forgotten', async () => {
  const { clock, intake, started } = await bench(({ sequence }) => sequence === 5);
  intake.released([suspect(), other()]);
  await clock.advance(ALONE_MS - 1);
  expect(started).toEqual([5]);
  intake.forget();
  await clock.advance(2 * ALONE_MS);
  expect(started).toEqual([5]);
  intake.released([other()]);
  expect(started.at(-1)).toBe(OPENED);
});

test('one that hangs holds the others up for a moment, once', async () => {
  const { clock, intake, started } = await bench(({ sequence }) => sequence === 5);
  intake.released([suspect(), other()]);
  await clock.advance(ALONE_MS - 1);
  expect(started).toEqual([5]);
  await clock.advance(2);
  expect(started).toEqual([5, OPENED, 6]);
  // The next takeover delivers it again, and does not wait.
  intake.released([suspect(), deliveryOf({ sequence: 7, token: 'b' })]);
  await clock.advance(1);
  expect(started).toEqual([5, OPENED, 6, OPENED, 7]);
});

test('one whose lane still runs a handler of an earlier epoch holds up nobody: it cannot start', async () => {
  const { clock, executor, intake, started } = await bench(({ sequence }) => sequence === 5);
  executor.push('a', suspect());
  await clock.advance(1);
  intake.released([suspect(), other()]);
  await clock.advance(1);
  expect(started).toEqual([5, OPENED, 6]);
});

test('what is taken in when the server that delivered it is gone is not acked before it is delivered again', async () => {
  const { clock, intake, started, acks, acked } = await bench(({ sequence }) => sequence === 5);
  const held = other();
  acks.resume(true);
  intake.released([suspect(), held]);
  acks.pause();
  await clock.advance(ALONE_MS + 1);
  expect(started).toContain(6);
  acks.add(held);
  // The next server knows of no delivery beyond 4.
  acks.reached(4);
  acks.resume(true);
  await clock.settle();
  expect(acked).toEqual([]);
  intake.delivered(held);
  acks.redelivered(held);
  await clock.settle();
  expect(acked).toEqual([6]);
});
