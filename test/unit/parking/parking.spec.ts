import { describe, expect, test } from '@jest/globals';
import type { Delivery } from '#library/message/delivery.js';
import { identityOf, type Marker } from '#library/records/marker.js';
import type { Parked } from '#library/parking/parked-aggregate.js';
import { Parking } from '#library/parking/parking.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { deliveryOf, recordedLog } from '../consumer/handling/deliveries.js';
import { type Fate, FakeParkedPort, NO_HISTORY, ParkedServer } from './fake-parked-port.js';

/** What a tenure inherits from an owner that ended with a last commit, or that died. */
const RESTED = { hasDied: false, start: { sequence: 0, created: 'then', epoch: 0 } };
const DIED = { ...RESTED, hasDied: true };

const note = { reason: 'EXHAUSTED', error: 'Error: no stock', attempts: 3 } as const;

function eventOf(sequence: number, token = 'a'): Delivery {
  return deliveryOf({ sequence, token });
}

/** What one owner knows and writes. */
function owner(server = new ParkedServer(), epoch = 1) {
  const port = new FakeParkedPort(server);
  const clock = new ManualClock();
  const log = recordedLog();
  const commanded: string[] = [];
  const unparked: string[] = [];
  const lease = { epoch, isValid: true, streamCreated: 'then' };
  const parking = new Parking({
    name: 'orders/billing/0',
    port,
    clock,
    log,
    history: NO_HISTORY,
    owner: {
      get epoch() {
        return lease.epoch;
      },
      get created() {
        return lease.streamCreated;
      },
      runOf: () => 0,
      mayWrite: () => lease.isValid,
    },
  });
  parking.attach({
    commanded: ({ token }) => commanded.push(token),
    unparked: ({ token }) => unparked.push(token),
    crashesAllowed: () => 3,
  });
  return {
    server,
    port,
    clock,
    log,
    commanded,
    unparked,
    lease,
    parking,
    takeOver: (): Promise<void> => parking.load(RESTED),
    park: async (...sequences: number[]): Promise<Parked> => {
      parking.begin('a');
      await parking.park(eventOf(sequences[0]!), note);
      for (const sequence of sequences.slice(1)) await parking.file('a', [eventOf(sequence)]);
      return parking.find('a')!;
    },
  };
}

const sequences = (server: ParkedServer, identity?: number): number[] =>
  server
    .letters('a')
    .filter((letter) => identity === undefined || letter.note.marker === identity)
    .map((letter) => letter.note.sequence);

/** Writes of this port wait until the returned function is called. */
function hold(port: FakeParkedPort): () => void {
  let go: () => void = () => undefined;
  const waits = new Promise<void>((resolve) => (go = resolve));
  port.beforeWrite = () => waits;
  return () => {
    port.beforeWrite = () => undefined;
    go();
  };
}

/** A letter is handled, and its removal awaited. */
function removeNow(parking: Parking, parked: Parked, letter: { readonly position: number }): Promise<void> {
  parking.letters.done(parked, letter);
  return parking.letters.removed(parked);
}

