import { afterEach, expect, test } from '@jest/globals';
import { connect } from 'nats';
import { AggregateHealthIndicator, AggregateTransportStatus } from 'nestjs-aggregate-transport';
import { runCommand } from '../support/command.js';
import { CountingService, numbersOf } from '../support/counting-service.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

// Needs `npm run build`: the command is built code.

const server = serverForAll();
const services: CountingService[] = [];
const EVENTS = 60;

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.close()));
});

function serviceOf(topic: string, more: { group?: string; partitions?: number } = {}): CountingService {
  const service = new CountingService({ url: server().url, topic, ...more });
  services.push(service);
  return service;
}

function group(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  return runCommand({ args: ['group', ...args, '--server', server().url] });
}

async function startedWith(topic: string, replicas = 1): Promise<CountingService> {
  const service = serviceOf(topic);
  for (let n = 0; n < replicas; n++) await service.start();
  await service.publish(1, EVENTS);
  await service.hasHandled(EVENTS);
  return service;
}

async function settled(service: CountingService): Promise<void> {
  await eventually(
    'nothing to be left',
    async () => (await service.groups.show(service.topic, service.group)).lag === 0,
  );
}

/** Subjects of a stream that match, by what the server holds. */
async function subjects(stream: string, filter: string): Promise<string[]> {
  const nats = await connect({ servers: server().url });
  try {
    const manager = await nats.jetstreamManager();
    const { state } = await manager.streams.info(stream, { subjects_filter: filter });
    return Object.keys(state.subjects ?? {});
  } finally {
    await nats.close();
  }
}

test('a reset by a service tells its letters and aggregates first, removes those letters, and a guard lets the repeats through', async () => {
  const service = serviceOf('told');
  await service.start();
  service.ill.add('order-3');
  await service.publish(1, EVENTS);
  await service.hasHandled(EVENTS - EVENTS / 6);
  await eventually('the ill one to be parked with all its events', async () => {
    const [parked] = await service.parked.list({ topic: 'told' });
    return parked?.letters === EVENTS / 6;
  });
  await eventually('the positions to say so', async () => {
    const { plan } = await service.groups.reset('told', 'billing', { to: 'start', dryRun: true });
    return plan.rows.reduce((sum, { again }) => sum + again, 0) === EVENTS;
  });
  const { state, plan } = await service.groups.reset('told', 'billing', {
    to: { sequence: 31 },
    dryRun: true,
  });
  expect(state).toBe('planned');
  expect(plan).toMatchObject({ events: 30, first: 1, last: EVENTS, lost: false });
  expect(plan.letters).toEqual({ removed: 5, unparked: 0, kept: 5, isExact: true });
  expect((await service.groups.show('told', 'billing')).run).toBe(0);

  service.ill.clear();
  const highest = service.handled.reduce((max, { position }) => (position > max ? position : max), 0n);
  const tokens = service.handled.map(({ token }) => token);
  const heard: string[] = [];
  const done = await service.groups.reset('told', 'billing', {
    ...{ to: 'start', id: 'once', onProgress: ({ state: step }) => heard.push(step) },
  });
  expect(done).toMatchObject({ state: 'done', from: 1, run: 1, plan: { events: EVENTS, aggregates: 6 } });
  expect(done.plan.letters).toEqual({ removed: 10, unparked: 1, kept: 0, isExact: true });
  const before = EVENTS - EVENTS / 6;
  await service.hasHandled(before + EVENTS);
  await service.publish(EVENTS + 1, 6);
  await service.hasHandled(before + EVENTS + 6);
  expect(service.since(before)).toEqual(numbersOf(1, EVENTS + 6));
  expect(await service.parked.list({ topic: 'told' })).toEqual([]);
  const again = service.handled.slice(before);
  expect(again.every(({ position, run }) => position > highest && run === 1)).toBe(true);
  expect(Math.min(...again.map(({ token }) => token))).toBeGreaterThan(Math.max(...tokens));
  expect(
    again
      .filter(({ isReplay }) => isReplay)
      .map(({ n }) => n)
      .toSorted((a, b) => a - b),
  ).toEqual(Array.from({ length: EVENTS }, (_, index) => index + 1));
  // The same id is the same reset.
  expect(await service.groups.reset('told', 'billing', { to: 'start', id: 'once' })).toMatchObject({
    run: 1,
  });
}, 60_000);

