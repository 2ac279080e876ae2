import { expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect } from 'nats';
import { tokenOf } from '#library/message/subject.js';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  Aggregates,
  AggregateTransportStatus,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { testBuild } from '../faults/harness/test-build.js';

// Needs `npm run build`: the command is built code.

const server = serverForAll();
const IDS = ['order 1', 'order 2', 'order 3', 'order 4'];

function cli(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  return runCommand({ args: [...args, '--server', server().url] });
}

interface Handled {
  readonly id: string;
  readonly n: number;
  readonly sequence: number;
  readonly position: bigint;
  readonly isReplay: boolean;
}

/** A service that notes what it handles, and a row for each aggregate that a guard by position keeps. */
class Service {
  readonly handled: Handled[] = [];
  readonly rows = new Map<string, bigint>();
  readonly refused: Handled[] = [];
  fails: (id: string, n: number) => boolean = () => false;

  constructor(
    readonly topic: string,
    readonly group = 'billing',
    private readonly partitions = 2,
  ) {}

  start(): Promise<INestApplication> {
    const { handled, refused, rows, topic, partitions } = this;
    const fails = (id: string, n: number): boolean => this.fails(id, n);

    @Controller()
    class Handler {
      @AggregateHandler(topic)
      handle(@Payload() { n }: { n: number }, @AggregateId() id: string, @Ctx() ctx: AggregateContext): void {
        if (fails(id, n)) throw new UnrecoverableError(new Error('no stock'));
        const { sequence, position, isReplay } = ctx;
        const event = { id, n, sequence, position, isReplay };
        if (position <= (rows.get(id) ?? -1n)) refused.push(event);
        else rows.set(id, position);
        handled.push(event);
      }
    }
    return startApp({
      options: {
        servers: server().url,
        group: this.group,
        topics: { [topic]: { consume: { partitions, leaseTtlMs: 1_500 } } },
      },
      publishers: [topic],
      controllers: [Handler],
    });
  }

  async publish(app: INestApplication, from: number, count: number, ids = IDS): Promise<void> {
    for (let n = from; n < from + count; n++)
      await publisherOf(app, this.topic).publish({
        aggregateId: ids[n % ids.length]!,
        type: 'Counted',
        payload: { n },
      });
  }

  async hasHandled(count: number): Promise<void> {
    await eventually(`${count} events to be handled`, () => this.handled.length >= count);
  }

  of(id: string): Handled[] {
    return this.handled.filter((one) => one.id === id);
  }
}

test('the history of one aggregate is handled again under load: in order, above all before, and no other is', async () => {
  const service = new Service('replays');
  const apps = [await service.start(), await service.start()];
  try {
    await service.publish(apps[0]!, 0, 80);
    await service.hasHandled(80);
    const load = { isOver: false };
    const loaded = (async () => {
      let n = 80;
      while (!load.isOver) await service.publish(apps[0]!, n++, 1);
      return n;
    })();
    const replayed = await cli(
      ...['group', 'reset', 'replays', 'billing', '--to', 'start'],
      ...['--aggregate', 'order 2', '--yes', '--json'],
    );
    expect(replayed).toMatchObject({ code: 0, output: expect.stringContaining('"outcome":"unparked"') });
    load.isOver = true;
    const published = await loaded;
    const again = service.handled.filter(({ isReplay }) => isReplay);
    await service.hasHandled(published + again.length);
    expect(new Set(again.map(({ id }) => id))).toEqual(new Set(['order 2']));
    expect(again.slice(0, 20).map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, i) => 1 + 4 * i));
    expect(service.refused).toEqual([]);
    for (const id of IDS) {
      const positions = service.of(id).map(({ position }) => position);
      expect(positions).toEqual(positions.toSorted((a, b) => (a < b ? -1 : 1)));
      const ns = service
        .of(id)
        .filter(({ isReplay }) => !isReplay)
        .map(({ n }) => n);
      expect(ns).toEqual(Array.from({ length: ns.length }, (_, i) => IDS.indexOf(id) + 4 * i));
    }
  } finally {
    await Promise.all(apps.map((app) => app.close()));
  }
}, 60_000);

