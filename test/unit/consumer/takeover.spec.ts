import { describe, expect, test } from '@jest/globals';
import { takeOver, type TakeoverOptions } from '#library/consumer/takeover.js';
import { TakeoverRunner } from '#library/consumer/takeover-runner.js';
import type { ConsumerState } from '#library/message/reader-port.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { FakeConsumerPort, recordedLog, stateOf } from './fake-consumer-port.js';

/** Calls back with all sequences that are not among these. */
function allBut(handled: readonly number[]): TakeoverOptions['unsettled'] {
  return (first, last, callback) => {
    for (let sequence = first; sequence <= last; sequence++)
      if (!handled.includes(sequence)) callback(sequence);
  };
}

interface Given {
  readonly settled?: readonly number[];
  readonly thorough?: boolean;
}

function begin({ settled = [], thorough = false }: Given = {}) {
  const port = new FakeConsumerPort();
  const clock = new ManualClock();
  const abort = new AbortController();
  const run = () => {
    const outcome: { state?: ConsumerState; error?: unknown } = {};
    takeOver({ port, clock, unsettled: allBut(settled), thorough, signal: abort.signal }).then(
      (state) => (outcome.state = state),
      (error: unknown) => (outcome.error = error),
    );
    return outcome;
  };
  return { port, clock, abort, run };
}

const unsettled = stateOf({ ackFloor: 10, delivered: 15, deliveredConsumerSequence: 40, ackPending: 4 });

describe('one takeover', () => {
  test('asks for the unsettled ascending, waits until the server has worked through that, and looks again; it acks nothing', async () => {
    const { port, clock, run } = begin({ settled: [12, 14] });
    port.states = [unsettled];
    const outcome = run();
    await clock.settle(20);
    expect(outcome.state).toEqual(unsettled);
    expect(port.calls).toEqual(['state', 'nak 11', 'nak 13', 'nak 15', 'barrier', 'state']);
  });

  test('asks for settled sequences too when it is thorough', async () => {
    const { port, clock, run } = begin({ settled: [12, 14], thorough: true });
    port.states = [unsettled];
    run();
    await clock.settle(20);
    expect(port.calls.filter((call) => call.startsWith('nak'))).toEqual(
      [11, 12, 13, 14, 15].map((sequence) => `nak ${sequence}`),
    );
  });

  test('with nothing unsettled it asks for nothing', async () => {
    const { port, clock, run } = begin();
    port.states = [stateOf({ ackFloor: 10, delivered: 10, deliveredConsumerSequence: 10 })];
    const outcome = run();
    await clock.settle(10);
    expect(outcome.state).toBeDefined();
    expect(port.calls).toEqual(['state', 'state']);
  });

  test('waits until no pull is open before it sends anything', async () => {
    const { port, clock, run } = begin();
    port.states = [{ ...unsettled, waitingPulls: 2 }];
    const outcome = run();
    await clock.advance(500);
    expect(new Set(port.calls)).toEqual(new Set(['state']));
    expect(port.calls.length).toBeGreaterThan(5);
    port.states = [unsettled];
    await clock.advance(100);
    expect(outcome.state).toEqual(unsettled);
  });

  test('gives up after 15 s of foreign pulls, and says what to do', async () => {
    const { port, clock, run } = begin();
    port.states = [{ ...unsettled, waitingPulls: 2 }];
    const outcome = run();
    await clock.advance(15_100);
    expect(outcome.error).toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    expect(String(outcome.error)).toContain('another process pulls from it');
  });

  test.each([
    ['something was delivered meanwhile', { deliveredConsumerSequence: 41, delivered: 16, ackPending: 5 }],
    ['somebody pulls', { waitingPulls: 1 }],
  ])('starts over when %s', async (_name, change) => {
    const { port, clock, run } = begin();
    const moved = { ...unsettled, ...change };
    const calm = { ...moved, waitingPulls: 0 };
    port.states = [unsettled, moved, calm];
    const outcome = run();
    await clock.settle(40);
    expect(outcome.state).toEqual(calm);
    expect(port.calls.filter((call) => call === 'nak 15')).toHaveLength(2);
    expect(port.calls.filter((call) => call === 'state').length).toBeGreaterThanOrEqual(4);
  });

  test.each([
    [20_000, 'nak'],
    [20_001, 'expire all'],
  ])('a range of %i sequences is asked for by: %s', async (range, way) => {
    const { port, clock, run } = begin();
    port.states = [
      stateOf({ ackFloor: 5, delivered: 5 + range, deliveredConsumerSequence: 9, ackPending: 3 }),
    ];
    const outcome = run();
    await clock.settle(20);
    expect(outcome.state).toBeDefined();
    expect(port.calls.filter((call) => call.startsWith(way))).toHaveLength(way === 'nak' ? range : 1);
    expect(port.calls.filter((call) => call.startsWith(way === 'nak' ? 'expire' : 'nak'))).toEqual([]);
  });

  test('ends between two steps when it is called off, and tells nobody it succeeded', async () => {
    for (let turns = 0; turns < 5; turns++) {
      const { port, clock, abort, run } = begin();
      port.states = [unsettled];
      const outcome = run();
      await clock.settle(turns);
      if (outcome.state !== undefined) break;
      abort.abort(new Error('called off'));
      const asked = port.calls.length;
      await clock.settle(20);
      expect(outcome.error).toEqual(new Error('called off'));
      expect(port.calls.length).toBeLessThanOrEqual(asked);
    }
  });
});