describe('an owner', () => {
  test('parks an event, files what follows, replays it in order and unparks', async () => {
    const { server, parking, park, takeOver, unparked } = owner();
    await takeOver();
    const parked = await park(1, 2, 5);
    expect(server.marker('a')?.marker).toMatchObject({ ...note, state: 'parked', epoch: 1, sequence: 1 });
    expect(sequences(server, parked.identity)).toEqual([1, 2, 5]);
    const replayed: number[] = [];
    for (
      let letter = await parking.letters.head(parked);
      letter !== undefined;
      letter = await parking.letters.head(parked)
    ) {
      replayed.push(letter.note.sequence);
      await removeNow(parking, parked, letter);
    }
    expect(replayed).toEqual([1, 2, 5]);
    parking.leave(parked);
    expect(parking.isParked('a')).toBe(false);
    await parking.unpark(parked);
    expect([server.markers(), parking.find('a'), unparked]).toEqual([[], undefined, ['a']]);
  });

  test('stores an event once, even if it is parked and filed again', async () => {
    const { server, parking, park } = owner();
    await park(1, 2);
    await parking.file('a', [eventOf(1)]);
    await parking.file('a', [eventOf(2)]);
    await parking.park(eventOf(1), note);
    expect(sequences(server)).toEqual([1, 2]);
  });

  test.each<[Fate]>([['answer lost'], ['lost']])(
    'parks, files and unparks when it tries again, if every third of its writes was %s',
    async (fate) => {
      const { server, parking, port, park } = owner();
      const tryUntilDone = async (work: () => Promise<unknown>): Promise<void> => {
        let calls = 0;
        port.fateOf = () => (calls++ % 3 === 0 ? fate : 'answered');
        for (let tries = 0; ; tries++) {
          expect(tries).toBeLessThan(10);
          try {
            await work();
            return;
          } catch (error) {
            expect(error).toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
          }
        }
      };
      await tryUntilDone(() => park(1));
      await tryUntilDone(() => parking.file('a', [eventOf(2)]));
      const parked = parking.find('a')!;
      expect(sequences(server, parked.identity)).toEqual([1, 2]);
      expect(identityOf(server.marker('a')!)).toBe(parked.identity);
      for (let left = 2; left > 0; left--) {
        await tryUntilDone(async () => {
          const letter = await parking.letters.head(parked);
          if (letter?.note.sequence === 3 - left) await removeNow(parking, parked, letter);
        });
      }
      parking.leave(parked);
      await tryUntilDone(() => parking.unpark(parked));
      expect([server.markers(), server.letters('a')]).toEqual([[], []]);
    },
  );

  test('without its lease writes nothing', async () => {
    const { server, parking, lease, park, port } = owner();
    const parked = await park(1);
    lease.isValid = false;
    port.calls.length = 0;
    for (const write of [
      () => parking.park(eventOf(2), note),
      () => parking.file('a', [eventOf(2)]),
      () => parking.skip(eventOf(2), note),
      () => parking.stay(parked, undefined),
      () => parking.begun(parked, 'retry'),
      () => removeNow(parking, parked, { position: 1 }),
      () => parking.unpark(parked),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'LEASE_LOST' });
    }
    expect([port.calls, sequences(server)]).toEqual([[], [1]]);
  });

  test('is refused while the parked stream is full, and continues when there is room', async () => {
    const { server, parking, park } = owner();
    await park(1);
    server.maxLetters = 1;
    await expect(parking.file('a', [eventOf(2)])).rejects.toMatchObject({ code: 'PARK_REFUSED' });
    await expect(parking.skip(eventOf(3, 'b'), note)).rejects.toMatchObject({ code: 'PARK_REFUSED' });
    server.maxLetters = 2;
    await parking.file('a', [eventOf(2)]);
    expect(sequences(server)).toEqual([1, 2]);
  });

  test('takes the sequences of a stream that was made again for other events', async () => {
    const { server, parking, lease, park, takeOver } = owner();
    await park(7, 8);
    parking.forget();
    lease.streamCreated = 'now';
    await takeOver();
    await parking.file('a', [eventOf(3)]);
    expect(sequences(server)).toEqual([7, 8, 3]);
  });

  test('shortens the text of an error in the marker, because one of megabytes could not be written', async () => {
    const { server, parking } = owner();
    parking.begin('a');
    await parking.park(eventOf(1), { ...note, error: 'x'.repeat(2_000_000) });
    expect(JSON.stringify(server.marker('a')).length).toBeLessThan(8_192);
    const parked = parking.find('a')!;
    parked.marker = { ...parked.marker, command: { id: 'c', kind: 'retry' } };
    await parking.stay(parked, { ...note, error: 'y'.repeat(2_000_000), sequence: 1 });
    expect(server.marker('a')?.marker.answer?.error).toMatch(/^y+…$/);
    expect(JSON.stringify(server.marker('a')).length).toBeLessThan(16_384);
  });

  test('passes over letters of markers that do not count, and reports them once', async () => {
    const { server, parking, log, park } = owner();
    server.append([eventOf(1)], { marker: 99, stream: 'then' }, 0);
    const parked = await park(1);
    expect((await parking.letters.head(parked))?.position).toBe(2);
    expect((await parking.letters.head(parked))?.position).toBe(2);
    expect(log.lines.filter((line) => line.includes('belongs to no marker'))).toHaveLength(1);
  });
});

