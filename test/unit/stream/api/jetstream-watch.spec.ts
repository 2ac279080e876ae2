import { expect, test } from '@jest/globals';
import { AggregateTransportError } from '#library/errors.js';
import { JetStreamWatch } from '#library/stream/api/jetstream-watch.js';
import { NatsFailure } from '#library/stream/port/nats-failure.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

function fixture() {
  const clock = new ManualClock(1_000);
  const world = {
    connected: true,
    closed: false,
    answers: 0,
    asked: 0,
    failure: undefined as Error | undefined,
  };
  const connection = {
    get connected() {
      return world.connected;
    },
    get answers() {
      return world.answers;
    },
    noteAnswer: () => {
      world.answers++;
    },
    nats: { isClosed: () => world.closed } as never,
  };
  const request = <T>(): Promise<T> => {
    world.asked++;
    if (world.failure !== undefined) return Promise.reject(world.failure);
    world.answers++;
    return Promise.resolve({} as T);
  };
  const watch = new JetStreamWatch(connection, { request }, 'orders', clock);
  return { clock, world, watch };
}

function failed(cause?: Error): AggregateTransportError {
  return new AggregateTransportError('JETSTREAM_REQUEST_FAILED', 'no responders', cause && { cause });
}

test('JetStream is away when it has answered nothing for four seconds, and back with its first answer', async () => {
  const { clock, world, watch } = fixture();
  await clock.advance(60_000);
  expect(watch.away).toBeUndefined();
  world.failure = failed();
  await clock.advance(3_500);
  expect(watch.away).toBeUndefined();
  await clock.advance(3_000);
  expect(watch.away?.why).toContain('no responders');
  expect(watch.away?.forMs).toBeGreaterThanOrEqual(4_000);
  world.failure = undefined;
  await clock.advance(1_000);
  expect(watch.away).toBeUndefined();
});

test('where other parts get answers it asks nothing', async () => {
  const { clock, world, watch } = fixture();
  for (let n = 0; n < 50; n++) {
    world.answers++;
    await clock.advance(1_000);
  }
  expect([world.asked, watch.away]).toEqual([0, undefined]);
});

test('a permission that is missing says nothing of JetStream, and neither does a connection that is away', async () => {
  const { clock, world, watch } = fixture();
  world.failure = failed(new NatsFailure('PERMISSIONS_VIOLATION', 'denied'));
  await clock.advance(20_000);
  expect(watch.away).toBeUndefined();
  world.failure = failed();
  world.connected = false;
  await clock.advance(20_000);
  world.connected = true;
  await clock.advance(1_000);
  expect(watch.away).toBeUndefined();
});

test('it ends with its connection', async () => {
  const { clock, world } = fixture();
  world.closed = true;
  await clock.advance(60_000);
  expect(world.asked).toBe(0);
});