test('a replay that fails parks its aggregate, and a retry continues it before the letters', async () => {
  const service = new Service('failing-replays');
  const app = await service.start();
  try {
    await service.publish(app, 0, 12);
    await service.hasHandled(12);
    service.fails = (id, n) => id === 'order 1' && n === 4;
    const failed = await cli(
      ...['group', 'reset', 'failing-replays', 'billing', '--to', 'start'],
      ...['--aggregate', 'order 1', '--yes'],
    );
    expect(failed).toMatchObject({ code: 1, output: expect.stringContaining('no stock') });
    await service.publish(app, 12, 4);
    const shown = await cli('aggregate', 'show', '--topic', 'failing-replays', 'order 1');
    expect(shown.output).toMatch(/billing +\d +\S+ +\d+ +\S.* parked \d+ to \d+ +\d .*no stock/);
    service.fails = () => false;
    const at = ['--topic', 'failing-replays', '--group', 'billing'];
    expect(await cli('parked', 'retry', ...at, 'order 1')).toMatchObject({ code: 0 });
    expect(service.of('order 1').map(({ n, isReplay }) => [n, isReplay])).toEqual([
      ...[0, 4, 8].map((n) => [n, false]),
      ...[0, 4, 8].map((n) => [n, true]),
      [12, false],
    ]);
    expect(service.refused).toEqual([]);
  } finally {
    await app.close();
  }
}, 60_000);

test('letters whose events the stream has dropped are the only copy: a replay does not begin, and a retry brings them', async () => {
  const service = new Service('dropped-replays');
  const app = await service.start();
  try {
    service.fails = (id) => id === 'order 1';
    await service.publish(app, 0, 12);
    const parked = ['parked', 'show', 'dropped-replays/billing/order 1', '--json'];
    await eventually('three letters', async () => (await cli(...parked)).output.split('\n').length === 4);
    service.fails = () => false;
    const nats = await connect({ servers: server().url });
    await (await nats.jetstreamManager()).streams.purge('dropped-replays', { seq: 8 });
    await nats.close();
    const reset = ['group', 'reset', 'dropped-replays', 'billing', '--to', 'start', '--aggregate', 'order 1'];
    expect(await cli(...reset, '--yes')).toMatchObject({
      code: 1,
      output: expect.stringContaining('the stream has dropped the event of its first letter: retry, skip or'),
    });
    expect(service.of('order 1')).toEqual([]);
    expect(await cli('parked', 'retry', 'dropped-replays/billing/order 1')).toMatchObject({ code: 0 });
    expect(service.of('order 1').map(({ n }) => n)).toEqual([0, 4, 8]);
  } finally {
    await app.close();
  }
}, 60_000);

test('without a replica the wish stands, can be taken back, and is carried out by the next owner', async () => {
  const service = new Service('unowned-replays');
  const app = await service.start();
  await service.publish(app, 0, 8);
  await service.hasHandled(8);
  await app.close();
  const reset = ['group', 'reset', 'unowned-replays', 'billing', '--aggregate', 'order 3'];
  const ask = [...reset, '--to', 'start', '--yes', '--wait', '300'];
  expect(await cli(...ask)).toMatchObject({ code: 1, output: expect.stringContaining('the command stands') });
  expect(await cli(...reset, '--cancel')).toMatchObject({
    code: 0,
    output: expect.stringContaining('cancelled'),
  });
  expect(await cli(...reset, '--cancel')).toMatchObject({ code: 1 });
  expect(await cli(...ask)).toMatchObject({ code: 1 });
  const later = await service.start();
  try {
    await service.hasHandled(10);
    expect(service.of('order 3').map(({ n }) => n)).toEqual([2, 6, 2, 6]);
    expect(
      await later.get(Aggregates).withdrawReplay({ topic: 'unowned-replays', aggregateId: 'order 3' }),
    ).toBe(false);
  } finally {
    await later.close();
  }
}, 60_000);

