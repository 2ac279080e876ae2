import { expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

// Needs `npm run build`: the command is built code.

const server = serverForAll();
const AGGREGATES = 6;
const EVENTS = 60;

function reset(topic: string, ...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  return runCommand({ args: ['group', 'reset', topic, 'billing', ...args, '--server', server().url] });
}

interface Handled {
  readonly id: string;
  readonly n: number;
  readonly sequence: number;
  readonly token: number;
}

/** A service that notes what it handles. */
class Service {
  readonly handled: Handled[] = [];

  constructor(
    private readonly topic: string,
    private readonly partitions = 4,
  ) {}

  start(): Promise<INestApplication> {
    const { handled, topic, partitions } = this;

    @Controller()
    class Handler {
      @AggregateHandler(topic)
      handle(@Payload() { n }: { n: number }, @AggregateId() id: string, @Ctx() ctx: AggregateContext): void {
        handled.push({ id, n, sequence: ctx.sequence, token: ctx.fencingToken });
      }
    }
    return startApp({
      options: {
        servers: server().url,
        group: 'billing',
        topics: { [topic]: { consume: { partitions, leaseTtlMs: 1_500 } } },
      },
      publishers: [topic],
      controllers: [Handler],
    });
  }

  async publish(app: INestApplication, from: number, count = EVENTS): Promise<void> {
    for (let n = from; n < from + count; n++) {
      const event = { aggregateId: `order-${n % AGGREGATES}`, type: 'Counted', payload: { n } };
      await publisherOf(app, this.topic).publish(event);
    }
  }

  async hasHandled(count: number): Promise<void> {
    await eventually(`${count} events to be handled`, () => this.handled.length >= count);
  }

  /** Per aggregate: what was handled from the given place of the journal on. */
  since(place: number): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (const { id, n } of this.handled.slice(place)) found.set(id, [...(found.get(id) ?? []), n]);
    return found;
  }
}

/** All events of each aggregate from `first` on, in order. */
function expected(first: number, last: number): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (let n = first; n <= last; n++) {
    const id = `order-${n % AGGREGATES}`;
    found.set(id, [...(found.get(id) ?? []), n]);
  }
  return found;
}

function sorted(map: Map<string, number[]>): [string, number[]][] {
  return [...map].sort(([a], [b]) => a.localeCompare(b));
}

async function withNats<T>(use: (nats: NatsConnection) => Promise<T>): Promise<T> {
  const nats = await connect({ servers: server().url });
  try {
    return await use(nats);
  } finally {
    await nats.close();
  }
}

test('under running replicas all events come again once, in order, under higher tokens', async () => {
  const service = new Service('again');
  const apps = [await service.start(), await service.start()];
  try {
    await service.publish(apps[0]!, 1);
    await service.hasHandled(EVENTS);
    const highest = Math.max(...service.handled.map(({ token }) => token));
    expect(await reset('again', '--to', 'start', '--yes')).toMatchObject({
      code: 0,
      output: expect.stringContaining('done; the group has 4 partitions and begins at sequence 1, run 1'),
    });
    await service.hasHandled(2 * EVENTS);
    await service.publish(apps[0]!, EVENTS + 1);
    await service.hasHandled(3 * EVENTS);
    expect(sorted(service.since(EVENTS))).toEqual(sorted(expected(1, 2 * EVENTS)));
    expect(Math.min(...service.handled.slice(EVENTS).map(({ token }) => token))).toBeGreaterThan(highest);
  } finally {
    await Promise.all(apps.map((app) => app.close()));
  }
}, 60_000);

test('without replicas it begins at a sequence, with another number of partitions, or gives all up', async () => {
  const service = new Service('alone');
  let app = await service.start();
  await service.publish(app, 1);
  await service.hasHandled(EVENTS);
  await app.close();
  expect(await reset('alone', '--to', 'sequence', '31', '--partitions', '8', '--yes')).toMatchObject({
    code: 0,
  });
  app = await service.start();
  await service.hasHandled(EVENTS + 30);
  expect(sorted(service.since(EVENTS))).toEqual(sorted(expected(31, EVENTS)));
  await service.publish(app, EVENTS + 1, 1);
  await service.hasHandled(EVENTS + 31);
  await app.close();

  expect(await reset('alone', '--to', 'end', '--yes')).toMatchObject({ code: 0 });
  app = await service.start();
  try {
    await service.publish(app, EVENTS + 2, 1);
    await service.hasHandled(EVENTS + 32);
    expect(service.handled.slice(EVENTS + 31)).toMatchObject([{ n: EVENTS + 2 }]);
  } finally {
    await app.close();
  }
}, 60_000);

