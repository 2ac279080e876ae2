import { describe, expect, test } from '@jest/globals';
import type { Delivery } from '#library/message/delivery.js';
import { identityOf } from '#library/records/marker.js';
import type { CommandKind } from '#library/records/marker.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import { type Fate, ParkedServer } from '../../parking/fake-parked-port.js';
import { eventOf, failureOf, LanesBench, type LanesBenchOptions, parks } from './lanes-fixture.js';

/** A process whose handlers fail for some aggregates, and hang for others until they are released. */
function world(options: Partial<LanesBenchOptions> & { server?: ParkedServer } = {}) {
  const sick = new Map<string, Failure>();
  const started: number[] = [];
  const hanging = new Map<string, (failure: Failure | undefined) => void>();
  const hangs = new Set<string>();
  const server = options.server ?? new ParkedServer();
  const bench = new LanesBench({
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
    for (const sequence of sequences) bench.takeIn(eventOf(aggregateId, sequence));
  };
  return {
    bench,
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
      await bench.clock.settle();
      bench.lanes.parked.overShare(aggregateId);
      await bench.clock.advance(1_400);
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
  test('while its lane has a tail: head and tail become letters in order and are acked in order, others go on', async () => {
    const { bench, sick, deliver, letters, started } = world();
    await bench.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2, 4);
    deliver('b', 3, 5);
    await bench.clock.settle(30);
    deliver('a', 6);
    await bench.clock.settle(10);
    expect(letters('a')).toEqual([1, 2, 4, 6]);
    expect(bench.handled.filter((sequence) => ![3, 5].includes(sequence))).toEqual([1, 2, 4, 6]);
    expect(started).toEqual([1, 3, 5]);
    expect(bench.parked).toEqual(['a']);
  });

  test('is replayed in order by command, and events that keep arriving become letters or stand behind it', async () => {
    const { bench, sick, deliver, command, started, server } = world();
    await bench.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2);
    await bench.clock.settle(20);
    sick.delete('a');
    started.length = 0;
    command('a', 'retry');
    for (let sequence = 3; sequence <= 60; sequence++) {
      await bench.clock.settle(1);
      if (sequence % 5 === 0) await bench.clock.advance(20);
      deliver('a', sequence);
    }
    await bench.clock.settle(500);
    await bench.clock.advance(500);
    expect(started).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    expect([server.markers(), server.letters('a'), bench.unparked]).toEqual([[], [], ['a']]);
    expect(bench.handled).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  });

  test('whose letter fails again stays parked, with the answer, and loses nothing', async () => {
    const { bench, sick, deliver, command, letters, server } = world();
    await bench.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2);
    await bench.clock.settle(20);
    sick.set('a', failureOf('still none'));
    command('a', 'retry');
    await bench.clock.settle(30);
    expect(letters('a')).toEqual([1, 2]);
    expect(server.marker('a')?.marker).toMatchObject({
      state: 'parked',
      answer: { error: 'Error: still none' },
    });
  });

  test('can be skipped one letter further, or discarded', async () => {
    const { bench, sick, deliver, command, letters, server, started } = world();
    await bench.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2, 3);
    await bench.clock.settle(20);
    command('a', 'skipHead', server.letters('a')[0]!.position);
    await bench.clock.settle(50);
    expect(letters('a')).toEqual([2, 3]);
    command('a', 'discard');
    await bench.clock.settle(50);
    sick.delete('a');
    deliver('a', 4);
    await bench.clock.settle();
    expect([letters('a'), server.markers(), started]).toEqual([[], [], [1, 4]]);
  });

  test('waits while the parked stream is full, then goes on in order; nobody else waits', async () => {
    const { bench, sick, deliver, letters, server, started } = world();
    await bench.takeOver();
    sick.set('a', failureOf());
    server.maxLetters = 1;
    deliver('a', 1, 2, 3);
    await bench.clock.advance(2_000);
    deliver('b', 4);
    await bench.clock.settle();
    expect([letters('a'), bench.handled, started]).toEqual([[1], [1, 4], [1, 4]]);
    expect(bench.log.lines.filter((line) => line.includes('could not be stored'))).toHaveLength(1);
    server.maxLetters = 10;
    await bench.clock.advance(1_000);
    expect([letters('a'), bench.handled]).toEqual([
      [1, 2, 3],
      [1, 4, 2, 3],
    ]);
  });

  test('whose owner loses the lease between reading a letter and its handler starts no handler', async () => {
    const { bench, sick, deliver, command, started } = world();
    await bench.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1);
    await bench.clock.settle(20);
    started.length = 0;
    const next = bench.port.next.bind(bench.port);
    bench.port.next = async (token, after) => {
      const letter = await next(token, after);
      bench.isValid = false;
      return letter;
    };
    command('a', 'retry');
    await bench.clock.advance(1_000);
    expect(started).toEqual([]);
  });

  test('under sequences that a stream made anew gives again loses no letter', async () => {
    const { bench, sick, deliver, command, started, letters } = world();
    await bench.takeOver();
    sick.set('a', failureOf());
    deliver('a', 1, 2);
    await bench.clock.settle(20);
    bench.lanes.forget();
    bench.held.clear();
    bench.streamCreated = 'now';
    await bench.takeOver();
    deliver('a', 2, 3);
    await bench.clock.settle(20);
    expect(letters('a')).toEqual([1, 2, 2, 3]);
    sick.delete('a');
    started.length = 0;
    command('a', 'retry');
    await bench.clock.settle(100);
    expect(started).toEqual([1, 2, 2, 3]);
  });

  test.each<[CommandKind]>([['retry'], ['discard']])(
    'and whose owner loses its lease in the middle of %s: the next one finishes it, in order',
    async (kind) => {
      for (let writes = 1; writes <= 6; writes++) {
        const first = world();
        await first.bench.takeOver();
        first.sick.set('a', failureOf());
        first.deliver('a', 1, 2, 3);
        await first.bench.clock.settle(30);
        first.sick.delete('a');
        let left = writes;
        first.bench.port.fateOf = (): Fate => (--left === 0 ? 'stopped after' : 'answered');
        first.started.length = 0;
        first.command('a', kind);
        await first.bench.clock.advance(300);
        const second = world({ server: first.server, epoch: 2 });
        await second.bench.takeOver(true);
        await second.bench.clock.advance(300);
        second.deliver('a', 4);
        await second.bench.clock.settle(20);
        const all = [...first.started, ...second.started];
        // Whatever was begun is repeated from the event it had come to, and goes on from there.
        const once = all.filter((sequence, index) => all.lastIndexOf(sequence) === index);
        expect([writes, once]).toEqual([writes, kind === 'retry' ? [1, 2, 3, 4] : [4]]);
        expect(first.server.markers()).toEqual([]);
      }
    },
  );
});

