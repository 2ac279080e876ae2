import { describe, expect, test } from '@jest/globals';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import { type CommandKind, identityOf } from '#library/records/marker.js';
import { ParkedServer } from '../../parking/fake-parked-port.js';
import { deliveryOf, eventOf } from '../handling/deliveries.js';
import { failureOf, LanesFixture, type LanesFixtureOptions, parks } from '../handling/lanes-fixture.js';

/** An owner that inherits aggregate "a", parked with these letters by an owner that has died. */
async function inherited(
  letters: readonly number[],
  options: Partial<LanesFixtureOptions> & {
    readonly stream?: string;
    readonly state?: 'parked' | 'diverted';
  } = {},
) {
  const { stream = 'then', state = 'parked' } = options;
  const server = new ParkedServer();
  const note = { reason: 'EXHAUSTED', error: 'no stock', attempts: 1 } as const;
  const marker = { ...note, epoch: 1, state, made: 0, sequence: letters[0] ?? 0, since: 0, crashes: 0 };
  const identity = server.writeMarker('a', marker, 0)!;
  let after = 0;
  for (const sequence of letters) {
    const answer = server.append([eventOf('a', sequence)], { marker: identity, stream }, after);
    if (answer.kind === 'stored') after = answer.position;
  }
  const started: number[] = [];
  let failure: Failure | undefined;
  const fixture = new LanesFixture({
    server,
    epoch: 2,
    handle: async ({ sequence }) => {
      started.push(sequence);
      await new Promise((resolve) => setImmediate(resolve));
      return failure;
    },
    ...options,
  });
  await fixture.takeOver(true);
  return {
    ...{ server, fixture, started },
    /** Time passes, and all that needs none happens. */
    pass: async (ms: number): Promise<void> => {
      await fixture.clock.advance(ms);
      await fixture.clock.settle(60);
    },
    fail: (with_: Failure | undefined): void => void (failure = with_),
    command: (kind: CommandKind, position?: number): void => {
      const found = server.marker('a')!;
      const command = {
        id: `${kind} ${found.revision}`,
        kind,
        ...(position === undefined ? {} : { position }),
      };
      server.writeMarker('a', { ...found.marker, made: identityOf(found), command }, found.revision);
    },
    left: (): number[] => server.letters('a').map((letter) => letter.note.sequence),
  };
}

const COMMANDS: [CommandKind][] = [['retry'], ['discard'], ['skipHead']];

describe('a letter', () => {
  test.each(COMMANDS)('is not touched by %s before every event up to it was read', async (kind) => {
    const { fixture, pass, server, command, left, started } = await inherited([3, 5]);
    fixture.place.readThrough = 2;
    command(kind, server.letters('a')[0]!.position);
    await pass(2_000);
    expect([started, left()]).toEqual([[], [3, 5]]);
    fixture.place.readThrough = 3;
    await pass(100);
    expect(left()).toEqual([5]);
    expect(started).toEqual(kind === 'retry' ? [3] : []);
    fixture.place.readThrough = 5;
    await pass(100);
    expect(left()).toEqual(kind === 'skipHead' ? [5] : []);
  });

  test('waits for an earlier event that its reader skipped and the claimed record lists', async () => {
    const { fixture, pass, command, started } = await inherited([3]);
    fixture.place.listed.add(1);
    command('retry');
    await pass(1_000);
    expect(started).toEqual([]);
    fixture.place.listed.clear();
    await pass(100);
    expect(started).toEqual([3]);
  });

  test('waits for an earlier event that is on its way to become a letter', async () => {
    const { fixture, pass, command, started, server } = await inherited([3]);
    fixture.port.fateOf = (write) => (write === 'append' ? 'lost' : 'answered');
    server.removeLetter(1);
    fixture.parking.find('a')!.lastSequence = 0;
    server.append([eventOf('a', 3)], { marker: fixture.parking.find('a')!.identity, stream: 'then' }, 0);
    fixture.takeIn(eventOf('a', 2));
    command('retry');
    await pass(1_000);
    expect(started).toEqual([]);
  });

  test('waits until a commit taken after its event was settled is confirmed', async () => {
    const { fixture, pass, command, started } = await inherited([3, 5]);
    fixture.place.confirmed = 0;
    // The event comes again, and its letter is there already.
    fixture.takeIn(eventOf('a', 3));
    await fixture.clock.settle(10);
    expect(fixture.handled).toEqual([3]);
    command('retry');
    await pass(1_000);
    expect(started).toEqual([]);
    fixture.place.confirmed = 1;
    await pass(100);
    expect(started).toEqual([3, 5]);
  });

  test('waits for no commit that left before its event was settled', async () => {
    const { fixture, pass, command, started } = await inherited([3]);
    fixture.place.readThrough = 2;
    fixture.place.confirmed = 0;
    command('retry');
    await pass(100);
    fixture.takeIn(eventOf('a', 3));
    fixture.place.readThrough = 3;
    await pass(1_000);
    // Only commit 1 says that event 3 is settled.
    expect([fixture.place.ticket(), started]).toEqual([1, []]);
  });

  test('that the claimed record settles is replayed at once, although no commit ever leaves', async () => {
    const { fixture, pass, command, started, server } = await inherited([3, 5]);
    fixture.place.confirmed = 0;
    command('retry');
    await pass(200);
    expect([started, server.markers()]).toEqual([[3, 5], []]);
  });

  test('of another stream waits for nothing', async () => {
    const { fixture, pass, command, started } = await inherited([3], { stream: 'before' });
    fixture.place.readThrough = 0;
    fixture.place.confirmed = -1;
    command('retry');
    await pass(100);
    expect(started).toEqual([3]);
  });

  test('starts no handler while another event runs alone', async () => {
    const { fixture, pass, command, started } = await inherited([3]);
    const next = fixture.port.next.bind(fixture.port);
    let turn: ReturnType<typeof fixture.turns.tryTake>;
    fixture.port.next = async (token, after) => {
      const letter = await next(token, after);
      turn ??= fixture.turns.tryTake(fixture.lanes);
      return letter;
    };
    command('retry');
    await pass(500);
    expect([turn !== undefined, started]).toEqual([true, []]);
    fixture.turns.give(turn!);
    await pass(100);
    expect(started).toEqual([3]);
  });

  test('that is handled is not handled again if its removal is not answered', async () => {
    const { fixture, pass, command, started, server } = await inherited([3, 5]);
    let lost = 2;
    fixture.port.fateOf = (write) => (write === 'removeLetter' && lost-- > 0 ? 'lost' : 'answered');
    command('retry');
    await pass(3_000);
    expect([started, server.markers(), server.letters('a')]).toEqual([[3, 5], [], []]);
  });

  test('that cannot be decoded stays parked, with the reason as the answer', async () => {
    const { fixture, command, server, left } = await inherited([]);
    expect(server.markers()).toEqual([]);
    fixture.takeIn(deliveryOf({ sequence: 1, token: 'a' }));
    await fixture.clock.settle(20);
    command('retry');
    await fixture.clock.settle(20);
    expect(left()).toEqual([1]);
    expect(server.marker('a')?.marker.answer?.error).toContain('ENVELOPE_INVALID');
  });

  test('that fails keeps its aggregate parked, and a later command replays it again', async () => {
    const { fixture, pass, command, started, server, fail, left } = await inherited([3, 5]);
    fail(failureOf());
    command('retry');
    await pass(200);
    expect([started, left(), server.marker('a')?.marker.state]).toEqual([[3], [3, 5], 'parked']);
    fail(undefined);
    command('retry');
    await pass(200);
    expect([started, left(), fixture.unparked]).toEqual([[3, 3, 5], [], ['a']]);
    expect(fixture.lanes.counts).toMatchObject({ replayed: 2, replaysFailed: 1, unparked: 1 });
  });
});

