import { describe, expect, test } from '@jest/globals';
import { decideImport, type EventPlace } from '#library/operating/letters/import-decision.js';
import { LetterImport } from '#library/operating/letters/letter-import.js';
import { aggregatesIn, type ExportedAggregate, linesOf } from '#library/operating/letters/letter-lines.js';
import { Parking } from '#library/parking/parking.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { eventually } from '../../../support/eventually.js';
import { recordedLog } from '../../consumer/handling/deliveries.js';
import { FakeParkedPort, NO_HISTORY, type Fate, ParkedServer } from '../../parking/fake-parked-port.js';

const NOW = { created: 'now', lastSequence: 20 };
const event = (sequence: number, isSettled: boolean, eventId = `e${sequence}`): EventPlace => ({
  sequence,
  isSettled,
  eventId,
});
const letter = (sequence: number, stream = 'now', eventId = `e${sequence}`) => ({
  sequence,
  stream,
  eventId,
});

describe('an import is refused where it would break order, or handle an event twice', () => {
  const settled = (...sequences: number[]): EventPlace[] =>
    sequences.map((sequence) => event(sequence, true));
  const open = (...sequences: number[]): EventPlace[] => sequences.map((sequence) => event(sequence, false));

  test.each([
    [
      'letters at the end of what is settled',
      [letter(4), letter(6)],
      [...settled(2, 4, 6), ...open(8)],
      ['now', 'now'],
    ],
    [
      'letters whose events are not settled',
      [letter(4), letter(6)],
      [...settled(2), ...open(4, 6, 8)],
      ['now', 'now'],
    ],
    ['letters whose events the stream has dropped', [letter(4)], settled(), ['now']],
    ['letters of a topic that was restored', [letter(4, 'then')], settled(2, 4), ['now']],
    [
      'letters of a topic that was copied',
      [letter(4, 'then')],
      [event(9, true, 'e4'), event(11, false)],
      ['then'],
    ],
    ['letters of a topic that was emptied', [letter(4, 'then')], open(9), ['then']],
  ])('but takes %s', (_name, letters, events, streams) => {
    expect(decideImport(letters, events, NOW)).toEqual({ streams });
  });

  test.each([
    ['an event after the first letter is handled', [letter(4), letter(6)], settled(2, 4, 5, 6), 'event 5'],
    ['a later event is handled', [letter(4)], settled(4, 8), 'event 8'],
    [
      'an event before the last letter is not handled',
      [letter(4), letter(6)],
      [...open(2), ...settled(4, 6)],
      'event 2',
    ],
    ['the stream ends before a letter', [letter(30)], settled(4), 'ends at 20'],
    ['letters do not rise', [letter(6), letter(4)], settled(4, 6), 'out of order'],
    ['a letter is there twice', [letter(4), letter(4)], settled(4), 'out of order'],
    [
      'the copy of its event comes by itself',
      [letter(4, 'then')],
      [event(9, false, 'e4')],
      'comes to the group by itself',
    ],
    ['its event is not here, and others are handled', [letter(4, 'then')], settled(9), 'event 9'],
    [
      'the copy of a later event is handled',
      [letter(4, 'then')],
      [event(9, true, 'e4'), event(10, true)],
      'event 10',
    ],
  ])('if %s', (_name, letters, events, found) => {
    expect(decideImport(letters, events, NOW)).toEqual({ refused: expect.stringContaining(found) });
  });
});

const SEQUENCES = [4, 6, 9];

function exported(): ExportedAggregate {
  const bodyOf = (text: string): Uint8Array => Buffer.from(text, 'utf8');
  return {
    ...{ topic: 'orders', group: 'billing', aggregateId: 'a', parkedCreated: 'elsewhere' },
    marker: { reason: 'EXHAUSTED', error: 'Error: no stock', attempts: 3, sequence: 4, since: 1 },
    letters: SEQUENCES.flatMap((sequence) => {
      const note = {
        sequence,
        stream: 'now',
        storedAt: 7,
        ...(sequence === 4 ? { error: 'Error: no stock' } : {}),
      };
      const original = { note, headers: { own: 'x' }, body: bodyOf(`{"n":${sequence}}`), isEdit: false };
      if (sequence !== 6) return [original];
      const edit = { ...note, edit: { id: 'edit-1', at: 8, comment: 'typo' } };
      return [original, { ...original, note: edit, body: bodyOf('not JSON é'), isEdit: true }];
    }),
  };
}