test('what a group had reached stays a replay over changes of its partitions', async () => {
  const service = await startedWith('replayed');
  await settled(service);
  await service.publish(EVENTS + 1, 6);
  await service.hasHandled(EVENTS + 6);
  await settled(service);
  let release: () => void = () => undefined;
  service.held = new Promise((resolve) => (release = resolve));
  await service.groups.reset('replayed', 'billing', { to: 'start' });
  for (const partitions of ['16', '2']) {
    const change = runCommand({
      args: ['repartition', 'replayed', 'billing', partitions, '--yes', '--server', server().url],
    });
    await eventually('the change to drain', async () => {
      const { condition } = await service.groups.show('replayed', 'billing');
      return condition === 'changing';
    });
    release();
    expect(await change).toMatchObject({ code: 0 });
    service.held = new Promise((resolve) => (release = resolve));
  }
  release();
  service.held = undefined;
  await service.hasHandled(2 * (EVENTS + 6));
  await service.publish(EVENTS + 7, 6);
  await service.hasHandled(2 * (EVENTS + 6) + 6);
  expect(service.since(EVENTS + 6)).toEqual(numbersOf(1, EVENTS + 12));
  const wrong = service.handled.slice(EVENTS + 6).filter(({ isReplay, n }) => isReplay !== n <= EVENTS + 6);
  expect(wrong).toEqual([]);
}, 60_000);

test('list and show tell of every group, from any host, also while one is changed', async () => {
  const service = await startedWith('shown');
  const other = serviceOf('shown', { group: 'search', partitions: 1 });
  await other.start();
  await other.hasHandled(EVENTS);
  await settled(service);
  await settled(other);
  const listed = await group('list', 'shown', '--json');
  expect(listed).toMatchObject({ code: 0 });
  const rows = listed.output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect(rows).toEqual([
    expect.objectContaining({
      group: 'billing',
      condition: 'living',
      partitions: 4,
      owned: 4,
      owners: 1,
      lag: 0,
    }),
    expect.objectContaining({
      group: 'search',
      condition: 'living',
      partitions: 1,
      owned: 1,
      owners: 1,
      lag: 0,
    }),
  ]);
  expect(await group('list')).toMatchObject({
    output: expect.stringMatching(/shown +billing +living +4 +4 +1 +0 +0 +- +0 +0/),
  });
  expect(await group('show', 'shown', 'unknown')).toMatchObject({
    code: 1,
    errors: expect.stringContaining('GROUP_UNKNOWN'),
  });
  let release: () => void = () => undefined;
  service.held = new Promise((resolve) => (release = resolve));
  await service.publish(EVENTS + 1, 1);
  const aborted = new AbortController();
  const resetting = service.groups.reset('shown', 'billing', { to: 'start', signal: aborted.signal });
  await eventually('the handler to be named', async () => {
    const { byPartition, change } = await service.groups.show('shown', 'billing');
    return (
      change?.kind === 'reset' && byPartition.some(({ running }) => running[0]?.aggregateId === 'order-1')
    );
  });
  const shown = await group('show', 'shown', 'billing');
  expect(shown.output).toContain('under way: a reset to sequence 1, drained 3 of 4 partitions');
  expect(shown.output).toContain('waits for order-1');
  aborted.abort(new Error('the operator left'));
  await expect(resetting).rejects.toMatchObject({ code: 'ABORTED' });
  expect(await service.groups.cancel('shown', 'billing')).toBe(true);
  expect(await service.groups.cancel('shown', 'billing')).toBe(false);
  service.held = undefined;
  release();
  await service.hasHandled(EVENTS + 1);
  expect((await service.groups.list()).map(({ condition }) => condition)).toEqual(['living', 'living']);
}, 60_000);

