import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AggregateTransportError, hasCode } from '#library/errors.js';
import type { SabotagedRule } from '#library/sabotage.js';
import {
  FakeParkedPort,
  NO_HISTORY,
  type Fate,
  ParkedServer,
  type Write,
} from '../../parking/fake-parked-port.js';
import { deliveryOf, recordedLog } from '../../consumer/handling/deliveries.js';

const sabotage: { rule: SabotagedRule | undefined } = { rule: undefined };
jest.unstable_mockModule('#sabotage', () => ({
  isSabotaged: (rule: SabotagedRule) => rule === sabotage.rule,
  reached: () => undefined,
}));
const { Parking } = await import('#library/parking/parking.js');
const { ParkedCommands } = await import('#library/operating/commands/operator-commands.js');
const { LetterEditor } = await import('#library/operating/letters/letter-edit.js');
const { ManualClock } = await import('#library/testing/memory/manual-clock.js');

const START = { sequence: 0, created: 'then', epoch: 0 };
const LETTERS = [1, 2, 3, 4];
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const textOf = (body: Uint8Array): string => Buffer.from(body).toString('utf8');
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Handled {
  readonly sequence: number;
  readonly body: string;
  readonly edit: string | undefined;
}

/** A group with one partition: its owners, one after the other, and an operator. */
function group() {
  const server = new ParkedServer();
  const clock = new ManualClock();
  const log = recordedLog();
  let ids = 0;
  const owner = (epoch: number) => {
    const port = new FakeParkedPort(server);
    const lease = { isValid: true };
    const parking = new Parking({
      name: 'orders/billing/0',
      ...{ port, clock, log },
      history: NO_HISTORY,
      owner: { epoch, created: 'then', runOf: () => 0, mayWrite: () => lease.isValid },
    });
    parking.attach({ commanded: () => undefined, unparked: () => undefined, crashesAllowed: () => 3 });
    return { port, parking, lease, load: () => parking.load({ hasDied: false, start: START }) };
  };
  const operator = () => {
    const port = new FakeParkedPort(server);
    const newId = (): string => `id${++ids}`;
    const name = 'orders, billing';
    return {
      port,
      editor: new LetterEditor({ name, port, clock, newId, maxPayloadBytes: 1_048_576 }),
      commands: new ParkedCommands({ name, port, clock, newId }),
    };
  };
  return { server, clock, log, owner, operator };
}

type Group = ReturnType<typeof group>;
type Owner = ReturnType<Group['owner']>;

async function parked(): Promise<Group & { readonly first: Owner }> {
  const world = group();
  const first = world.owner(1);
  await first.load();
  first.parking.begin('a');
  const [head, ...rest] = LETTERS.map((sequence) => deliveryOf({ sequence, token: 'a' }));
  await first.parking.park(head!, { reason: 'UNRECOVERABLE', error: 'Error: no stock', attempts: 1 });
  await first.parking.file('a', rest);
  return { ...world, first };
}

/** Replays as the lane of letters does, until `maxLetters` are handled; then its process is gone. */
async function replay({ parking }: Owner, maxLetters = Infinity): Promise<Handled[]> {
  const handled: Handled[] = [];
  const found = parking.find('a');
  if (found === undefined) return handled;
  await parking.begun(found, 'retry');
  for (;;) {
    const letter = await parking.letters.head(found);
    if (letter === undefined) break;
    const inPlace = await parking.edits.inPlaceOf(found, letter);
    if (inPlace === undefined) throw new Error('an edit is gone');
    handled.push({
      sequence: inPlace.note.sequence,
      body: textOf(inPlace.body),
      edit: inPlace.note.edit?.id,
    });
    parking.letters.done(found, letter);
    await parking.letters.removed(found);
    if (handled.length >= maxLetters) return handled;
  }
  parking.leave(found);
  await parking.unpark(found);
  return handled;
}

beforeEach(() => {
  sabotage.rule = undefined;
});