describe('a lane that holds too much', () => {
  test('is diverted while its head hangs: what follows becomes letters, and is handled in order behind the head', async () => {
    const { bench, divert, deliver, letters, started, release, server } = world();
    await bench.takeOver();
    await divert('a', 1, 2, 3);
    deliver('a', 4);
    await bench.clock.settle(10);
    expect(letters('a')).toEqual([1, 2, 3, 4]);
    expect([bench.handled, started]).toEqual([[2, 3, 4], [1]]);
    expect(server.marker('a')?.marker.state).toBe('diverted');
    release('a');
    await bench.clock.advance(500);
    deliver('a', 5);
    await bench.clock.settle();
    expect(started).toEqual([1, 2, 3, 4, 5]);
    expect([server.markers(), server.letters('a'), bench.handled]).toEqual([[], [], [2, 3, 4, 1, 5]]);
  });

  test.each([[1], [2], [3], [5], [8], [12]])(
    'whose head ends %i turns after the diversion began is handled once, in order',
    async (turns) => {
      const { bench, hangs, deliver, started, release, server } = world();
      await bench.takeOver();
      hangs.add('a');
      deliver('a', 1, 2, 3);
      await bench.clock.settle();
      bench.lanes.parked.overShare('a');
      const advancing = bench.clock.advance(1_200);
      while (server.listeners.size === 0 || !bench.log.lines.some((line) => line.includes('a large part'))) {
        await bench.clock.settle(1);
      }
      await bench.clock.settle(turns);
      release('a');
      await advancing;
      await bench.clock.advance(500);
      expect(started).toEqual([1, 2, 3]);
      expect([server.markers(), server.letters('a')]).toEqual([[], []]);
      expect([...bench.handled].sort()).toEqual([1, 2, 3]);
    },
  );

  test('whose head is parked in the end stays parked, the head before what follows', async () => {
    const { bench, divert, letters, started, release, server } = world();
    await bench.takeOver();
    await divert('a', 1, 2, 3);
    release('a', failureOf());
    await bench.clock.advance(500);
    expect([letters('a'), started]).toEqual([[1, 2, 3], [1]]);
    expect(server.marker('a')?.marker).toMatchObject({
      state: 'parked',
      reason: 'UNRECOVERABLE',
      sequence: 1,
    });
    expect([...bench.handled].sort()).toEqual([1, 2, 3]);
  });

  test('whose head is skipped in the end goes on with what follows, and tries the head no more', async () => {
    const skips: FailurePolicy = { ...parks, onExhausted: 'skip' };
    const { bench, divert, started, release, server } = world({ policy: skips });
    await bench.takeOver();
    await divert('a', 1, 2, 3);
    release('a', failureOf());
    await bench.clock.advance(500);
    expect(started).toEqual([1, 2, 3]);
    expect(server.skipped().map((letter) => letter.note.sequence)).toEqual([1]);
    expect([server.markers(), server.letters('a')]).toEqual([[], []]);
  });

  test('does not hand on what follows before the ack of its head is confirmed: a crash would bring the head alone', async () => {
    const unconfirmed = new Set<number>();
    const { bench, divert, started, release } = world({
      handled: ({ sequence }: Delivery) => {
        if (sequence === 1) unconfirmed.add(sequence);
      },
      isSettling: (_token, through = Number.POSITIVE_INFINITY) =>
        [...unconfirmed].some((sequence) => sequence <= through),
    });
    await bench.takeOver();
    await divert('a', 1, 2, 3);
    release('a');
    await bench.clock.advance(500);
    expect(started).toEqual([1]);
    unconfirmed.clear();
    await bench.clock.advance(100);
    expect(started).toEqual([1, 2, 3]);
  });

  test('and whose marker cannot be written at first is diverted when it can', async () => {
    const { bench, divert, letters, release, started, server } = world();
    await bench.takeOver();
    bench.port.fateOf = () => 'lost';
    await divert('a', 1, 2, 3);
    expect([letters('a'), bench.handled]).toEqual([[], []]);
    bench.port.fateOf = () => 'answered';
    await bench.clock.advance(600);
    expect([letters('a'), bench.handled]).toEqual([
      [1, 2, 3],
      [2, 3],
    ]);
    release('a');
    await bench.clock.advance(500);
    expect([started, server.markers()]).toEqual([[1, 2, 3], []]);
  });

  test('and whose owner loses the lease while its head runs: the next one has the head first', async () => {
    const first = world();
    await first.bench.takeOver();
    await first.divert('a', 1, 2, 3);
    first.bench.disown();
    const second = world({ server: first.server, epoch: 2 });
    await second.bench.takeOver();
    second.deliver('a', 1);
    first.release('a');
    await first.bench.clock.settle(20);
    await second.bench.clock.advance(500);
    expect([first.bench.handled, second.started]).toEqual([
      [2, 3],
      [1, 2, 3],
    ]);
    expect(first.server.markers()).toEqual([]);
  });
});

