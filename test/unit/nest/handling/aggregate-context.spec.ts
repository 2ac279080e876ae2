import { expect, test } from '@jest/globals';
import { Delivery } from '#library/message/delivery.js';
import { AggregateContext } from '#library/nest/handling/aggregate.context.js';

const envelope = {
  event_id: 'e',
  aggregate_id: 'a',
  event_type: 'T',
  event_version: 1,
  timestamp: '2026-01-01T00:00:00.000Z',
  payload: {},
};

interface View {
  epoch: number;
  created: string;
  run: number;
  replayRun: number;
  replayUntil: number;
  startedThrough: number;
  runOf: () => number;
  isValid: () => boolean;
}

function worldOf(sequence: number, run?: number, stored: object = envelope) {
  const view: View = {
    ...{ epoch: 1, created: 'then', run: 0, replayRun: 0, replayUntil: 0, startedThrough: 0 },
    runOf: () => view.run,
    isValid: () => true,
  };
  const event = new Delivery({
    subject: 'orders.0.0.0.0.0.0.0.0.a',
    token: 'a',
    ...(run === undefined ? {} : { run }),
    sequence,
    consumerSequence: 1,
    body: new Uint8Array(),
    readHeaders: () => ({}),
    readStoredAt: () => '1767225600000999999',
  });
  const scope = { topic: 'orders', group: 'billing', partition: 0, view } as const;
  return { view, attempt: () => new AggregateContext(event, stored as typeof envelope, scope) };
}

test('the position is run * 2^48 + sequence, so every event of a later run is above all of an earlier one', () => {
  const { view, attempt } = worldOf(7);
  expect(attempt().position).toBe(7n);
  view.run = 3;
  expect(attempt()).toMatchObject({ run: 3, position: 3n * 2n ** 48n + 7n });
  expect(worldOf(2 ** 48 - 1).attempt().position).toBeLessThan(attempt().position);
});

test('an event up to the place the group had reached before a reset is a replay, a later one is not', () => {
  for (const [sequence, isReplay] of [
    [7, true],
    [8, false],
  ] as const) {
    const { view, attempt } = worldOf(sequence);
    expect(attempt().isReplay).toBe(false);
    view.replayUntil = 7;
    expect(attempt().isReplay).toBe(isReplay);
  }
});

test('an attempt keeps its token, run and position when the partition is claimed again while its handler runs', () => {
  const { view, attempt } = worldOf(7);
  const running = attempt();
  expect(running.mayStart()).toBe(true);
  // The stream was made again: in the new run sequence 7 is another event.
  Object.assign(view, { epoch: 2, run: 1, replayUntil: 9 });
  expect(running).toMatchObject({ fencingToken: 1, run: 0, position: 7n, isReplay: false });
  expect(running.mayStart()).toBe(false);
});

test('a letter keeps the run it was filed in, and of an earlier run it is no replay', () => {
  const { view, attempt } = worldOf(7, 1);
  Object.assign(view, { run: 2, replayRun: 2, replayUntil: 9 });
  expect(attempt()).toMatchObject({ run: 1, position: 2n ** 48n + 7n, isReplay: false });
  view.replayRun = 1;
  expect(attempt()).toMatchObject({ run: 1, isReplay: true });
});

test('what another publisher left out has its default, and what it does not know is undefined', () => {
  const { event_id, aggregate_id, event_type, payload } = envelope;
  const nulls = { aggregate_version: null, tenant_id: null, trace_id: null, correlation_id: null };
  const context = worldOf(7, 0, { event_id, aggregate_id, event_type, payload, ...nulls }).attempt();
  expect(context.version).toBe(1);
  expect(context.timestamp).toEqual(new Date('2026-01-01T00:00:00.000Z'));
  for (const name of ['aggregateVersion', 'tenantId', 'traceId', 'correlationId'] as const)
    expect([name, context[name]]).toEqual([name, undefined]);
});
