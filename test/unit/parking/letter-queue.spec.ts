import { describe, expect, test } from '@jest/globals';
import { LetterQueue, MAX_UNNOTED, PAGE_LETTERS } from '#library/parking/letter-queue.js';
import { LetterRoom, PAGE_BYTES } from '#library/parking/letter-room.js';
import { NoteTurns } from '#library/parking/note-turns.js';
import type { Letter } from '#library/records/letter.js';
import type { Marker } from '#library/records/marker.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { eventOf, recordedLog } from '../consumer/handling/deliveries.js';
import { FakeParkedPort } from './fake-parked-port.js';

const marker: Marker = {
  ...{ epoch: 1, state: 'retrying', made: 7, reason: 'EXHAUSTED', error: '', attempts: 1 },
  ...{ sequence: 1, since: 0, crashes: 0 },
};

/** A queue over so many letters; those at `strangers` name another marker. */
function queueOf(
  count: number,
  strangers: readonly number[] = [],
  replayed?: number,
  { room = new LetterRoom(), turns = new NoteTurns() } = {},
) {
  const port = new FakeParkedPort();
  const { server } = port;
  for (let n = 1; n <= count; n++) {
    const note = { marker: strangers.includes(n) ? 9 : 7, stream: 'then' };
    server.append([eventOf('a', n)], note, n - 1);
  }
  const parked = {
    ...{ token: 'a', identity: 7, tail: count },
    marker: replayed === undefined ? marker : { ...marker, replayed },
  };
  const noted: number[] = [];
  const notes = { answer: () => Promise.resolve() };
  const clock = new ManualClock();
  const log = recordedLog();
  const lease = { isValid: true };
  const queue = new LetterQueue(parked, {
    ...{ name: 'orders/billing/0', port, log, clock, room, turns },
    check: () => {
      if (!lease.isValid) throw new Error('lease lost');
    },
    note: async (position) => {
      await notes.answer();
      noted.push(position);
    },
  });
  return { queue, port, server, noted, notes, clock, log, lease, parked, room };
}

type Fixture = ReturnType<typeof queueOf>;

