import { describe, expect, test } from '@jest/globals';
import { identityOf } from '#library/records/marker.js';
import type { CommandKind } from '#library/records/marker.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import { type Fate, ParkedServer } from '../../parking/fake-parked-port.js';
import { eventOf } from '../handling/deliveries.js';
import { failureOf, LanesFixture, type LanesFixtureOptions, parks } from '../handling/lanes-fixture.js';

/** A process whose handlers fail for some aggregates, and hang for others until they are released. */
function world(options: Partial<LanesFixtureOptions> & { server?: ParkedServer } = {}) {
  const sick = new Map<string, Failure>();
  const started: number[] = [];
  const hanging = new Map<string, (failure: Failure | undefined) => void>();
  const hangs = new Set<string>();
  const server = options.server ?? new ParkedServer();
  const fixture = new LanesFixture({
    server,
    handle: async (event) => {
      started.push(event.sequence);
      if (hangs.has(event.aggregateId)) {
        return new Promise<Failure | undefined>((resolve) => hanging.set(event.aggregateId, resolve));
      }
      await new Promise((resolve) => setImmediate(resolve));
      return sick.get(event.aggregateId);
    },
    ...options,
  });
  const deliver = (aggregateId: string, ...sequences: number[]): void => {
    for (const sequence of sequences) fixture.takeIn(eventOf(aggregateId, sequence));
  };
  return {
    fixture,
    server,
    sick,
    started,
    hangs,
    deliver,
    release: (aggregateId: string, failure?: Failure): void => {
      hangs.delete(aggregateId);
      hanging.get(aggregateId)?.(failure);
    },
    /** Its head hangs, and more stands behind it than it may hold. */
    divert: async (aggregateId: string, ...sequences: number[]): Promise<void> => {
      hangs.add(aggregateId);
      deliver(aggregateId, ...sequences);
      await fixture.clock.settle();
      await fixture.clock.advance(1_400);
    },
    command: (aggregateId: string, kind: CommandKind, position?: number): void => {
      const found = server.marker(aggregateId)!;
      const command = {
        id: `${kind} ${found.revision}`,
        kind,
        ...(position === undefined ? {} : { position }),
      };
      server.writeMarker(aggregateId, { ...found.marker, made: identityOf(found), command }, found.revision);
    },
    letters: (aggregateId: string): number[] =>
      server.letters(aggregateId).map((letter) => letter.note.sequence),
  };
}

