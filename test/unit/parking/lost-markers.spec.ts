import { describe, expect, test } from '@jest/globals';
import { Parking } from '#library/parking/parking.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { deliveryOf, recordedLog } from '../consumer/handling/deliveries.js';
import { FakeParkedPort, NO_HISTORY, ParkedServer } from './fake-parked-port.js';

const RESTED = { hasDied: false, start: { sequence: 0, created: 'then', epoch: 0 } };
const note = { reason: 'EXHAUSTED', error: 'Error: no stock', attempts: 3 } as const;
/** Longer than the pause between two lists of markers. */
const LISTED_MS = 31_000;

function owner(server: ParkedServer, epoch: number) {
  const port = new FakeParkedPort(server);
  const clock = new ManualClock();
  const log = recordedLog();
  const parking = new Parking({
    name: 'orders/billing/0',
    ...{ port, clock, log },
    history: NO_HISTORY,
    owner: { epoch, created: 'then', runOf: () => 0, mayWrite: () => true },
  });
  parking.attach({ commanded: () => undefined, unparked: () => undefined, crashesAllowed: () => 3 });
  return { port, clock, log, parking };
}

async function park(parking: Parking, token: string, sequence: number): Promise<void> {
  parking.begin(token);
  await parking.park(deliveryOf({ sequence, token }), note);
}

/** Lets requests and answers travel. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a marker that was deleted', () => {
  test('is written again by its owner, under the same name, and said once', async () => {
    const server = new ParkedServer();
    const { clock, log, parking } = owner(server, 1);
    await parking.load(RESTED);
    await park(parking, 'a', 1);
    await park(parking, 'b', 2);
    const identity = parking.find('a')!.identity;
    server.removeMarker(server.marker('a')!.revision);
    await clock.advance(LISTED_MS);
    await settle();
    expect(server.marker('a')?.marker).toMatchObject({
      ...note,
      state: 'parked',
      made: identity,
      sequence: 1,
    });
    await clock.advance(3 * LISTED_MS);
    await settle();
    expect(log.lines.filter((line) => line.includes('was deleted and is written again'))).toHaveLength(1);
    // The letter still counts.
    expect((await parking.letters.head(parking.find('a')!))?.note.sequence).toBe(1);
  });

  test('while no owner ran is reported by the next one, once, with the number of aggregates', async () => {
    const server = new ParkedServer();
    const before = owner(server, 1);
    await before.parking.load(RESTED);
    await park(before.parking, 'a', 1);
    await park(before.parking, 'b', 2);
    before.parking.close();
    server.removeMarker(server.marker('a')!.revision);
    const { clock, log, parking } = owner(server, 2);
    await parking.load(RESTED);
    await clock.advance(2 * LISTED_MS);
    await settle();
    expect(log.lines.filter((line) => line.includes('have no marker'))).toEqual([
      expect.stringMatching(/^error .*letters of 1 aggregates, "a" for one, have no marker/),
    ]);
    expect(parking.isParked('b')).toBe(true);
  });
});
