import { expect, test } from '@jest/globals';
import { metrics as api } from '@opentelemetry/api';
import { readFileSync } from 'node:fs';
import { GroupLooks } from '#library/observe/group-looks.js';
import { silentLog } from '#library/log.js';
import { Measures } from '#library/observe/measures.js';
import type { Meter, MetricAttributes, ObservableCallback } from '#library/observe/meter.js';
import { Metrics } from '#library/observe/metrics.js';
import { recordedLog } from '../consumer/handling/deliveries.js';
import { NO_HOLES, ObservedFixture } from './observed-fixture.js';

/** The compiler is the test: OpenTelemetry's own meter fits. */
export const fits: Meter = api.getMeter('fits');

interface Instrument {
  readonly kind: string;
  readonly unit: string;
  readonly callbacks: Set<ObservableCallback>;
  readonly recorded: [value: number, attributes: MetricAttributes][];
}

function fakeMeter() {
  const made = new Map<string, Instrument>();
  const create =
    (kind: string) =>
    (name: string, { unit }: { unit: string }) => {
      const instrument: Instrument = { kind, unit, callbacks: new Set(), recorded: [] };
      expect(made.has(name)).toBe(false);
      made.set(name, instrument);
      return {
        addCallback: (callback: ObservableCallback) => void instrument.callbacks.add(callback),
        removeCallback: (callback: ObservableCallback) => void instrument.callbacks.delete(callback),
        record: (value: number, attributes: MetricAttributes) =>
          void instrument.recorded.push([value, attributes]),
      };
    };
  const meter: Meter = {
    createHistogram: create('histogram'),
    createObservableCounter: create('counter'),
    createObservableGauge: create('gauge'),
  };
  /** What one collection of an instrument yields. */
  const collect = async (name: string): Promise<[number, MetricAttributes][]> => {
    const found: [number, MetricAttributes][] = [];
    for (const callback of made.get(name)!.callbacks)
      await callback({ observe: (value, attributes) => void found.push([value, attributes]) });
    return found;
  };
  return { meter, made, collect };
}

test('docs/operations/metrics.md lists every instrument with its kind and unit, and no other', () => {
  const { meter, made } = fakeMeter();
  const fixture = new ObservedFixture();
  new Metrics({ meter, observed: fixture, looks: new GroupLooks(fixture) });
  new Measures({ meter, handlerDuration: true }, silentLog);
  const page = readFileSync('docs/operations/metrics.md', 'utf8');
  const rows = [
    ...page.matchAll(/^\| `((?:messaging|aggregate_transport)\.[\w.]+)` +\| (\w+) +\| `(.+?)` +\|/gm),
  ].map(([, name, kind, unit]) => [name, kind, unit]);
  expect(rows.sort()).toEqual([...made].map(([name, { kind, unit }]) => [name, kind, unit]).sort());
});

test('counters are read, not counted twice; gauges tell only of partitions this process owns', async () => {
  const { meter, collect } = fakeMeter();
  const fixture = new ObservedFixture();
  new Metrics({ meter, observed: fixture, looks: new GroupLooks(fixture) });
  Object.assign(fixture.counts, { handled: 9, retried: 4, lost: 2, claims: 3, readers: 6 });
  fixture.counts.failedIn.handler = 5;
  const where = {
    'messaging.system': 'nats',
    'messaging.destination.name': 'orders',
    'messaging.consumer.group.name': 'billing',
    'messaging.destination.partition.id': '0',
  };
  expect(await collect('aggregate_transport.attempts.retried')).toEqual([[4, where]]);
  expect(await collect('aggregate_transport.events.lost')).toEqual([[2, where]]);
  expect(await collect('aggregate_transport.claims')).toEqual([[3, where]]);
  expect(await collect('aggregate_transport.readers')).toEqual([[6, where]]);
  const process = { ...where, 'messaging.operation.name': 'process' };
  expect(await collect('messaging.client.consumed.messages')).toEqual([
    [9, process],
    [5, { ...process, 'error.type': 'handler' }],
  ]);
  expect(await collect('aggregate_transport.lanes')).toEqual([[1, where]]);
  fixture.leaseMode = 'seeking';
  expect(await collect('aggregate_transport.lanes')).toEqual([]);
  expect(await collect('aggregate_transport.lag')).toEqual([]);
  expect(await collect('aggregate_transport.attempts.retried')).toEqual([[4, where]]);
});