test('what is asked for wrongly is refused before anything is written', async () => {
  const reset = ['group', 'reset', 'replays', 'unknown', '--aggregate', 'order 3', '--yes'];
  expect(await cli(...reset, '--to', 'end')).toMatchObject({ code: 2 });
  expect(await cli(...reset, '--to', 'start', '--partitions', '4')).toMatchObject({ code: 2 });
  expect(await cli(...reset, '--to', 'start')).toMatchObject({
    code: 1,
    output: expect.stringContaining('expected group "unknown" to have started'),
  });
  expect(await cli(...reset, '--to', 'start', '--dry-run')).toMatchObject({ code: 1 });
  // A name that is mistyped: no owner pauses for it, and no run grows.
  const typo = ['group', 'reset', 'unowned-replays', 'billing', '--to', 'start', '--aggregate', 'odrer 3'];
  expect(await cli(...typo, '--yes')).toMatchObject({
    code: 1,
    output: expect.stringContaining('nothing was done: the stream holds no event of it'),
  });
  expect(await cli('parked', 'list', '--topic', 'unowned-replays')).toMatchObject({
    output: 'no aggregate is parked\n',
  });
  for (const verb of ['show', 'purge'])
    expect(await cli('aggregate', verb, '--topic', 'odrers', 'order 3')).toMatchObject({
      code: 1,
      errors: expect.stringContaining('STREAM_MISSING: expected a stream "odrers" for the topic'),
    });
}, 60_000);

test('an aggregate is purged from stream, letters and markers of every group, and none counts it as lost', async () => {
  const topic = 'purged';
  const [billing, mails] = [new Service(topic), new Service(topic, 'mails', 1)];
  const [app, other] = [await billing.start(), await mails.start()];
  try {
    mails.fails = (id, n) => id === 'order 2' && n >= 9;
    await billing.publish(app, 0, 40);
    await billing.hasHandled(40);
    await mails.hasHandled(32);
    const purge = ['aggregate', 'purge', '--topic', topic, 'order 2'];
    await eventually('mails to have settled everything', async () => {
      const { output } = await cli('aggregate', 'show', '--topic', topic, 'order 2', '--json');
      return output.split('\n').filter((line) => line.includes('"waiting":0')).length === 2;
    });
    const shown = await cli('aggregate', 'show', '--topic', topic, 'order 2', '--payloads');
    expect(shown).toMatchObject({ code: 0, output: expect.stringContaining('{"n":37}') });
    expect(shown.output).toMatch(/mails +0 +\S+ +38 +0 +parked +8 .*no stock/);
    expect(await cli(...purge, '--dry-run')).toMatchObject({
      code: 0,
      output: expect.stringContaining('10 events in the stream; letters: mails 8; parked in: mails'),
    });
    expect(await cli(...purge)).toMatchObject({ code: 2, errors: expect.stringContaining('not confirmed') });
    expect(await cli(...purge, '--yes')).toMatchObject({
      code: 0,
      output: expect.stringContaining('purged 10 events and 8 letters, live again in 1 group'),
    });
    expect(await cli('aggregate', 'show', '--topic', topic, 'order 2')).toMatchObject({ code: 1 });
    // Run again it finds nothing.
    expect(await cli(...purge, '--yes', '--json')).toMatchObject({
      code: 0,
      output: expect.stringContaining('"events":0,"letters":0,"markers":0'),
    });
    // A reader of the stream does not find the events, and knows that they are not lost.
    for (const group of ['billing', 'mails'])
      expect(await cli('group', 'reset', topic, group, '--to', 'start', '--yes')).toMatchObject({ code: 0 });
    await billing.hasHandled(70);
    await mails.hasHandled(62);
    const third = new Service(topic, 'third', 1);
    const late = await third.start();
    await third.hasHandled(30);
    for (const one of [app, other, late]) {
      const { topics } = await one.get(AggregateTransportStatus).snapshot();
      const partitions = topics.flatMap(({ groups }) => groups.flatMap((group) => group.partitions));
      expect(partitions.reduce((sum, { counts }) => sum + counts.lost, 0)).toBe(0);
    }
    await late.close();
    await withStreams([topic, `${topic}_parked`, 'KV_aggregate-transport-parked'], (subjects) =>
      expect(subjects.filter((subject) => subject.includes('b3JkZXIgMg'))).toEqual([]),
    );
  } finally {
    await Promise.all([app.close(), other.close()]);
  }
}, 60_000);

