import { afterEach, describe, expect, test } from '@jest/globals';
import { type LaneEntry, ReplayItem } from '#library/consumer/handling/lane-entry.js';
import { StuckLanes } from '#library/consumer/letters/stuck-lanes.js';
import { KeyedExecutor, NEXT, type Step } from '#library/executor/keyed-executor.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { deliveryOf } from '../handling/deliveries.js';

const LIMIT = 1_000;

let close: () => void = () => undefined;
afterEach(() => close());

/** Lanes whose heads run until a test ends them. */
function fixture() {
  const clock = new ManualClock();
  const running = new Map<LaneEntry, (step: Step) => void>();
  const lanes = new KeyedExecutor<LaneEntry>({
    concurrency: 100,
    clock,
    broke: () => NEXT,
    run: (entry) => new Promise((resolve) => running.set(entry, resolve)),
  });
  const bytes = { limit: LIMIT, isSpent: false, held: 0 };
  const diverted: string[] = [];
  const parked = new Set<string>();
  const answer = { diverts: true };
  const stuck = new StuckLanes({
    ...{ lanes, bytes, clock },
    listener: {
      isParked: (token) => parked.has(token),
      divert: (token, head) => {
        if (head instanceof ReplayItem || !answer.diverts) return false;
        diverted.push(token);
        parked.add(token);
        lanes.takeTail(token);
        return true;
      },
    },
  });
  close = () => stuck.close();
  let sequence = 0;
  const count = (change: number): void => {
    bytes.held += change;
    bytes.isSpent = bytes.held >= LIMIT;
  };
  return {
    ...{ clock, lanes, bytes, diverted, parked, answer, stuck },
    push: (token: string, events: number, size = 10): void => {
      for (let n = 0; n < events; n++) {
        count(size);
        lanes.push(token, deliveryOf({ token, sequence: ++sequence, body: new Uint8Array(size) }));
      }
    },
    /** The head of the lane is handled. */
    next: async (token: string): Promise<void> => {
      const head = lanes.laneOf(token)?.head;
      if (head === undefined) return;
      if (!(head instanceof ReplayItem)) count(-head.origin.body.length);
      running.get(head)?.(NEXT);
      await clock.settle(2);
    },
  };
}

describe('a lane that holds its share of the events', () => {
  test('is diverted when its head has not moved for a second, not before', async () => {
    const { clock, push, stuck, diverted } = fixture();
    push('a', 5);
    stuck.add('a');
    await clock.advance(900);
    expect(diverted).toEqual([]);
    await clock.advance(300);
    expect(diverted).toEqual(['a']);
  });

  test('is not diverted while its head moves', async () => {
    const { clock, push, stuck, diverted, next } = fixture();
    push('a', 20);
    stuck.add('a');
    for (let n = 0; n < 10; n++) {
      await clock.advance(500);
      await next('a');
    }
    expect(diverted).toEqual([]);
    await clock.advance(1_400);
    expect(diverted).toEqual(['a']);
  });

  test('is not diverted if nothing stands behind its head, or it is parked already', async () => {
    const { clock, push, stuck, diverted, parked } = fixture();
    push('a', 1);
    push('b', 5);
    parked.add('b');
    stuck.add('a');
    stuck.add('b');
    await clock.advance(3_000);
    expect(diverted).toEqual([]);
  });

  test('is asked again until the detour can begin', async () => {
    const { clock, push, stuck, diverted, answer } = fixture();
    push('a', 5);
    stuck.add('a');
    answer.diverts = false;
    await clock.advance(3_000);
    answer.diverts = true;
    await clock.advance(200);
    expect(diverted).toEqual(['a']);
  });

  test('is forgotten with its lease', async () => {
    const { clock, push, stuck, diverted } = fixture();
    push('a', 5);
    stuck.add('a');
    stuck.forget();
    await clock.advance(3_000);
    expect(diverted).toEqual([]);
  });
});

describe('a lane that holds its share of the bytes', () => {
  test('is diverted when its head has not moved for a second, for any number of events', async () => {
    const { clock, push, diverted } = fixture();
    push('a', 3, 400);
    push('b', 1);
    await clock.advance(900);
    expect(diverted).toEqual([]);
    await clock.advance(500);
    expect(diverted).toEqual(['a']);
  });

  test('is diverted although a little room is left, if no further event fits into it', async () => {
    const { clock, push, diverted, bytes } = fixture();
    push('a', 3, 300);
    expect(bytes.isSpent).toBe(false);
    await clock.advance(1_400);
    expect(diverted).toEqual(['a']);
  });

  test('is left alone while it holds less than a quarter behind its head', async () => {
    const { clock, push, diverted } = fixture();
    push('a', 2, 200);
    push('b', 1, 700);
    await clock.advance(3_000);
    expect(diverted).toEqual([]);
  });

  test('is diverted although its head moves, if it alone stops the intake for a second', async () => {
    const { clock, push, diverted, next } = fixture();
    push('a', 10, 200);
    for (let n = 0; n < 3; n++) {
      await clock.advance(400);
      await next('a');
    }
    expect(diverted).toEqual(['a']);
  });

  test('keeps its place while its head moves and other lanes have work', async () => {
    const { clock, push, diverted, next } = fixture();
    push('a', 10, 200);
    push('b', 2, 10);
    for (let n = 0; n < 4; n++) {
      await clock.advance(400);
      await next('a');
    }
    expect(diverted).toEqual([]);
  });

  test('keeps its place if the intake continues within the second', async () => {
    const { clock, push, diverted, next } = fixture();
    push('a', 6, 200);
    await clock.advance(700);
    await next('a');
    await next('a');
    await clock.advance(300);
    push('a', 2, 200);
    await next('a');
    await clock.advance(700);
    expect(diverted).toEqual([]);
  });
});