describe('an edited letter', () => {
  test.each(LETTERS)('keeps its place in the order, and its original is kept: %d', async (sequence) => {
    const { server, first, operator } = await parked();
    const { editor, commands } = operator();
    const found = await editor.find({ aggregateId: 'a', sequence });
    expect(found.letter.note.sequence).toBe(sequence);
    const result = await editor.edit('a', found, { body: bytes('edited'), comment: 'typo', waitMs: 0 });
    expect(result).toEqual({ editId: 'id1', sequence, replacedEdit: false });
    const shown = [];
    for await (const { note } of commands.letters('a'))
      shown.push([note.sequence, note.replacedBy, note.edit?.id]);
    expect(shown).toEqual(
      LETTERS.flatMap((n) =>
        n === sequence
          ? [
              [n, 'id1', undefined],
              [n, undefined, 'id1'],
            ]
          : [[n, undefined, undefined]],
      ),
    );

    const handled = await replay(first);
    expect(handled.map((one) => one.sequence)).toEqual(LETTERS);
    expect(handled.filter(({ body }) => body === 'edited')).toEqual([
      { sequence, body: 'edited', edit: 'id1' },
    ]);
    expect(server.letters('a')).toEqual([]);
    expect(server.marker('a')).toBeUndefined();
    const kept = [];
    for await (const { note } of commands.edits('a'))
      kept.push([note.sequence, note.replacedBy, note.edit?.comment]);
    expect(kept).toEqual([
      [sequence, undefined, 'typo'],
      [sequence, 'id1', undefined],
    ]);
    for await (const skipped of commands.skipped())
      throw new Error(`expected no hole, found ${skipped.note.sequence}`);
  });

  test('can be edited again: the later edit counts, and the earlier one is removed', async () => {
    const { first, operator } = await parked();
    const { editor } = operator();
    const one = await editor.find({ aggregateId: 'a' });
    await editor.edit('a', one, { body: bytes('first'), waitMs: 0 });
    await expect(editor.edit('a', one, { body: bytes('unseen'), waitMs: 0 })).rejects.toMatchObject({
      code: 'EDIT_REFUSED',
    });
    const two = await editor.find({ aggregateId: 'a' });
    expect(textOf(two.letter.body)).toBe('first');
    expect(await editor.edit('a', two, { body: bytes('second'), waitMs: 0 })).toMatchObject({
      replacedEdit: true,
    });
    const [head] = await replay(first);
    expect(head).toMatchObject({ sequence: 1, body: 'second' });
  });

  test('is refused while letters are replayed, above the largest size, and for a letter that is gone', async () => {
    const { first, operator, server } = await parked();
    const { editor } = operator();
    const found = await editor.find({ aggregateId: 'a', sequence: 3 });
    const large = new Uint8Array(1_048_576 - 8_191);
    await expect(editor.edit('a', found, { body: large, waitMs: 0 })).rejects.toMatchObject({
      code: 'EVENT_TOO_LARGE',
    });
    await first.parking.begun(first.parking.find('a')!, 'retry');
    await expect(editor.edit('a', found, { body: bytes('late'), waitMs: 0 })).rejects.toMatchObject({
      code: 'EDIT_REFUSED',
      message: expect.stringContaining('retrying'),
    });
    await expect(editor.find({ aggregateId: 'a', sequence: 9 })).rejects.toMatchObject({
      code: 'LETTER_UNKNOWN',
    });
    await replay(first);
    await expect(editor.edit('a', found, { body: bytes('late'), waitMs: 0 })).rejects.toMatchObject({
      code: 'NOT_PARKED',
    });
    expect(server.skipped()).toEqual([]);
  });

  test('whose edited form was removed from the stream is not handled as it was', async () => {
    const { first, operator, server } = await parked();
    const { editor } = operator();
    await editor.edit('a', await editor.find({ aggregateId: 'a' }), { body: bytes('edited'), waitMs: 0 });
    server.removeLetter(server.skipped()[0]!.position);
    await expect(replay(first)).rejects.toThrow('an edit is gone');
  });
});

const FATES: Fate[] = [
  'answered',
  'answer lost',
  'lost',
  'late',
  'stopped before',
  'stopped after',
  'stopped, late',
];
const WRITES: Write[] = ['appendEdit', 'writeMarker'];

/** The operator edits letter `sequence` while an owner begins a replay; owners end after `maxLetters`. */
async function race(seed: number): Promise<string[]> {
  const { first, owner, operator, server } = await parked();
  const sequence = LETTERS[seed % LETTERS.length]!;
  const write = WRITES[Math.floor(seed / 4) % WRITES.length]!;
  const fate = FATES[Math.floor(seed / 8) % FATES.length]!;
  const pauses = Math.floor(seed / 56) % 12;
  const maxLetters = seed % 3 === 0 ? (seed % 4) + 1 : Infinity;
  const asked = operator();
  let isFirst = true;
  asked.port.fateOf = (what) => {
    if (what !== write || !isFirst) return 'answered';
    isFirst = false;
    return fate;
  };
  const editing = asked.editor
    .find({ aggregateId: 'a', sequence })
    .then((found) => asked.editor.edit('a', found, { body: bytes('edited'), waitMs: 0 }))
    .then(
      () => 'taken' as const,
      (error: unknown) =>
        error instanceof AggregateTransportError && hasCode(error, 'JETSTREAM_REQUEST_FAILED')
          ? 'unknown'
          : 'refused',
    );
  for (let left = pauses; left > 0; left--) await turn();
  const handled = await replay(first, maxLetters);
  server.deliverLate();
  if (maxLetters !== Infinity && server.marker('a') !== undefined) {
    first.port.isDead = true;
    const second = owner(2);
    await second.load();
    handled.push(...(await replay(second)));
  }
  const outcome = asked.port.isDead ? 'unknown' : await editing;
  const faults: string[] = [];
  if (handled.map((one) => one.sequence).join() !== LETTERS.join()) faults.push('order or count');
  const isEdited = handled.some(({ body }) => body === 'edited');
  if (outcome === 'taken' && !isEdited) faults.push('an edit that was taken is not handled');
  if (outcome === 'refused' && isEdited) faults.push('an edit that was refused is handled');
  return faults.map((fault) => `seed ${seed}, ${write} ${fate}: ${fault}`);
}

async function raceAll(): Promise<string[]> {
  const found: string[] = [];
  for (let seed = 0; seed < 672; seed++) found.push(...(await race(seed)));
  return found;
}

test('an edit that races with a replay is handled whole, or not at all, whichever write is lost or late', async () => {
  expect(await raceAll()).toEqual([]);
});

test('without the look at edits when a replay begins, an edit that was taken is not handled', async () => {
  sabotage.rule = 'edits-not-taken-up';
  expect(await raceAll()).toContainEqual(expect.stringContaining('taken is not handled'));
});
