import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { type as ark } from 'arktype';
import {
  AggregateContext,
  AggregateHandler,
  AggregateServer,
  AggregateTransportStatus,
  defineTopic,
  getAggregatePublisherToken,
  ParkedAggregates,
  type PublisherOf,
  type StandardSchemaV1,
  type TopicRef,
} from 'nestjs-aggregate-transport';
import * as v from 'valibot';
import { z } from 'zod';
import { publisherOf, startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

// Needs `npm run build`: the command is built code.

const server = serverForAll();
const open: INestApplication[] = [];

afterEach(async () => {
  for (const app of open.splice(0).reverse()) await app.close();
});

interface Lines {
  readonly lines: string[];
}

/** One schema of each library that is tested: the same input, and an output that differs from it. */
const SCHEMAS: Readonly<Record<string, StandardSchemaV1<Lines, Lines & { readonly count: number }>>> = {
  zod: z.object({ lines: z.array(z.string()) }).transform(({ lines }) => ({ lines, count: lines.length })),
  valibot: v.pipe(
    v.object({ lines: v.array(v.string()) }),
    v.transform(({ lines }) => ({ lines, count: lines.length })),
  ),
  arktype: ark({ lines: 'string[]' }).pipe(({ lines }) => ({ lines, count: lines.length })),
};

const UPCAST = {
  1: ({ line }: { line: string }) => ({ line: line.toUpperCase() }),
  2: ({ line }: { line: string }) => Promise.resolve({ lines: [line] }),
};

async function serve(topic: TopicRef, name: string, controllers: Type[] = []): Promise<INestApplication> {
  const consume = { leaseTtlMs: 1_500, retry: { attempts: 1, maxDelayMs: 1_000 } };
  const app = await startApp({
    options: { servers: server().url, group: 'billing', topics: { [name]: { consume } } },
    publishers: [topic],
    ...(controllers.length === 0 ? {} : { controllers }),
  });
  open.push(app);
  return app;
}

interface Handled extends Lines {
  readonly count: number;
  readonly version: number;
  readonly isReplay: boolean;
}

test.each(Object.entries(SCHEMAS))(
  '%s: version 1 becomes 3 in publish, read, handler, letter and reset, and the stream keeps it as it was',
  async (vendor, schema) => {
    const name = `lines_${vendor}`;
    const topic = defineTopic(name, { Placed: { version: 3, schema, upcast: UPCAST } });
    const handled: Handled[] = [];
    const failing = { isOn: true };

    @Controller()
    class Handler {
      @AggregateHandler(topic, { type: 'Placed' })
      placed(@Payload() { lines, count }: Lines & { count: number }, @Ctx() ctx: AggregateContext): void {
        if (failing.isOn && ctx.aggregateId === 'parked') throw new Error('no stock');
        handled.push({ lines, count, version: ctx.version, isReplay: ctx.isReplay });
      }
    }
    const app = await serve(topic, name, [Handler]);
    const publisher = app.get<PublisherOf<typeof topic>>(getAggregatePublisherToken(topic));
    const old = (aggregateId: string, line: unknown) =>
      publisherOf(app, name).publish({ aggregateId, type: 'Placed', version: 1, payload: { line } });
    const bad = await old('live', 5).catch((error: unknown) => error as { code: string });
    expect(bad).toMatchObject({ code: 'EVENT_INVALID' });
    await old('live', 'a');
    await publisher.publish({ aggregateId: 'live', type: 'Placed', payload: { lines: ['b', 'c'] } });
    await old('parked', 'd');
    await eventually('the live events to be handled', () => handled.length === 2);
    const first = { lines: ['A'], count: 1, version: 3, isReplay: false };
    const second = { lines: ['b', 'c'], count: 2, version: 3, isReplay: false };
    expect(handled).toEqual([first, second]);

    const history: unknown[] = [];
    for await (const { version, payload } of publisher.read('live')) history.push([version, payload]);
    expect(history).toEqual([
      [3, { lines: ['A'], count: 1 }],
      [3, { lines: ['b', 'c'], count: 2 }],
    ]);

    const parked = app.get(ParkedAggregates);
    const address = { topic, aggregateId: 'parked' };
    await eventually('the aggregate to be parked', async () => (await parked.list({ topic })).length === 1);
    for await (const { event } of parked.letters(address))
      expect(event).toMatchObject({ event_version: 1, payload: { line: 'd' } });
    failing.isOn = false;
    expect(await parked.retry(address)).toEqual({ outcome: 'unparked' });
    const letter = { lines: ['D'], count: 1, version: 3, isReplay: false };
    expect(handled[2]).toEqual(letter);

    const args = ['group', 'reset', name, 'billing', '--to', 'start', '--yes', '--server', server().url];
    expect(await runCommand({ args })).toMatchObject({ code: 0 });
    await eventually('all to be handled again', () => handled.length === 6);
    const replayed = handled.slice(3).map(({ lines, version, isReplay }) => [lines, version, isReplay]);
    // Aggregates run side by side; each keeps its own order.
    const all = [first, second, letter].map(({ lines }) => [lines, 3, true]);
    expect(replayed.toSorted()).toEqual(all.toSorted());
    const live = replayed.filter(([lines]) => String(lines) !== 'D');
    expect(live).toEqual(all.slice(0, 2));
  },
  60_000,
);

test('over a rolling deploy events of the newer version wait for it, in their order', async () => {
  const name = 'rolling';
  const schema = z.object({ lines: z.array(z.string()) });
  const older = defineTopic(name, { Placed: { version: 2, schema, upcast: { 1: (one: unknown) => one } } });
  const newer = defineTopic(name, {
    Placed: { version: 3, schema, upcast: { 1: (one: unknown) => one, 2: (one: unknown) => one } },
  });
  const handled: string[] = [];
  const handlerOf = (topic: typeof older, release: string): Type => {
    @Controller()
    class Handler {
      @AggregateHandler(topic, { type: 'Placed' })
      placed(@Payload() { lines }: Lines, @Ctx() { aggregateId, version }: AggregateContext): void {
        handled.push(`${release} ${aggregateId} ${lines.join('')} ${version}`);
      }
    }
    return Handler;
  };
  const before = await serve(older, name, [handlerOf(older, 'old')]);
  await eventually('the old release to own the partition', () =>
    before.get(AggregateServer).partitions.every(({ lease }) => lease.isValid()),
  );
  const after = await serve(newer, name, [handlerOf(newer, 'new')]);
  const [oldPublisher, newPublisher] = [publisherOf(before, name), publisherOf(after, name)];
  const event = (aggregateId: string, line: string) => ({
    ...{ aggregateId, type: 'Placed', payload: { lines: [line] } },
  });
  await oldPublisher.publish(event('a', '1'));
  await newPublisher.publish(event('a', '2'));
  await oldPublisher.publish(event('a', '3'));
  await oldPublisher.publish(event('b', '1'));
  await eventually('what the old release knows to be handled', () => handled.length === 2);
  await eventually('health to name the newer version', async () => {
    const { problems } = await before.get(AggregateTransportStatus).snapshot();
    return problems.some(({ code }) => code === 'newer-version');
  });
  expect(handled).toEqual(['old a 1 2', 'old b 1 2']);
  await before.close();
  await eventually('the rest to be handled', () => handled.length === 4);
  expect(handled.slice(2)).toEqual(['new a 2 3', 'new a 3 3']);
  const parked = await after.get(ParkedAggregates).list({ topic: newer });
  expect(parked).toEqual([]);
}, 60_000);