/** Works through so many letters, as fast as they come. */
async function through({ queue }: Pick<Fixture, 'queue'>, most = Infinity): Promise<number[]> {
  const sequences: number[] = [];
  for (let left = most; left > 0; left--) {
    const letter: Letter | undefined = await queue.first();
    if (letter === undefined) break;
    sequences.push(letter.note.sequence);
    queue.done(letter);
  }
  return sequences;
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

describe('the letters of a parked aggregate', () => {
  test('come in order and once, for few requests, and are removed for few', async () => {
    const fixture = queueOf(2_000);
    expect(await through(fixture)).toEqual(upTo(2_000));
    await fixture.queue.removed();
    expect(fixture.server.letters('a')).toEqual([]);
    const requests = 2_000 / (PAGE_LETTERS / 2) + 2_000 / MAX_UNNOTED + 5;
    expect(fixture.port.calls.length).toBeLessThan(requests);
    expect(fixture.noted.length).toBeLessThan(2_000 / MAX_UNNOTED + 3);
  });

  test.each([0, 1, 3])('are whole if the replica that answers pages knows %i of them', async (known) => {
    const fixture = queueOf(50);
    fixture.port.knownPage = known;
    expect(await through(fixture)).toEqual(upTo(50));
  });

  test('are whole if pages fail', async () => {
    const fixture = queueOf(20);
    fixture.port.page = () => Promise.reject(new Error('no answer'));
    expect(await through(fixture)).toEqual(upTo(20));
  });

  test('end only with the word of the leader: one that is added meanwhile comes, too', async () => {
    const fixture = queueOf(3);
    expect(await through(fixture)).toEqual([1, 2, 3]);
    fixture.server.append([eventOf('a', 4)], { marker: 7, stream: 'then' }, 3);
    expect(await through(fixture)).toEqual([4]);
  });

  test('are noted before they are removed, and not noted together with those that are handled meanwhile', async () => {
    const { queue, server, notes, noted } = queueOf(3);
    let answer: () => void = () => undefined;
    notes.answer = () => new Promise((resolve) => (answer = resolve));
    queue.done((await queue.first())!);
    const removed = queue.removed();
    await new Promise((resolve) => setImmediate(resolve));
    queue.done((await queue.first())!);
    expect([noted, server.letters('a').length]).toEqual([[], 3]);
    notes.answer = () => Promise.resolve();
    answer();
    await removed;
    expect([noted, server.letters('a').length]).toEqual([[1, 2], 1]);
  });

  test(`are not handed out while ${MAX_UNNOTED} are not noted`, async () => {
    const fixture = queueOf(2 * MAX_UNNOTED);
    let answer: () => void = () => undefined;
    fixture.notes.answer = () => new Promise((resolve) => (answer = resolve));
    await through(fixture, MAX_UNNOTED);
    let isFree = false;
    const next = fixture.queue.first().then(() => (isFree = true));
    await fixture.clock.settle(10);
    expect(isFree).toBe(false);
    answer();
    await next;
    expect(fixture.noted).toEqual([MAX_UNNOTED]);
  });

  test('are not handed out while a note or a removal is not answered; it is sent again', async () => {
    const { queue, notes, server, port, noted } = queueOf(2);
    queue.done((await queue.first())!);
    notes.answer = () => Promise.reject(new Error('no answer'));
    await expect(queue.removed()).rejects.toThrow('no answer');
    await expect(queue.first()).rejects.toThrow('no answer');
    notes.answer = () => Promise.resolve();
    port.fateOf = () => 'lost';
    await expect(queue.first()).rejects.toThrow('removeLetter');
    expect(server.letters('a')).toHaveLength(2);
    port.fateOf = () => 'answered';
    expect((await queue.first())?.note.sequence).toBe(2);
    expect([noted, server.letters('a').length]).toEqual([[1], 1]);
  });

  test('are noted and removed soon, without a call', async () => {
    const { queue, server, clock, noted } = queueOf(3);
    for (let left = 2; left > 0; left--) queue.done((await queue.first())!);
    expect(queue.isWorking).toBe(true);
    await clock.advance(5);
    await clock.settle(10);
    expect([noted, server.letters('a').length, queue.isWorking]).toEqual([[2], 1, false]);
  });

  test('that an earlier owner has noted are removed, and handled by none', async () => {
    const fixture = queueOf(5, [], 3);
    expect(await through(fixture)).toEqual([4, 5]);
    await fixture.queue.removed();
    expect(fixture.server.letters('a')).toEqual([]);
  });

  test('of other markers are told of once, and stay', async () => {
    const fixture = queueOf(6, [1, 4]);
    expect(await through(fixture)).toEqual([2, 3, 5, 6]);
    await fixture.queue.removed();
    fixture.queue.rest();
    expect(await through(fixture)).toEqual([]);
    expect(fixture.server.letters('a').map(({ position }) => position)).toEqual([1, 4]);
    expect(fixture.log.lines.filter((line) => line.includes('no marker'))).toHaveLength(2);
  });

  test('are neither noted nor removed after the end of the lease', async () => {
    const { queue, lease, port } = queueOf(3);
    queue.done((await queue.first())!);
    lease.isValid = false;
    await expect(queue.removed()).rejects.toThrow('lease lost');
    expect(port.calls.filter((call) => call.startsWith('remove'))).toEqual([]);
  });

  test('are asked for no more once the tenure has ended while the leader was asked', async () => {
    const { queue, lease, port } = queueOf(3);
    const asked = queue.first();
    lease.isValid = false;
    queue.close();
    await expect(asked).rejects.toThrow('lease lost');
    expect(port.calls).toHaveLength(1);
  });

  test('take no more memory than there is room for, and give it back', async () => {
    const room = new LetterRoom(100);
    const fixture = queueOf(20, [], undefined, { room });
    expect(await through(fixture)).toEqual(upTo(20));
    expect([fixture.port.calls.includes('page'), room.held]).toEqual([false, 0]);
    const roomy = queueOf(100);
    await through(roomy, 3);
    await roomy.clock.settle(5);
    expect(roomy.room.held).toBeGreaterThan(97 * 1_024);
    roomy.queue.rest();
    expect(roomy.room.held).toBe(0);
    expect((await roomy.queue.first())?.note.sequence).toBe(4);
    await roomy.clock.settle(5);
    roomy.queue.close();
    expect(roomy.room.held).toBe(0);
  });

  test('are asked for in smaller pages the less room is left, and again before the last one is used up', async () => {
    const room = new LetterRoom();
    const asked = [room.take(), room.take()];
    expect(asked[0]).toBe(PAGE_BYTES);
    expect(asked[1]).toBeLessThan(PAGE_BYTES);
    let smallest = PAGE_BYTES;
    let requests = 2;
    for (let bytes = room.take(); bytes > 0; bytes = room.take(), requests++) smallest = bytes;
    expect(smallest).toBe(16_384);
    expect(requests).toBeGreaterThan(200);
    expect(room.held).toBeLessThanOrEqual(16_777_216);

    // The fourth letter of a page of six asks for the next one: three are left.
    const fixture = queueOf(40);
    const pages = (): number => fixture.port.calls.filter((call) => call === 'page').length;
    fixture.port.knownPage = 6;
    await through(fixture, 1);
    await fixture.clock.settle(5);
    const before = pages();
    await through(fixture, 2);
    await fixture.clock.settle(5);
    expect(pages()).toBe(before);
    await through(fixture, 2);
    await fixture.clock.settle(5);
    expect(pages()).toBe(before + 1);
    expect(await through(fixture)).toHaveLength(35);
  });

  test('of many aggregates are noted in turns: those that wait longer are told of together', async () => {
    const turns = new NoteTurns(1);
    const first = queueOf(3, [], undefined, { turns });
    const second = queueOf(3, [], undefined, { turns });
    let answer: () => void = () => undefined;
    first.notes.answer = () => new Promise((resolve) => (answer = resolve));
    await through(first, 1);
    await first.clock.advance(5);
    await through(second, 1);
    await second.clock.advance(5);
    await through(second, 1);
    await second.clock.settle(10);
    expect([first.noted, second.noted, second.queue.isWorking]).toEqual([[], [], true]);
    answer();
    await first.clock.settle(10);
    expect([first.noted, second.noted]).toEqual([[1], [2]]);
    expect([first.queue.isWorking, second.queue.isWorking]).toEqual([false, false]);
  });

  test('are noted out of turn if a caller waits for it, and leave the turns when the tenure ends', async () => {
    const turns = new NoteTurns(1);
    turns.ask({ noteInTurn: () => new Promise(() => undefined) });
    const waited = queueOf(3, [], undefined, { turns });
    await through(waited, 2);
    await waited.clock.advance(5);
    await waited.queue.removed();
    expect([waited.noted, waited.queue.isWorking]).toEqual([[2], false]);
    await through(waited, 1);
    await waited.clock.advance(5);
    expect(waited.queue.isWorking).toBe(true);
    waited.queue.close();
    expect(waited.queue.isWorking).toBe(false);
  });
});