test('a purge that is killed at any step, under load, is run again and removes what is left', async () => {
  const topic = 'killed-purge';
  const steps = ['unparked', 'noted', 'events purged', 'letters purged'];
  const gone = steps.map((_, index) => `gone ${index}`);
  const service = new Service(topic);
  // One of the aggregates is parked each time.
  service.fails = (id, n) => id.startsWith('gone') && n >= 8;
  const app = await service.start();
  try {
    const end = new AbortController();
    await service.publish(app, 0, 12, gone);
    await service.hasHandled(8);
    let n = 0;
    const load = (async () => {
      while (!end.signal.aborted) await service.publish(app, n++, 1);
    })();
    for (const [index, step] of steps.entries()) {
      const id = gone[index]!;
      const args = ['aggregate', 'purge', '--topic', topic, id, '--yes', '--server', server().url];
      await eventually(`${id} to be settled`, async () => {
        const { output } = await cli('aggregate', 'show', '--topic', topic, id, '--json');
        return output.includes('"waiting":0');
      });
      const killed = await runCommand({ args, ...testBuild({ stopAt: `kill:purge: ${step}` }) });
      expect([step, killed.code]).toEqual([step, -1]);
      const again = await runCommand({ args });
      expect([step, again.code, again.errors]).toEqual([step, 0, '']);
    }
    end.abort();
    await load;
    await service.hasHandled(8 + n);
    const { topics } = await app.get(AggregateTransportStatus).snapshot();
    const partitions = topics.flatMap(({ groups }) => groups.flatMap((group) => group.partitions));
    expect(partitions.reduce((sum, { counts }) => sum + counts.lost, 0)).toBe(0);
    const numbersOf = (id: string): number[] => service.of(id).map((one) => one.n);
    for (const id of IDS) expect(numbersOf(id)).toEqual(numbersOf(id).toSorted((a, b) => a - b));
    await withStreams([topic, `${topic}_parked`, 'KV_aggregate-transport-parked'], (subjects) =>
      expect(subjects.filter((subject) => gone.some((id) => subject.includes(tokenOf(id))))).toEqual([]),
    );
    // A group that reads all of it again counts none of them as lost.
    const third = new Service(topic, 'third', 1);
    const late = await third.start();
    await third.hasHandled(n);
    const snapshot = await late.get(AggregateTransportStatus).snapshot();
    const counts = snapshot.topics.flatMap(({ groups }) => groups.flatMap((group) => group.partitions));
    expect(counts.map((partition) => partition.counts.lost)).toEqual([0]);
    await late.close();
  } finally {
    await app.close();
  }
}, 60_000);

test('an aggregate is not purged while a group has not handled it', async () => {
  const service = new Service('unsettled');
  const app = await service.start();
  await service.publish(app, 0, 4);
  await service.hasHandled(4);
  await app.close();
  const publisher = new Service('unsettled', 'other');
  const other = await publisher.start();
  try {
    await publisher.publish(other, 4, 4);
    await publisher.hasHandled(8);
    const aggregates = other.get(Aggregates);
    const address = { topic: 'unsettled', aggregateId: 'order 1' };
    await expect(aggregates.purge(address)).rejects.toMatchObject({
      code: 'AGGREGATE_UNSETTLED',
      message: expect.stringContaining('billing (1, from sequence 5)'),
    });
    expect((await aggregates.planPurge(address)).events).toBe(2);
    const places = await aggregates.places(address);
    expect(places.map(({ group, waiting, settledThrough }) => [group, waiting, settledThrough])).toEqual(
      expect.arrayContaining([
        ['billing', 1, 1],
        ['other', 0, 5],
      ]),
    );
    await service.start().then((again) => service.hasHandled(8).then(() => again.close()));
    expect(await aggregates.purge(address)).toMatchObject({ events: 2, letters: 0, storedSince: 0 });
  } finally {
    await other.close();
  }
}, 60_000);

async function withStreams(names: string[], check: (subjects: string[]) => void): Promise<void> {
  const nats = await connect({ servers: server().url });
  try {
    const manager = await nats.jetstreamManager();
    for (const name of names) {
      const info = await manager.streams.info(name, { subjects_filter: '>' });
      check(Object.keys(info.state.subjects ?? {}));
    }
  } finally {
    await nats.close();
  }
}
