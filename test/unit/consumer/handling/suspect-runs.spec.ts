import { describe, expect, test } from '@jest/globals';
import { ALONE_MS, AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import type { StartEntry } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { eventOf } from './deliveries.js';
import { failureOf, LanesFixture, type LanesFixtureOptions, parks } from './lanes-fixture.js';

interface Story extends Partial<LanesFixtureOptions> {
  readonly deaths?: number;
  readonly starts?: Record<string, StartEntry>;
  readonly unsettled?: readonly number[];
}

interface Running {
  readonly sequence: number;
  end(failure?: Failure): void;
}

/** A partition whose predecessors died, with handlers that run until a test ends them. */
function partition({ deaths = 2, starts = {}, unsettled = [], ...options }: Story = {}) {
  const started: number[] = [];
  const running: Running[] = [];
  const fixture = new LanesFixture({
    handle: ({ sequence }) => {
      started.push(sequence);
      return new Promise((resolve) => {
        const run = {
          sequence,
          end: (failure?: Failure) => {
            running.splice(running.indexOf(run), 1);
            resolve(failure);
          },
        };
        running.push(run);
      });
    },
    ...options,
  });
  fixture.suspects.begin({
    record: { epoch: 7, deaths, window: 100, starts },
    unsettled,
    lastSequence: 1_000,
    before: { owner: 'before', epoch: 6 },
  });
  return {
    ...{ fixture, started, running },
    deliver: (aggregateId: string, ...sequences: number[]): void => {
      for (const sequence of sequences) fixture.takeIn(eventOf(aggregateId, sequence));
    },
    endAll: (failure?: Failure): void => {
      for (const run of [...running]) run.end(failure);
    },
  };
}

const once: FailurePolicy = { ...parks, retry: { ...parks.retry, attempts: 1 } };

describe('after one death', () => {
  test('events start together and at once, and no start is written down', async () => {
    const { fixture, deliver, started } = partition({ deaths: 1, unsettled: [1, 2] });
    deliver('a', 1);
    deliver('b', 2);
    await fixture.clock.settle(2);
    expect([started, fixture.starts]).toEqual([[1, 2], []]);
  });
});

describe('from the second death on', () => {
  test('a start waits until it is written down', async () => {
    const { fixture, deliver, started } = partition({ unsettled: [1] });
    let confirm: (isConfirmed: boolean) => void = () => undefined;
    fixture.commit = () => new Promise((resolve) => (confirm = resolve));
    deliver('a', 1);
    await fixture.clock.settle();
    expect([started, fixture.starts]).toEqual([[], [{ '1': [1, 0, 7] }]]);
    confirm(true);
    await fixture.clock.settle();
    expect(started).toEqual([1]);
  });

  test('suspects of several aggregates run side by side, and a lane needs one write for many', async () => {
    const { fixture, deliver, started, endAll } = partition({ unsettled: [1, 2, 3, 4] });
    deliver('a', 1, 2, 3);
    deliver('b', 4);
    await fixture.clock.settle(6);
    expect(started).toEqual([1, 4]);
    expect(Object.keys(fixture.starts[0]!)).toEqual(['1', '2', '3']);
    for (let n = 0; n < 2; n++) {
      endAll();
      await fixture.clock.settle(6);
    }
    expect(started).toEqual([1, 4, 2, 3]);
  });

  test('an event after the window starts without a write', async () => {
    const { fixture, deliver, started } = partition({ unsettled: [] });
    deliver('a', 1_001);
    await fixture.clock.settle();
    expect([started, fixture.starts]).toEqual([[1_001], []]);
  });

  test('no handler starts if the lease ends while the start is written', async () => {
    const { fixture, deliver, started } = partition({ unsettled: [1] });
    fixture.commit = async () => {
      await fixture.clock.settle(1);
      fixture.disown();
      return false;
    };
    deliver('a', 1);
    await fixture.clock.advance(1_000);
    expect([started, fixture.lanes.executor.running, fixture.lanes.executor.laneCount]).toEqual([[], 0, 0]);
  });

  test('an event that fails is no suspect in its next attempt', async () => {
    const { fixture, deliver, started, endAll } = partition({ unsettled: [1] });
    deliver('a', 1);
    await fixture.clock.settle();
    endAll(failureOf('once', false));
    await fixture.clock.settle();
    expect(fixture.starts.at(-1)).toEqual({});
    const writes = fixture.starts.length;
    await fixture.clock.advance(150);
    expect([started, fixture.starts.length]).toEqual([[1, 1], writes]);
  });
});

describe('an event that an earlier owner started', () => {
  test('runs alone: others wait until it has ended', async () => {
    const { fixture, deliver, started, endAll } = partition({
      starts: { '1': [1, 0, 6] },
      unsettled: [1, 2, 3],
    });
    deliver('a', 1);
    deliver('b', 2);
    deliver('c', 1_002);
    await fixture.clock.advance(100);
    expect(started).toEqual([1]);
    endAll();
    await fixture.clock.advance(100);
    expect(started.slice(1).sort()).toEqual([1_002, 2]);
  });

  test('waits for handlers that run, and holds new ones back meanwhile', async () => {
    const { fixture, deliver, started, endAll } = partition({ starts: { '2': [1, 0, 6] }, unsettled: [2] });
    deliver('a', 1_001);
    await fixture.clock.settle();
    deliver('b', 2);
    await fixture.clock.settle();
    deliver('c', 1_003);
    await fixture.clock.advance(100);
    expect(started).toEqual([1_001]);
    endAll();
    await fixture.clock.advance(30);
    expect(started).toEqual([1_001, 2]);
  });

  test('runs alone over all partitions of the process, one after another', async () => {
    const clock = new ManualClock(1_000);
    const turns = new AloneTurns(clock);
    const one = partition({ clock, turns, starts: { '1': [1, 0, 6] }, unsettled: [1] });
    const two = partition({ clock, turns, starts: { '1': [1, 0, 6] }, unsettled: [1] });
    one.deliver('a', 1);
    two.deliver('a', 1);
    two.deliver('b', 1_002);
    await clock.advance(100);
    expect([one.started, two.started].map(({ length }) => length).sort()).toEqual([0, 1]);
    const [first, second] = one.started.length === 1 ? [one, two] : [two, one];
    first.endAll();
    await clock.advance(100);
    expect(second.started).toContain(1);
    second.endAll();
    await clock.advance(100);
    expect(two.started).toContain(1_002);
  });

  test('is not alone while another suspect waits for its start to be written: that one waits too', async () => {
    const { fixture, deliver, started, endAll } = partition({
      starts: { '2': [1, 0, 6] },
      unsettled: [1, 2],
    });
    let confirm: (isConfirmed: boolean) => void = () => undefined;
    fixture.commit = () => new Promise((resolve) => (confirm = resolve));
    deliver('a', 1);
    await fixture.clock.settle();
    const first = confirm;
    deliver('b', 2);
    await fixture.clock.settle();
    // Both starts are written; the second one is to run alone.
    first(true);
    confirm(true);
    fixture.commit = () => Promise.resolve(true);
    await fixture.clock.settle();
    expect(started).toHaveLength(1);
    endAll();
    await fixture.clock.advance(100);
    expect([...started].sort()).toEqual([1, 2]);
  });

  test('becomes company when it hangs, and others continue', async () => {
    const { fixture, deliver, started } = partition({ starts: { '1': [1, 0, 6] }, unsettled: [1] });
    deliver('a', 1);
    deliver('b', 1_002);
    await fixture.clock.advance(ALONE_MS - 100);
    expect([started, fixture.starts.at(-1)]).toEqual([[1], { '1': [2, 1, 7] }]);
    await fixture.clock.advance(200);
    expect([started, fixture.starts.at(-1)]).toEqual([[1, 1_002], { '1': [2, 0, 7] }]);
  });

  test('gives its turn back when its partition is closed while its start is written', async () => {
    const clock = new ManualClock(1_000);
    const turns = new AloneTurns(clock);
    const one = partition({ clock, turns, starts: { '1': [1, 0, 6] }, unsettled: [1] });
    const two = partition({ clock, turns, deaths: 0 });
    let confirm: (isConfirmed: boolean) => void = () => undefined;
    one.fixture.commit = () => new Promise((resolve) => (confirm = resolve));
    one.deliver('a', 1);
    await clock.settle();
    two.deliver('b', 1_002);
    await clock.settle();
    expect(two.started).toEqual([]);
    one.fixture.disown();
    one.fixture.close();
    confirm(false);
    await clock.advance(100);
    expect([one.started, two.started]).toEqual([[], [1_002]]);
  });

  test('gives its turn back when its partition is closed while its handler hangs', async () => {
    const clock = new ManualClock(1_000);
    const turns = new AloneTurns(clock);
    const one = partition({ clock, turns, starts: { '1': [1, 0, 6] }, unsettled: [1] });
    const two = partition({ clock, turns, deaths: 0 });
    one.deliver('a', 1);
    await clock.settle(10);
    one.fixture.disown();
    one.fixture.commit = () => Promise.resolve(false);
    one.fixture.close();
    two.deliver('b', 1_002);
    await clock.advance(ALONE_MS + 100);
    expect(two.started).toEqual([1_002]);
  });

  test('gives its turn back if its start is not confirmed within a second', async () => {
    const clock = new ManualClock(1_000);
    const turns = new AloneTurns(clock);
    const one = partition({ clock, turns, starts: { '1': [1, 0, 6] }, unsettled: [1] });
    const two = partition({ clock, turns, deaths: 0 });
    one.fixture.commit = () => new Promise(() => undefined);
    one.deliver('a', 1);
    await clock.settle();
    two.deliver('b', 1_002);
    await clock.advance(1_500);
    expect([one.started, two.started]).toEqual([[], [1_002]]);
    // It is not alone any more, should a later record say so.
    expect(one.fixture.suspects.snapshot().starts).toEqual({ '1': [2, 0, 7] });
    two.endAll();
    one.fixture.commit = () => Promise.resolve(true);
    await clock.advance(10_000);
    expect(one.started).toEqual([1]);
  });

  test('tries again while its start cannot be written down', async () => {
    const { fixture, deliver, started } = partition({ starts: { '1': [1, 0, 6] }, unsettled: [1] });
    fixture.commit = () => Promise.resolve(false);
    deliver('a', 1);
    await fixture.clock.advance(500);
    expect(started).toEqual([]);
    fixture.commit = () => Promise.resolve(true);
    await fixture.clock.advance(300);
    expect(started).toEqual([1]);
  });
});

describe('an event that died alone often enough', () => {
  const starts: Record<string, StartEntry> = { '1': [2, 1, 5] };

  test('is parked as CRASHED, without a start, and others run at once', async () => {
    const { fixture, deliver, started } = partition({ policy: once, starts, unsettled: [1] });
    deliver('a', 1);
    deliver('b', 1_002);
    await fixture.clock.settle(20);
    expect([started, fixture.handled, fixture.parked]).toEqual([[1_002], [1], ['a']]);
    expect(fixture.port.server.marker('a')?.marker).toMatchObject({ state: 'parked', reason: 'CRASHED' });
    expect(fixture.lanes.counts).toMatchObject({ crashed: 1, parked: 1 });
    expect(fixture.suspects.snapshot().starts).toEqual({});
  });

  test.each([
    ['more', 1, 10, true],
    ['fewer', 10, 1, false],
  ])(
    'is given up after as many starts as its own handler may try, if the topic allows %s',
    async (_which, own, topics, isGivenUp) => {
      const policyOf = (attempts: number): FailurePolicy => ({
        ...parks,
        retry: { ...parks.retry, attempts },
      });
      const { fixture, deliver, started } = partition({
        ...{ policy: policyOf(topics), handlerPolicy: policyOf(own), starts, unsettled: [1] },
      });
      deliver('a', 1);
      await fixture.clock.advance(1_000);
      expect([started, fixture.parked]).toEqual(isGivenUp ? [[], ['a']] : [[1], []]);
    },
  );

  test('starts nothing more and keeps its lane closed if the policy is to block', async () => {
    const policy: FailurePolicy = { ...once, onExhausted: 'block' };
    const { fixture, deliver, started } = partition({ policy, starts, unsettled: [1] });
    deliver('a', 1, 2);
    await fixture.clock.advance(60_000);
    expect([started, fixture.handled]).toEqual([[], []]);
    expect(fixture.lanes.executor.laneOf('a')?.mode).toBe('closed');
    expect(fixture.suspects.snapshot().starts).toEqual(starts);
  });

  test('is not given up while attempts of its handler are left', async () => {
    const { fixture, deliver, started } = partition({ policy: parks, starts, unsettled: [1] });
    deliver('a', 1);
    await fixture.clock.advance(50);
    expect([started, fixture.parked]).toEqual([[1], []]);
  });

  test('is not given up for a start whose process lives', async () => {
    const { fixture, deliver, started } = partition({
      policy: once,
      starts: { '1': [2, 1, 6] },
      unsettled: [1],
    });
    fixture.survivors.add('before 0 6');
    deliver('a', 1);
    await fixture.clock.advance(50);
    expect([started, fixture.parked]).toEqual([[1], []]);
  });
});