test('an export reads back as it was, and one that was cut or changed is refused', () => {
  const lines = linesOf(exported());
  expect([...aggregatesIn(lines)]).toEqual([exported()]);
  expect(JSON.parse(lines[1]!)).toMatchObject({ body: { n: 4 } });
  expect(() => [...aggregatesIn(lines.slice(0, -1))]).toThrow('an end before all 4 letters of "a"');
  expect(() => [...aggregatesIn(lines.slice(1))]).toThrow('a letter without its aggregate');
  expect(() => [...aggregatesIn([lines[0]!, '{"kind":"letter"}'])]).toThrow('line 2');
  expect(() => [...aggregatesIn([...lines, 'x'])]).toThrow('no JSON');
});

/** A group at rest in another parked stream. */
function target(server: ParkedServer) {
  const port = new FakeParkedPort(server);
  const events = [2, ...SEQUENCES].map((sequence) => event(sequence, true));
  const state = { guard: 'at rest' };
  const letters = new LetterImport(
    {
      port,
      parkedCreated: 'here',
      atRest: () => Promise.resolve({ epoch: 5, guard: state.guard }),
      topic: () => Promise.resolve(NOW),
      events: () => Promise.resolve(events),
    },
    new ManualClock(),
  );
  return { port, state, run: (dryRun = false) => letters.run(exported(), { dryRun }) };
}

/** The next owner: what it handles, in order. */
async function replayed(server: ParkedServer): Promise<string[]> {
  const parking = new Parking({
    name: 'orders/billing/0',
    ...{ port: new FakeParkedPort(server), clock: new ManualClock(), log: recordedLog() },
    history: NO_HISTORY,
    owner: { epoch: 6, created: 'now', runOf: () => 0, mayWrite: () => true },
  });
  parking.attach({ commanded: () => undefined, unparked: () => undefined, crashesAllowed: () => 3 });
  await parking.load({ hasDied: false, start: { sequence: 0, created: 'now', epoch: 0 } });
  const parked = parking.find('a');
  const handled: string[] = [];
  if (parked === undefined) return handled;
  expect(parked.lastSequence).toBe(9);
  await parking.begun(parked, 'retry');
  for (
    let letter = await parking.letters.head(parked);
    letter !== undefined;
    letter = await parking.letters.head(parked)
  ) {
    const { note, body } = (await parking.edits.inPlaceOf(parked, letter))!;
    handled.push(`${note.sequence} ${Buffer.from(body).toString('utf8')}`);
    parking.letters.done(parked, letter);
  }
  parking.leave(parked);
  await parking.unpark(parked);
  parking.close();
  return handled;
}

const WANTED = ['4 {"n":4}', '6 not JSON é', '9 {"n":9}'];
const FATES: Fate[] = ['stopped before', 'stopped after', 'answer lost', 'lost'];
/** Three letters, an edit, the memory of the import, the marker. */
const WRITES = 6;

test.each(FATES)(
  'an import that ends at any of its writes (%s) and is run again parks all letters once',
  async (fate) => {
    for (let at = 0; at < WRITES; at++) {
      const server = new ParkedServer();
      const first = target(server);
      let writes = 0;
      first.port.fateOf = () => (writes++ === at ? fate : 'answered');
      let isOver = false;
      const over = (): void => void (isOver = true);
      void first.run().then(over, over);
      await eventually('the import to end', () => isOver || first.port.isDead);
      const outcome = await target(server).run();
      expect(['imported', 'there already']).toContain(outcome.outcome);
      expect(await replayed(server)).toEqual(WANTED);
      // Worked through, and never again.
      expect(await target(server).run()).toEqual({ outcome: 'there already' });
      expect(await replayed(server)).toEqual([]);
    }
  },
);

test('an import writes nothing in a dry run, and is refused where the aggregate is parked or an owner comes', async () => {
  const server = new ParkedServer();
  const { run, state, port } = target(server);
  expect(await run(true)).toEqual({ outcome: 'imported', letters: 3 });
  expect(server.lettered()).toEqual([]);
  port.beforeWrite = (write) => {
    if (write === 'append') state.guard = 'owned';
    return undefined;
  };
  expect(await run()).toMatchObject({
    outcome: 'refused',
    why: expect.stringContaining('replica that started'),
  });
  expect(server.markers()).toEqual([]);
  expect(await target(server).run()).toMatchObject({ outcome: 'imported' });
  server.writeMarker('a', { ...server.marker('a')!.marker, made: 7 }, server.marker('a')!.revision);
  expect(await target(server).run()).toMatchObject({
    outcome: 'refused',
    why: expect.stringContaining('parked here'),
  });
});