describe('the breaker', () => {
  const breaker = { parked: 2, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 1_000 };

  test('stops parking when most fails, tries one aggregate, and goes on with all when that succeeds', async () => {
    const { bench, sick, deliver, server, started } = world({ breaker });
    await bench.takeOver();
    const ids = ['a', 'b', 'c', 'd', 'e'];
    for (const id of ids) sick.set(id, failureOf());
    deliver('a', 1);
    await bench.clock.settle(20);
    deliver('b', 2);
    await bench.clock.settle(20);
    deliver('c', 3);
    await bench.clock.settle(20);
    deliver('d', 4);
    deliver('e', 5);
    await bench.clock.advance(3_500);
    expect(server.markers().map(({ token }) => token)).toEqual(['a', 'b']);
    // The first three, and one more each second.
    expect(started).toHaveLength(6);
    for (const id of ids) sick.delete(id);
    await bench.clock.advance(1_500);
    expect(bench.breaker.isOpen).toBe(false);
    expect([...bench.handled].sort()).toEqual([1, 2, 3, 4, 5]);
  });

  test('does not wait for ever for an aggregate that fails for a reason of its own', async () => {
    const { bench, sick, deliver } = world({ breaker });
    await bench.takeOver();
    for (const id of ['a', 'b', 'c', 'd']) sick.set(id, failureOf());
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      deliver(id, index + 1);
      await bench.clock.settle(20);
    }
    deliver('d', 4);
    deliver('e', 5);
    expect(bench.breaker.prober).toBe('c');
    // The outage is over; only this one is poison.
    for (const id of ['a', 'b', 'd']) sick.delete(id);
    await bench.clock.advance(3_000);
    // And with most attempts good again that one is parked like any other.
    expect(bench.handled.slice(2)).toEqual([4, 5, 3]);
  });
});