describe('the next owner', () => {
  test('has the parked aggregates, and every later write of the last owner to their markers is refused', async () => {
    const first = owner();
    const old = await first.park(1, 2);
    const second = owner(first.server, 2);
    await second.takeOver();
    expect(second.parking.isParked('a')).toBe(true);
    await expect(first.parking.stay(old, undefined)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(first.parking.unpark(old)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(first.server.marker('a')?.marker.epoch).toBe(2);
    await second.parking.file('a', [eventOf(2)]);
    await second.parking.file('a', [eventOf(3)]);
    expect(sequences(first.server, second.parking.find('a')!.identity)).toEqual([1, 2, 3]);
  });

  test('does not count a letter that arrives after it removed the marker without letters', async () => {
    const first = owner();
    let writes = 0;
    first.port.fateOf = () => (++writes === 2 ? 'stopped, late' : 'answered');
    void first.park(1);
    await first.clock.settle(20);
    const second = owner(first.server, 2);
    await second.takeOver();
    expect([first.server.markers(), second.parking.isParked('a')]).toEqual([[], false]);
    first.server.deliverLate();
    // Its event was not settled, so it comes again and fails again.
    const parked = await second.park(1);
    expect(sequences(first.server)).toEqual([1, 1]);
    expect(sequences(first.server, parked.identity)).toEqual([1]);
    expect((await second.parking.letters.head(parked))?.position).toBe(2);
  });

  test('removes a marker of an older epoch that appears later, and parks over one that was not announced', async () => {
    const server = new ParkedServer();
    const { parking, takeOver, clock, log, port, park } = owner(server, 2);
    await takeOver();
    const marker: Marker = {
      ...note,
      epoch: 1,
      state: 'parking',
      made: 0,
      sequence: 1,
      since: 0,
      crashes: 0,
    };
    server.writeMarker('a', marker, 0);
    await clock.settle(10);
    expect(server.markers()).toEqual([]);
    expect(log.lines.filter((line) => line.includes('counts for nothing'))).toHaveLength(1);
    port.isDeaf = true;
    server.writeMarker('a', marker, 0);
    await clock.settle(10);
    expect(parking.isParked('a')).toBe(false);
    await park(4);
    expect(server.marker('a')?.marker).toMatchObject({ epoch: 2, sequence: 4, state: 'parked' });
  });
});

describe('the next owner after a reset', () => {
  const reset = (sequence: number, epoch = 1) => ({
    hasDied: false,
    start: { sequence, created: 'then', epoch },
  });

  test('removes letters of events that come again, and keeps those at or below the start', async () => {
    const first = owner();
    await first.park(1, 2, 5, 7);
    const { parking, server } = owner(first.server, 2);
    await parking.load(reset(2));
    expect(sequences(server)).toEqual([1, 2]);
    expect(parking.find('a')).toMatchObject({ lastSequence: 2, tail: 2 });
    // The event comes again, and becomes a letter again.
    await parking.file('a', [eventOf(5)]);
    expect(sequences(server)).toEqual([1, 2, 5]);
  });

  test('removes the marker when no letter is left', async () => {
    const first = owner();
    await first.park(3, 5);
    const { parking, server } = owner(first.server, 2);
    await parking.load(reset(2));
    expect([server.markers(), server.letters('a'), parking.isParked('a')]).toEqual([[], [], false]);
  });

  test('keeps letters of a marker that an owner since the reset has written', async () => {
    const first = owner(undefined, 2);
    await first.park(3, 5);
    const { parking, server } = owner(first.server, 3);
    await parking.load(reset(2));
    expect(sequences(server)).toEqual([3, 5]);
    expect(parking.isParked('a')).toBe(true);
  });

  test('keeps letters of another stream, and of markers that do not count', async () => {
    const first = owner();
    first.lease.streamCreated = 'before';
    await first.park(3);
    first.server.append([eventOf(4)], { marker: 99, stream: 'then' }, 1);
    const { parking, server } = owner(first.server, 2);
    await parking.load(reset(2));
    expect(sequences(server)).toEqual([3, 4]);
  });
});

describe('a late copy of an own marker', () => {
  /** The first write of the marker is not answered in time, and arrives when the test says so. */
  async function lateMarker() {
    const made = owner();
    await made.takeOver();
    let writes = 0;
    made.port.fateOf = () => (++writes === 1 ? 'late' : 'answered');
    await expect(made.park(1)).rejects.toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    const parked = await made.park(1);
    await removeNow(made.parking, parked, (await made.parking.letters.head(parked))!);
    made.parking.leave(parked);
    await made.parking.unpark(parked);
    return made;
  }

  test('is removed when it arrives after the aggregate is live again', async () => {
    const { server, clock, parking } = await lateMarker();
    server.deliverLate();
    await clock.settle(10);
    expect([server.markers(), parking.isParked('a')]).toEqual([[], false]);
  });

  test('is found within 30 s if its announcement is missed', async () => {
    const { server, clock, port } = await lateMarker();
    port.isDeaf = true;
    server.deliverLate();
    await clock.advance(30_100);
    await clock.settle(10);
    expect(server.markers()).toEqual([]);
  });

  test('is not taken for the marker that is made when the aggregate is parked again', async () => {
    const { server, clock, port, park } = await lateMarker();
    port.isDeaf = true;
    server.deliverLate();
    const { revision } = server.marker('a')!;
    await clock.advance(5);
    const parked = await park(2);
    expect(parked.identity).toBeGreaterThan(revision);
    expect(server.marker('a')?.marker).toMatchObject({ state: 'parked', sequence: 2 });
  });
});

describe('a process that has its lease again under a new epoch', () => {
  test('keeps the markers it has adopted when it reads them again, even if one is announced meanwhile', async () => {
    const first = owner();
    await first.park(1);
    const { parking, server, takeOver, clock } = owner(first.server, 2);
    await takeOver();
    const again = parking.load(DIED);
    const found = server.marker('a')!;
    const command = { id: 'c1', kind: 'retry' as const };
    server.writeMarker('a', { ...found.marker, command }, found.revision);
    await again;
    await clock.settle(10);
    expect([server.markers().length, parking.find('a')?.marker.command]).toEqual([1, command]);
  });

  test.each([
    ['the letter', 2],
    ['the last change of the marker', 3],
  ])(
    'writes nothing more of what it began under the old epoch, if it stopped before %s',
    async (_what, nth) => {
      const { parking, port, lease, park, takeOver, server, clock } = owner();
      let writes = 0;
      let go: () => void = () => undefined;
      port.beforeWrite = () => (++writes === nth ? new Promise((resolve) => (go = resolve)) : undefined);
      const begun = park(1);
      const ended = expect(begun).rejects.toMatchObject({ code: 'LEASE_LOST' });
      await clock.settle(20);
      parking.forget();
      lease.epoch = 2;
      await takeOver();
      go();
      await ended;
      // Without a letter the marker was removed, and its event comes again.
      expect(parking.isParked('a')).toBe(nth === 3);
      await park(1, 2);
      const { identity } = parking.find('a')!;
      // The next owner reads the marker: the letters must be its own.
      expect(identityOf(server.marker('a')!)).toBe(identity);
      expect(sequences(server, identity)).toEqual([1, 2]);
    },
  );

  test('does not unpark what it has adopted since', async () => {
    const { parking, port, lease, park, takeOver, server, clock } = owner();
    const parked = await park(1);
    await removeNow(parking, parked, (await parking.letters.head(parked))!);
    await parking.begun(parked, 'retry');
    parking.leave(parked);
    const letGo = hold(port);
    const ended = expect(parking.unpark(parked)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await clock.settle(4);
    parking.forget();
    lease.epoch = 2;
    port.beforeWrite = () => undefined;
    await takeOver();
    expect(server.markers()).toEqual([]);
    await park(2);
    letGo();
    await ended;
    expect(sequences(server, identityOf(server.marker('a')!))).toEqual([2]);
  });

  test('adopts nothing in a takeover that was replaced by another one', async () => {
    const first = owner();
    let writes = 0;
    first.port.fateOf = () => (++writes === 3 ? 'stopped before' : 'answered');
    void first.park(1);
    await first.clock.settle(20);
    const { parking, port, server, clock } = owner(first.server, 2);
    const letGo = hold(port);
    const replaced = expect(parking.load(DIED)).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await clock.settle(10);
    port.beforeWrite = () => undefined;
    await parking.load(DIED);
    letGo();
    await replaced;
    await parking.file('a', [eventOf(1)]);
    const { identity } = parking.find('a')!;
    expect(identityOf(server.marker('a')!)).toBe(identity);
    expect(sequences(server, identity)).toEqual([1]);
  });
});

describe('a command', () => {
  const command = (server: ParkedServer, id: string, revision?: number): number | undefined => {
    const found = server.marker('a')!;
    const marker = { ...found.marker, made: identityOf(found), command: { id, kind: 'retry' as const } };
    return server.writeMarker('a', marker, revision ?? found.revision);
  };

  test('reaches the owner, and is answered', async () => {
    const { parking, park, takeOver, server, clock, commanded } = owner();
    await takeOver();
    const parked = await park(1);
    command(server, 'c1');
    await clock.settle(4);
    expect(commanded).toEqual(['a']);
    expect(parking.toReplay()).toEqual(['a']);
    await parking.begun(parked, 'retry');
    expect(server.marker('a')?.marker).toMatchObject({ state: 'retrying', command: { id: 'c1' } });
    await parking.stay(parked, { ...note, error: 'again', sequence: 1 });
    const { marker } = server.marker('a')!;
    expect(marker).toMatchObject({ state: 'parked', answer: { id: 'c1', error: 'again' }, error: 'again' });
    expect(marker.command).toBeUndefined();
    expect(parking.toReplay()).toEqual([]);
  });

  test('is heard again when it is announced again, until it is answered', async () => {
    const { parking, port, park, takeOver, server, clock, commanded } = owner();
    await takeOver();
    const parked = await park(1);
    port.isDeaf = true;
    command(server, 'c1');
    await clock.settle(4);
    expect(commanded).toEqual([]);
    // The write that finds it there takes it up.
    await parking.park(eventOf(1), note);
    expect([parked.marker.command?.id, commanded]).toEqual(['c1', ['a']]);
    port.isDeaf = false;
    command(server, 'c1');
    await clock.settle(4);
    expect(commanded).toEqual(['a', 'a']);
    await parking.stay(parked, undefined);
    // Said again by an operator who read the marker before the answer: refused, but announced.
    expect(command(server, 'c1', 1)).toBeUndefined();
    await clock.settle(4);
    expect([commanded.length, parking.toReplay()]).toEqual([2, []]);
  });

  test('for an earlier marker of the aggregate is ignored', async () => {
    const { parking, park, takeOver, server, clock, commanded } = owner();
    await takeOver();
    const parked = await park(1);
    const old = { ...server.marker('a')!.marker, command: { id: 'c1', kind: 'discard' as const } };
    await removeNow(parking, parked, (await parking.letters.head(parked))!);
    parking.leave(parked);
    await parking.unpark(parked);
    await park(2);
    // Written by an operator who read the marker before it was removed: refused, but announced.
    expect(server.writeMarker('a', old, 2)).toBeUndefined();
    await clock.settle(4);
    expect([commanded, parking.toReplay()]).toEqual([[], []]);
  });

  test('is kept when it comes while the owner stays parked, and is still to be answered', async () => {
    const { parking, port, park, takeOver, server, clock } = owner();
    await takeOver();
    const parked = await park(1);
    const letGo = hold(port);
    const staying = parking.stay(parked, { ...note, sequence: 1 });
    await clock.settle(4);
    command(server, 'c1');
    letGo();
    await staying;
    expect(server.marker('a')?.marker).toMatchObject({ state: 'parked', command: { id: 'c1' } });
    expect(parked.marker.command?.id).toBe('c1');
  });
});

test('removes a marker of an older epoch that appears while the markers are read, or later', async () => {
  const { parking, server, clock, port } = owner(undefined, 2);
  const marker: Marker = { ...note, epoch: 1, state: 'parking', made: 0, sequence: 1, since: 0, crashes: 0 };
  const identity = server.writeMarker('b', marker, 0)!;
  server.append([eventOf(1, 'b')], { marker: identity, stream: 'then' }, 0);
  const loaded = parking.load(RESTED);
  await clock.settle(1);
  // The list of markers is read by now.
  expect(port.calls).toEqual(['markers']);
  server.writeMarker('a', marker, 0);
  await loaded;
  server.writeMarker('c', marker, 0);
  await clock.settle(2);
  await clock.settle(20);
  expect(server.markers().map(({ token }) => token)).toEqual(['b']);
});