test('a lost stream of positions refuses the start, and a reset lets the group begin again', async () => {
  const service = new Service('lost');
  let app = await service.start();
  await service.publish(app, 1);
  await service.hasHandled(EVENTS);
  const highest = Math.max(...service.handled.map(({ token }) => token));
  await app.close();
  await withNats(async (nats) => (await nats.jetstreamManager()).streams.delete('lost_positions'));
  await expect(service.start()).rejects.toMatchObject({ code: 'RECORD_MISSING' });

  const dry = await reset('lost', '--to', 'start', '--dry-run');
  expect(dry).toMatchObject({ code: 0, output: expect.stringContaining('its record is lost') });
  await expect(service.start()).rejects.toMatchObject({ code: 'RECORD_MISSING' });
  expect(await reset('lost', '--to', 'start', '--yes')).toMatchObject({ code: 0 });
  app = await service.start();
  try {
    await service.hasHandled(2 * EVENTS);
    expect(sorted(service.since(EVENTS))).toEqual(sorted(expected(1, EVENTS)));
    expect(Math.min(...service.handled.slice(EVENTS).map(({ token }) => token))).toBeGreaterThan(highest);
  } finally {
    await app.close();
  }
}, 60_000);

test('a deleted position stops a change of partitions, and a reset gives it up', async () => {
  const service = new Service('deleted', 1);
  let app = await service.start();
  await service.publish(app, 1);
  await service.hasHandled(EVENTS);
  await app.close();
  await withNats(async (nats) => {
    const kv = await nats.jetstream().views.kv('deleted_positions', { bindOnly: true });
    await kv.delete('billing.0.1.0');
  });
  const at = ['--server', server().url];
  const changed = await runCommand({ args: ['repartition', 'deleted', 'billing', '2', '--yes', ...at] });
  expect(changed).toMatchObject({ code: 1, errors: expect.stringContaining('RECORD_MISSING') });
  expect(await reset('deleted', '--cancel')).toMatchObject({ code: 0 });
  expect(await reset('deleted', '--to', 'sequence:51', '--yes')).toMatchObject({ code: 0 });
  app = await service.start();
  try {
    await service.hasHandled(EVENTS + 10);
    expect(sorted(service.since(EVENTS))).toEqual(sorted(expected(51, EVENTS)));
  } finally {
    await app.close();
  }
}, 60_000);

test('it tells what it will do, asks before it does it, and is done once for an id', async () => {
  const service = new Service('asks', 1);
  const app = await service.start();
  try {
    await service.publish(app, 1);
    await service.hasHandled(EVENTS);
    await eventually('the position to be written', async () => {
      const { output } = await reset('asks', '--to', 'sequence:11', '--dry-run', '--json');
      const planned = JSON.parse(output) as { rows: unknown[] };
      return (
        JSON.stringify(planned.rows) ===
        JSON.stringify([{ partition: 0, high: 60, lost: false, givenUp: 0, again: 50 }])
      );
    });
    expect(await reset('asks', '--to', 'start')).toMatchObject({
      code: 2,
      errors: expect.stringContaining('not confirmed'),
    });
    expect(await reset('asks', '--to', 'sequence:62', '--yes')).toMatchObject({ code: 2 });
    expect(await reset('asks')).toMatchObject({ code: 2, errors: expect.stringContaining('expected --to') });
    for (let twice = 0; twice < 2; twice++)
      expect(await reset('asks', '--to', 'sequence:51', '--id', 'x', '--yes')).toMatchObject({ code: 0 });
    await service.publish(app, EVENTS + 1, 1);
    await service.hasHandled(EVENTS + 11);
    expect(sorted(service.since(EVENTS))).toEqual(sorted(expected(51, EVENTS + 1)));
  } finally {
    await app.close();
  }
}, 60_000);