describe('the runner', () => {
  function runner(
    handled: readonly number[] = [],
    prepare = (): Promise<void> => Promise.resolve(),
    complete = (): Promise<void> => Promise.resolve(),
  ) {
    const port = new FakeConsumerPort();
    const clock = new ManualClock();
    const log = recordedLog();
    const done: ConsumerState[] = [];
    const failed: number[] = [];
    const takeovers = new TakeoverRunner({
      name: 'orders/billing/0',
      port,
      ledger: { unhandled: allBut(handled) },
      acks: { unconfirmed: (first, last, callback) => allBut([11, 13, 14, 15])(first, last, callback) },
      clock,
      log,
      prepare,
      complete,
      done: (state) => done.push(state),
      failed: (sinceMs) => failed.push(sinceMs),
    });
    return { port, clock, log, done, failed, takeovers };
  }

  test('ends with the state, counts and times it', async () => {
    const { port, clock, done, takeovers, log } = runner();
    port.states = [{ ...unsettled, waitingPulls: 1 }, unsettled];
    takeovers.begin('start', false);
    await clock.advance(100);
    expect(done).toEqual([unsettled]);
    expect([takeovers.count, takeovers.lastMs]).toEqual([1, 20]);
    expect(log.lines).toHaveLength(1);
  });

  test('a failure is tried again after growing pauses, and then asks for everything', async () => {
    const { port, clock, done, failed, takeovers, log } = runner([11, 12, 13, 14, 15]);
    let failures = 3;
    port.stateResult = () => {
      if (failures-- > 0) throw new Error('no answer');
      return unsettled;
    };
    takeovers.begin('start', false);
    await clock.settle(10);
    expect(port.calls).toHaveLength(1);
    await clock.advance(99);
    expect(port.calls).toHaveLength(1);
    await clock.advance(1);
    expect(port.calls).toHaveLength(2);
    await clock.advance(200);
    expect(port.calls).toHaveLength(3);
    await clock.advance(400);
    await clock.settle(20);
    expect(done).toEqual([unsettled]);
    expect(port.calls.filter((call) => call.startsWith('nak'))).toHaveLength(5);
    expect(log.lines.filter((line) => line.startsWith('warn'))).toHaveLength(3);
    expect(failed).toEqual([0, 100, 300]);
  });

  test('what prepares an attempt comes before it, and what it throws fails it', async () => {
    let prepared = 0;
    const { port, clock, done, failed, takeovers } = runner([], () => {
      port.calls.push('prepare');
      return ++prepared === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve();
    });
    port.states = [unsettled];
    takeovers.begin('start', false);
    await clock.settle(10);
    expect([port.calls, failed, done]).toEqual([['prepare'], [0], []]);
    await clock.advance(100);
    await clock.settle(20);
    expect(port.calls.slice(0, 3)).toEqual(['prepare', 'prepare', 'state']);
    expect(done).toEqual([unsettled]);
  });

  test('what completes an attempt comes after its last look at the server, and what it throws fails it', async () => {
    let completed = 0;
    const { port, clock, done, failed, takeovers } = runner([], undefined, () => {
      port.calls.push('complete');
      return ++completed === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve();
    });
    port.states = [unsettled];
    takeovers.begin('start', false);
    await clock.settle(20);
    expect([port.calls.at(-1), failed, done]).toEqual(['complete', [0], []]);
    await clock.advance(100);
    await clock.settle(20);
    expect([port.calls.at(-1), completed, done]).toEqual(['complete', 2, [unsettled]]);
  });

  test('one that is replaced while it completes is never done', async () => {
    let end: () => void = () => undefined;
    const waits = new Promise<void>((resolve) => (end = resolve));
    let completed = 0;
    const { port, clock, done, takeovers } = runner([], undefined, () =>
      ++completed === 1 ? waits : Promise.resolve(),
    );
    port.states = [unsettled];
    takeovers.begin('first', false);
    await clock.settle(20);
    takeovers.begin('second', false);
    await clock.settle(20);
    end();
    await clock.settle(20);
    expect([completed, done.length, takeovers.count]).toEqual([2, 1, 1]);
  });

  test('a new one replaces the one under way, which then does and says nothing more', async () => {
    const { port, clock, done, takeovers, log } = runner();
    port.states = [{ ...unsettled, waitingPulls: 1 }];
    takeovers.begin('first', false);
    await clock.advance(100);
    takeovers.begin('second', false);
    port.states = [unsettled];
    await clock.advance(2_000);
    expect(done).toEqual([unsettled]);
    expect(takeovers.count).toBe(1);
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toContain('(second)');
  });

  test('cancelled at any moment, it is never done', async () => {
    for (let microtasks = 0; microtasks < 12; microtasks++) {
      const { port, clock, done, takeovers } = runner();
      let states = 0;
      port.stateResult = () => {
        if (++states === 2) {
          // The connection goes away in the very turn in which the last answer is read.
          let left = microtasks;
          const later = (): void => {
            if (left-- > 0) queueMicrotask(later);
            else if (done.length === 0) {
              takeovers.cancel();
              done.push(stateOf({ delivered: -1 }));
            }
          };
          queueMicrotask(later);
        }
        return unsettled;
      };
      takeovers.begin('start', false);
      await clock.settle(20);
      expect({ microtasks, done: done.length }).toEqual({ microtasks, done: 1 });
    }
  });

  test('while disconnected it tries nothing; the reconnect begins anew', async () => {
    const { port, clock, done, takeovers } = runner();
    port.connected = false;
    takeovers.begin('cut', false);
    await clock.advance(5_000);
    expect([port.calls, done]).toEqual([[], []]);
    port.connected = true;
    port.states = [unsettled];
    takeovers.begin('reconnect', false);
    await clock.settle(20);
    expect(done).toEqual([unsettled]);
  });

  test('asks for what is not handled and for what is not confirmed, and for all if the server is another', async () => {
    const { port, clock, takeovers } = runner([11, 12, 13, 14]);
    port.states = [unsettled];
    const asked = (): string[] => port.calls.splice(0).filter((call) => call.startsWith('nak'));
    port.serverId = 'one';
    takeovers.begin('start', false);
    await clock.settle(20);
    expect(asked()).toEqual([11, 12, 13, 14, 15].map((sequence) => `nak ${sequence}`));
    takeovers.begin('reconnect', false);
    await clock.settle(20);
    expect(asked()).toEqual(['nak 15', 'nak 12']);
    port.serverId = 'another';
    takeovers.begin('reconnect', false);
    await clock.settle(20);
    expect(asked()).toHaveLength(5);
    port.serverId = undefined;
    takeovers.begin('reconnect', false);
    await clock.settle(20);
    expect(asked()).toHaveLength(5);
  });
});