test('lag and age come from one look; without an answer there is no value', async () => {
  const { meter, collect } = fakeMeter();
  const fixture = new ObservedFixture();
  new Metrics({ meter, observed: fixture, looks: new GroupLooks(fixture) });
  const position = { high: 10, epoch: 7, run: 0, unsettled: 3, pending: 4 };
  const oldestStoredAt = fixture.clock.wallNow() - 1_500;
  fixture.answer = () =>
    Promise.resolve({
      firstSequence: 1,
      room: undefined,
      holes: NO_HOLES,
      partitions: [{ partition: 0, lease: undefined, position, oldestStoredAt, oldestSequence: undefined }],
    });
  expect((await collect('aggregate_transport.lag')).map(([value]) => value)).toEqual([7]);
  expect((await collect('aggregate_transport.oldest_unsettled.age')).map(([value]) => value)).toEqual([1.5]);
  expect(fixture.questions).toHaveLength(1);
  fixture.answer = () => Promise.reject(new Error('away'));
  await fixture.clock.advance(1_000);
  expect(await collect('aggregate_transport.lag')).toEqual([]);
});

test('reads nothing after close', () => {
  const { meter, made } = fakeMeter();
  const fixture = new ObservedFixture();
  const metrics = new Metrics({ meter, observed: fixture, looks: new GroupLooks(fixture) });
  metrics.close();
  expect([...made.values()].every(({ callbacks }) => callbacks.size === 0)).toBe(true);
});

test('durations are told in seconds, with the cause or the stage, and the same attributes every time', () => {
  const { meter, made } = fakeMeter();
  const measured = new Measures({ meter, handlerDuration: true }, silentLog).of({
    topic: 'orders',
    group: 'billing',
    partition: 3,
  });
  measured.attemptEnded!(1_500, undefined);
  measured.attemptEnded!(20, 'pipe');
  measured.attemptEnded!(20, 'pipe');
  measured.claimed!('death', 250);
  measured.readerOpened!('reconnect', 5);
  const [first, second, third] = made.get('messaging.process.duration')!.recorded;
  expect(first).toEqual([1.5, expect.not.objectContaining({ 'error.type': expect.anything() })]);
  expect(second).toEqual([0.02, expect.objectContaining({ 'error.type': 'pipe' })]);
  expect(third![1]).toBe(second![1]);
  expect(made.get('aggregate_transport.claim.duration')!.recorded).toEqual([
    [0.25, expect.objectContaining({ 'aggregate_transport.claim.cause': 'death' })],
  ]);
  expect(made.get('aggregate_transport.reader.duration')!.recorded).toEqual([
    [0.005, expect.objectContaining({ 'aggregate_transport.reader.cause': 'reconnect' })],
  ]);
});

test('without handlerDuration there is no call per event', () => {
  const { meter, made } = fakeMeter();
  const measured = new Measures({ meter, handlerDuration: false }, silentLog).of({
    topic: 'a',
    group: 'b',
    partition: 0,
  });
  expect(measured.attemptEnded).toBeUndefined();
  expect(made.has('messaging.process.duration')).toBe(false);
});

test('a meter that throws costs the value and one line of log', () => {
  const log = recordedLog();
  const record = (): never => {
    throw new Error('exporter away');
  };
  const broken: Meter = { ...fakeMeter().meter, createHistogram: () => ({ record }) };
  const measured = new Measures({ meter: broken, handlerDuration: true }, log).of({
    topic: 'orders',
    group: 'billing',
    partition: 0,
  });
  measured.attemptEnded!(1, undefined);
  measured.claimed!('own', 1);
  expect(log.lines).toEqual([expect.stringContaining('exporter away')]);
});