describe('an aggregate that is parked', () => {
  test('turns head and tail into letters, and settles them in order, while others continue', async () => {
    const { fixture, sick, deliver, letters, started } = world();
    await fixture.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2, 4);
    deliver('b', 3, 5);
    await fixture.clock.settle(30);
    deliver('a', 6);
    await fixture.clock.settle(10);
    expect(letters('a')).toEqual([1, 2, 4, 6]);
    expect(fixture.handled.filter((sequence) => ![3, 5].includes(sequence))).toEqual([1, 2, 4, 6]);
    expect(started).toEqual([1, 3, 5]);
    expect(fixture.parked).toEqual(['a']);
  });

  test('is replayed in order by command, while events that keep arriving become letters or wait after it', async () => {
    const { fixture, sick, deliver, command, started, server } = world();
    await fixture.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2);
    await fixture.clock.settle(20);
    sick.delete('a');
    started.length = 0;
    command('a', 'retry');
    for (let sequence = 3; sequence <= 60; sequence++) {
      await fixture.clock.settle(1);
      if (sequence % 5 === 0) await fixture.clock.advance(20);
      deliver('a', sequence);
    }
    await fixture.clock.settle(500);
    await fixture.clock.advance(500);
    expect(started).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    expect([server.markers(), server.letters('a'), fixture.unparked]).toEqual([[], [], ['a']]);
    expect(fixture.handled).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  });

  test('whose letter fails again stays parked, with the answer, and loses nothing', async () => {
    const { fixture, sick, deliver, command, letters, server } = world();
    await fixture.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2);
    await fixture.clock.settle(20);
    sick.set('a', failureOf('still none'));
    command('a', 'retry');
    await fixture.clock.settle(30);
    expect(letters('a')).toEqual([1, 2]);
    expect(server.marker('a')?.marker).toMatchObject({
      state: 'parked',
      answer: { error: 'Error: still none' },
    });
  });

  test('loses one letter by skipHead, and all of them by discard', async () => {
    const { fixture, sick, deliver, command, letters, server, started } = world();
    await fixture.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2, 3);
    await fixture.clock.settle(20);
    command('a', 'skipHead', server.letters('a')[0]!.position);
    await fixture.clock.settle(50);
    expect(letters('a')).toEqual([2, 3]);
    command('a', 'discard');
    await fixture.clock.settle(50);
    sick.delete('a');
    deliver('a', 4);
    await fixture.clock.settle();
    expect([letters('a'), server.markers(), started]).toEqual([[], [], [1, 4]]);
  });

  test('waits while the parked stream is full, then continues in order; no other aggregate waits', async () => {
    const { fixture, sick, deliver, letters, server, started } = world();
    await fixture.takeOver();
    sick.set('a', failureOf());
    server.maxLetters = 1;
    deliver('a', 1, 2, 3);
    await fixture.clock.advance(2_000);
    deliver('b', 4);
    await fixture.clock.settle();
    expect([letters('a'), fixture.handled, started]).toEqual([[1], [1, 4], [1, 4]]);
    expect(fixture.log.lines.filter((line) => line.includes('could not be stored'))).toHaveLength(1);
    server.maxLetters = 10;
    await fixture.clock.advance(1_000);
    expect([letters('a'), fixture.handled]).toEqual([
      [1, 2, 3],
      [1, 4, 2, 3],
    ]);
  });

  test('whose owner loses the lease between reading a letter and its handler starts no handler', async () => {
    const { fixture, sick, deliver, command, started } = world();
    await fixture.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1);
    await fixture.clock.settle(20);
    started.length = 0;
    const next = fixture.port.next.bind(fixture.port);
    fixture.port.next = async (token, after) => {
      const letter = await next(token, after);
      fixture.isValid = false;
      return letter;
    };
    command('a', 'retry');
    await fixture.clock.advance(1_000);
    expect(started).toEqual([]);
  });

  test('loses no letter when a stream that was made again gives the same sequences', async () => {
    const { fixture, sick, deliver, command, started, letters } = world();
    await fixture.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2);
    await fixture.clock.settle(20);
    fixture.lanes.forget();
    fixture.held.clear();
    fixture.place.created = 'now';
    await fixture.takeOver();
    deliver('a', 2, 3);
    await fixture.clock.settle(20);
    expect(letters('a')).toEqual([1, 2, 2, 3]);
    sick.delete('a');
    started.length = 0;
    command('a', 'retry');
    await fixture.clock.settle(100);
    expect(started).toEqual([1, 2, 2, 3]);
  });

  test.each<[CommandKind]>([['retry'], ['discard']])(
    'whose owner dies in the middle of a %s is finished by the next owner, in order',
    async (kind) => {
      for (let writes = 1; writes <= 6; writes++) {
        const first = world();
        await first.fixture.takeOver();
        first.sick.set('a', failureOf());
        first.deliver('a', 1, 2, 3);
        await first.fixture.clock.settle(30);
        first.sick.delete('a');
        let left = writes;
        first.fixture.port.fateOf = (): Fate => (--left === 0 ? 'stopped after' : 'answered');
        first.started.length = 0;
        first.command('a', kind);
        await first.fixture.clock.advance(300);
        const second = world({ server: first.server, epoch: 2 });
        await second.fixture.takeOver(true);
        await second.fixture.clock.advance(300);
        second.deliver('a', 4);
        await second.fixture.clock.settle(20);
        const all = [...first.started, ...second.started];
        // A replay is repeated from the event it had come to.
        const once = all.filter((sequence, index) => all.lastIndexOf(sequence) === index);
        expect([writes, once]).toEqual([writes, kind === 'retry' ? [1, 2, 3, 4] : [4]]);
        expect(first.server.markers()).toEqual([]);
      }
    },
  );
});