describe('letters of a diverted aggregate', () => {
  test('are replayed by the next owner without a command, and tried as their policy says', async () => {
    const { pass, started, fail, server } = await inherited([3, 5], { state: 'diverted' });
    fail(failureOf('not yet', false));
    await pass(50);
    expect(started).toEqual([3]);
    fail(undefined);
    await pass(500);
    expect([started, server.markers()]).toEqual([[3, 3, 5], []]);
  });

  test('halt the partition if the policy of their handler says so', async () => {
    const policy: FailurePolicy = { ...HALTS };
    const { fixture, pass, fail, left } = await inherited([3], { state: 'diverted', policy });
    fail(failureOf());
    await pass(200);
    expect(fixture.halted).toHaveLength(1);
    expect(left()).toEqual([3]);
  });
});

const HALTS: FailurePolicy = {
  retry: { attempts: 1, firstDelayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 },
  onExhausted: 'halt',
};

describe('a lane of an aggregate that is live again', () => {
  test('has events that arrived during the last step after the letters', async () => {
    const { fixture, pass, command, started } = await inherited([3]);
    let removed = false;
    fixture.port.beforeWrite = (write) => {
      if (write !== 'removeMarker' || removed) return undefined;
      removed = true;
      fixture.takeIn(eventOf('a', 4));
      fixture.takeIn(eventOf('a', 5));
      return fixture.clock.settle(5);
    };
    command('retry');
    await pass(200);
    expect([started, fixture.handled]).toEqual([
      [3, 4, 5],
      [4, 5],
    ]);
  });

  test('runs nothing beside a replay that an earlier tenure of this process had begun', async () => {
    const { fixture, pass, command, started } = await inherited([3, 5]);
    command('retry');
    await fixture.clock.settle(3);
    fixture.disown();
    fixture.own(3);
    await fixture.takeOver();
    await pass(2_000);
    expect(started.at(-1)).toBe(5);
    expect(fixture.lanes.executor.laneCount).toBe(0);
  });
});

describe('an aggregate whose letters end their owner', () => {
  const policyOf = (attempts: number): FailurePolicy => ({ ...parks, retry: { ...parks.retry, attempts } });

  test.each([
    ['never less than two', 1, 10, 2],
    ['as its own handler may try', 4, 10, 4],
    ['as its own handler may try', 4, 1, 4],
  ])('stays parked after as many deaths: %s', async (_how, own, topics, deaths) => {
    const dying = {
      ...{ policy: policyOf(topics), handlerPolicy: policyOf(own) },
      handle: () => new Promise<undefined>(() => undefined),
    };
    const { server } = await inherited([3], { ...dying, state: 'diverted' });
    const states = [server.marker('a')!.marker.state];
    for (let epoch = 3; states.at(-1) === 'diverted'; epoch++) {
      const next = new LanesFixture({ ...dying, server, epoch });
      await next.takeOver(true);
      states.push(server.marker('a')!.marker.state);
    }
    expect(states).toHaveLength(deaths);
    expect(server.marker('a')!.marker).toMatchObject({ state: 'parked', reason: 'CRASHED' });
  });
});