test('delete lets replicas halt, leaves nothing but tombstones, and a later group continues counting', async () => {
  const service = await startedWith('gone', 2);
  const keeper = serviceOf('gone', { group: 'keeper', partitions: 2 });
  await keeper.start();
  service.ill.add('order-2');
  await service.publish(EVENTS + 1, 6);
  await eventually(
    'the ill one to be parked',
    async () => (await service.parked.list({ topic: 'gone' })).length === 1,
  );
  const planned = await group('delete', 'gone', 'billing', '--dry-run');
  expect(planned.output).toContain(
    'the group of 4 partitions is deleted: 1 parked aggregate and 1 letter, 4 positions, 4 leases and 2 records of replicas',
  );
  expect(await group('delete', 'gone', 'billing')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('not confirmed'),
  });
  const highest = service.handled.reduce((max, { position }) => (position > max ? position : max), 0n);
  const tokens = Math.max(...service.handled.map(({ token }) => token));

  expect(await group('delete', 'gone', 'billing', '--yes')).toMatchObject({
    code: 0,
    output: expect.stringContaining('done; a group of this name begins in run 1'),
  });
  const { events } = await service.app.get(AggregateHealthIndicator).isHealthy('events');
  expect(events.problems.filter(({ code }) => code === 'halted')).toEqual([
    expect.objectContaining({ group: 'billing', why: expect.stringContaining('the group was deleted at') }),
  ]);
  // Nest has one logger for a process: that of the last application.
  expect(
    keeper.log.matching(/group "billing": the group was deleted.*nothing starts here any more/),
  ).toHaveLength(2);
  expect((await service.app.get(AggregateTransportStatus).snapshot()).topics[0]?.groups[0]?.group).toBe(
    'billing',
  );
  const isBilling = /\.billing(\.|$)/;
  expect(await subjects('KV_aggregate-transport', '$KV.aggregate-transport.*.gone.billing.>')).toEqual([]);
  expect(await subjects('KV_aggregate-transport-parked', '$KV.*.gone.billing.>')).toEqual([]);
  expect(await subjects('gone_parked', 'gone_parked.billing.>')).toEqual([]);
  expect((await subjects('gone_positions', '>')).filter((subject) => isBilling.test(subject))).toHaveLength(
    5,
  );
  expect(await group('delete', 'gone', 'billing', '--yes')).toMatchObject({
    code: 0,
    output: expect.stringContaining('was deleted before'),
  });
  expect((await service.groups.list('gone')).map(({ group: name, condition }) => [name, condition])).toEqual([
    ['billing', 'deleted'],
    ['keeper', 'living'],
  ]);
  await expect(service.groups.reset('gone', 'billing', { to: 'start' })).rejects.toMatchObject({
    code: 'GROUP_UNKNOWN',
  });
  const count = service.handled.length;
  await service.publish(EVENTS + 7, 6);
  await keeper.hasHandled(EVENTS + 12);
  expect(service.handled).toHaveLength(count);
  await service.close();

  service.ill.clear();
  await service.start();
  await service.hasHandled(count + EVENTS + 12);
  expect(service.since(count)).toEqual(numbersOf(1, EVENTS + 12));
  const later = service.handled.slice(count);
  expect(later.every(({ position, isReplay }) => position > highest && !isReplay)).toBe(true);
  expect(Math.min(...later.map(({ token }) => token))).toBeGreaterThan(tokens);
  expect(keeper.since(0)).toEqual(numbersOf(1, EVENTS + 12));
}, 60_000);

test('a group without replicas, and one that has lost its record, are deleted too', async () => {
  const service = await startedWith('alone');
  await service.close();
  const nats = await connect({ servers: server().url });
  const manager = await nats.jetstreamManager();
  await manager.streams.purge('alone_positions', { filter: '$KV.alone_positions.group.billing' });
  await nats.close();
  expect(await group('delete', 'alone', 'billing', '--yes')).toMatchObject({ code: 0 });
  const [handled] = [service.handled.length];
  await service.start();
  await service.hasHandled(handled + EVENTS);
  expect(service.since(handled)).toEqual(numbersOf(1, EVENTS));
  await service.close();
  expect(await group('delete', 'alone', 'billing', '--yes')).toMatchObject({ code: 0 });
  expect(await group('delete', 'alone', 'unknown', '--yes')).toMatchObject({
    code: 1,
    errors: expect.stringContaining('GROUP_UNKNOWN'),
  });
}, 60_000);