/** A lane may hold two events while its head does not move. */
const DIVERTS = { maxAckPending: 8 };

describe('a lane that holds too much', () => {
  test('is diverted while its head hangs: later events become letters, handled after the head', async () => {
    const { fixture, divert, deliver, letters, started, release, server } = world(DIVERTS);
    await fixture.takeOver();
    await divert('a', 1, 2, 3);
    deliver('a', 4);
    await fixture.clock.settle(10);
    expect(letters('a')).toEqual([1, 2, 3, 4]);
    expect([fixture.handled, started]).toEqual([[2, 3, 4], [1]]);
    expect(server.marker('a')?.marker.state).toBe('diverted');
    release('a');
    await fixture.clock.advance(500);
    deliver('a', 5);
    await fixture.clock.settle();
    expect(started).toEqual([1, 2, 3, 4, 5]);
    expect([server.markers(), server.letters('a'), fixture.handled]).toEqual([[], [], [2, 3, 4, 1, 5]]);
  });

  test.each([[1], [2], [3], [5], [8], [12]])(
    'whose head ends %i turns after the diversion began is handled once, in order',
    async (turns) => {
      const { fixture, hangs, deliver, started, release, server } = world(DIVERTS);
      await fixture.takeOver();
      hangs.add('a');
      deliver('a', 1, 2, 3);
      await fixture.clock.settle();
      const advancing = fixture.clock.advance(1_200);
      while (
        server.listeners.size === 0 ||
        !fixture.log.lines.some((line) => line.includes('a large part'))
      ) {
        await fixture.clock.settle(1);
      }
      await fixture.clock.settle(turns);
      release('a');
      await advancing;
      await fixture.clock.advance(500);
      expect(started).toEqual([1, 2, 3]);
      expect([server.markers(), server.letters('a')]).toEqual([[], []]);
      expect([...fixture.handled].sort()).toEqual([1, 2, 3]);
    },
  );

  test.each([[2], [4], [7]])(
    'is diverted if the intake has room for %i events only',
    async (maxAckPending) => {
      const { fixture, hangs, deliver, letters } = world({ maxAckPending });
      await fixture.takeOver();
      hangs.add('a');
      deliver('a', 1);
      await fixture.clock.advance(300);
      deliver('a', ...Array.from({ length: maxAckPending - 1 }, (_, n) => n + 2));
      await fixture.clock.advance(1_400);
      await fixture.clock.settle(40);
      expect(letters('a')).toHaveLength(maxAckPending);
    },
  );

  test('whose head is parked in the end stays parked, with the head as its first letter', async () => {
    const { fixture, divert, letters, started, release, server } = world(DIVERTS);
    await fixture.takeOver();
    await divert('a', 1, 2, 3);
    release('a', failureOf());
    await fixture.clock.advance(500);
    expect([letters('a'), started]).toEqual([[1, 2, 3], [1]]);
    expect(server.marker('a')?.marker).toMatchObject({
      state: 'parked',
      reason: 'UNRECOVERABLE',
      sequence: 1,
    });
    expect([...fixture.handled].sort()).toEqual([1, 2, 3]);
  });

  test('whose head is skipped in the end continues with the letters, without the head', async () => {
    const skips: FailurePolicy = { ...parks, onExhausted: 'skip' };
    const { fixture, divert, started, release, server } = world({ ...DIVERTS, policy: skips });
    await fixture.takeOver();
    await divert('a', 1, 2, 3);
    release('a', failureOf());
    await fixture.clock.advance(500);
    expect(started).toEqual([1, 2, 3]);
    expect(server.skipped().map((letter) => letter.note.sequence)).toEqual([1]);
    expect([server.markers(), server.letters('a')]).toEqual([[], []]);
  });

  test('keeps its letters back until the settling of its head is confirmed', async () => {
    const { fixture, divert, started, release } = world(DIVERTS);
    await fixture.takeOver();
    await divert('a', 1, 2, 3);
    fixture.place.confirmed = fixture.place.ticket();
    release('a');
    await fixture.clock.advance(500);
    expect([started, fixture.handled]).toEqual([[1], [2, 3, 1]]);
    fixture.place.confirmed++;
    await fixture.clock.advance(100);
    expect(started).toEqual([1, 2, 3]);
  });

  test('whose marker cannot be written at first is diverted when it can', async () => {
    const { fixture, divert, letters, release, started, server } = world(DIVERTS);
    await fixture.takeOver();
    fixture.port.fateOf = () => 'lost';
    await divert('a', 1, 2, 3);
    expect([letters('a'), fixture.handled]).toEqual([[], []]);
    fixture.port.fateOf = () => 'answered';
    await fixture.clock.advance(600);
    expect([letters('a'), fixture.handled]).toEqual([
      [1, 2, 3],
      [2, 3],
    ]);
    release('a');
    await fixture.clock.advance(500);
    expect([started, server.markers()]).toEqual([[1, 2, 3], []]);
  });

  test('whose owner loses the lease while its head runs is replayed by the next owner from the head on', async () => {
    const first = world(DIVERTS);
    await first.fixture.takeOver();
    await first.divert('a', 1, 2, 3);
    first.fixture.disown();
    const second = world({ ...DIVERTS, server: first.server, epoch: 2 });
    await second.fixture.takeOver();
    second.deliver('a', 1);
    first.release('a');
    await first.fixture.clock.settle(20);
    await second.fixture.clock.advance(500);
    expect([first.fixture.handled, second.started]).toEqual([
      [2, 3],
      [1, 2, 3],
    ]);
    expect(first.server.markers()).toEqual([]);
  });
});

describe('the breaker', () => {
  const breaker = { parked: 2, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 1_000 };

  test('stops parking when most attempts fail, and continues when its probe succeeds', async () => {
    const { fixture, sick, deliver, server, started } = world({ breaker });
    await fixture.takeOver();
    const ids = ['a', 'b', 'c', 'd', 'e'];
    for (const id of ids) sick.set(id, failureOf());
    deliver('a', 1);
    await fixture.clock.settle(20);
    deliver('b', 2);
    await fixture.clock.settle(20);
    deliver('c', 3);
    await fixture.clock.settle(20);
    deliver('d', 4);
    deliver('e', 5);
    await fixture.clock.advance(3_500);
    expect(server.markers().map(({ token }) => token)).toEqual(['a', 'b']);
    // The first three, and one more each second.
    expect(started).toHaveLength(6);
    for (const id of ids) sick.delete(id);
    await fixture.clock.advance(1_500);
    expect(fixture.breaker.isOpen).toBe(false);
    expect([...fixture.handled].sort()).toEqual([1, 2, 3, 4, 5]);
  });

  test('probes with another aggregate when the first one fails for a reason of its own', async () => {
    const { fixture, sick, deliver } = world({ breaker });
    await fixture.takeOver();
    for (const id of ['a', 'b', 'c', 'd']) sick.set(id, failureOf());
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      deliver(id, index + 1);
      await fixture.clock.settle(20);
    }
    deliver('d', 4);
    deliver('e', 5);
    expect(fixture.breaker.prober).toBe('c');
    // The outage is over; only this one is poison.
    for (const id of ['a', 'b', 'd']) sick.delete(id);
    await fixture.clock.advance(3_000);
    // And with most attempts good again that one is parked like any other.
    expect(fixture.handled.slice(2)).toEqual([4, 5, 3]);
  });
});
