import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  type AggregateBatch,
  AggregateContext,
  AggregateHandler,
  AggregateServer,
  type AggregateTransportOptions,
  ParkedAggregates,
  type ParkedLetter,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { linksOf, spanIdOf, Spans, traceIdOf } from '../../support/spans.js';

// What each publish call and each attempt tells a tracer: the real SDK on a real server.

const server = serverForAll();
let spans: Spans;
let topic: string;
let app: INestApplication | undefined;
let topics = 0;

beforeAll(() => {
  spans = new Spans();
});
afterAll(() => spans.close());
beforeEach(() => {
  topic = `traced-${++topics}`;
  spans.reset();
});
afterEach(async () => {
  await app?.close();
  app = undefined;
});

type Handle = (payload: unknown, ctx: AggregateContext) => unknown;

function controller(handle: Handle): Type {
  @Controller()
  class Handler {
    @AggregateHandler(topic, { retry: { attempts: 3, firstDelayMs: 1, jitter: 0 } })
    on(@Payload() payload: unknown, @Ctx() ctx: AggregateContext): unknown {
      return handle(payload, ctx);
    }
  }
  return Handler;
}

async function start(
  controllers?: Type[],
  more: Partial<AggregateTransportOptions> = {},
): Promise<INestApplication> {
  app = await startApp({
    options: {
      servers: server().url,
      group: 'billing',
      topics: { [topic]: {} },
      tracing: { tracer: spans.tracer },
      ...more,
    },
    publishers: Object.keys(more.topics ?? { [topic]: {} }),
    ...(controllers === undefined ? {} : { controllers }),
  });
  return app;
}

const placed = (aggregateId = 'order-1', payload: unknown = 1) => ({ aggregateId, type: 'Placed', payload });

describe('a span for each publish call and each attempt', () => {
  test('send continues the caller, process continues send, and both have the names of the conventions', async () => {
    await start([controller(() => undefined)]);
    const { span: request } = await spans.inside('request', () => publisherOf(app!, topic).publish(placed()));
    const [process] = await spans.ended(`process ${topic}`);
    const [send] = await spans.ended(`send ${topic}`);
    expect(send).toMatchObject({ kind: SpanKind.PRODUCER, status: { code: SpanStatusCode.UNSET } });
    expect(send?.attributes).toEqual({
      'messaging.system': 'nats',
      'messaging.destination.name': topic,
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'aggregate_transport.event.type': 'Placed',
      'aggregate_transport.sequence': 1,
    });
    expect(send?.parentSpanContext?.spanId).toBe(spanIdOf(request));
    expect(process).toMatchObject({ kind: SpanKind.CONSUMER, status: { code: SpanStatusCode.UNSET } });
    expect(process?.attributes).toEqual({
      'messaging.system': 'nats',
      'messaging.destination.name': topic,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.consumer.group.name': 'billing',
      'messaging.destination.partition.id': '0',
      'aggregate_transport.event.type': 'Placed',
      'aggregate_transport.sequence': 1,
      'aggregate_transport.attempt': 1,
      'aggregate_transport.outcome': 'handled',
    });
    expect(traceIdOf(process)).toBe(traceIdOf(request));
    expect(process?.parentSpanContext?.spanId).toBe(spanIdOf(send));
    expect(linksOf(process)).toEqual([spanIdOf(send)]);
  });

  test('the ids of aggregate and event are named only if it is asked for', async () => {
    await start([controller(() => undefined)], { tracing: { tracer: spans.tracer, aggregateId: true } });
    await publisherOf(app!, topic).publish({ ...placed('order-7'), eventId: 'e-7' });
    for (const [span] of [await spans.ended(`process ${topic}`), await spans.ended(`send ${topic}`)])
      expect(span?.attributes).toMatchObject({
        'aggregate_transport.aggregate.id': 'order-7',
        'messaging.message.id': 'e-7',
      });
  });

  test('baggage arrives in the handler, and in what the handler publishes', async () => {
    const seen: unknown[] = [];
    await start([
      controller(async (payload, ctx) => {
        seen.push(propagation.getActiveBaggage()?.getEntry('tenant')?.value);
        if (payload === 1) await publisherOf(app!, topic).publish(placed('order-2', 2));
        expect(ctx.headers['baggage']).toBe('tenant=north');
      }),
    ]);
    const baggage = propagation.createBaggage({ tenant: { value: 'north' } });
    await context.with(propagation.setBaggage(context.active(), baggage), () =>
      publisherOf(app!, topic).publish(placed()),
    );
    await spans.ended(`process ${topic}`, 2);
    expect(seen).toEqual(['north', 'north']);
  });
});

describe('attempts after the first', () => {
  test('a retry is a trace of its own, and links to the send span and to the attempt before', async () => {
    await start([
      controller((_payload, ctx) => {
        if (ctx.attempt < 3) throw new TypeError('the database is away');
      }),
    ]);
    await publisherOf(app!, topic).publish(placed());
    const [first, second, third] = await spans.ended(`process ${topic}`, 3);
    const [send] = await spans.ended(`send ${topic}`);
    expect([first, second, third].map((span) => span?.attributes['aggregate_transport.outcome'])).toEqual([
      'retried',
      'retried',
      'handled',
    ]);
    expect(first).toMatchObject({
      status: { code: SpanStatusCode.ERROR, message: expect.stringContaining('the database is away') },
      events: [{ name: 'exception', attributes: { 'exception.type': 'TypeError' } }],
      attributes: { 'error.type': 'TypeError', 'aggregate_transport.stage': 'handler' },
    });
    expect(first?.parentSpanContext?.spanId).toBe(spanIdOf(send));
    for (const span of [second, third]) expect(span?.parentSpanContext).toBeUndefined();
    expect(new Set([first, second, third].map(traceIdOf)).size).toBe(3);
    expect(linksOf(second)).toEqual([spanIdOf(send), spanIdOf(first)]);
    expect(linksOf(third)).toEqual([spanIdOf(send), spanIdOf(second)]);
  });

  test('a letter keeps its traces, and its replay links to them', async () => {
    let isAway = true;
    await start([
      controller(() => {
        if (isAway) throw new UnrecoverableError(new Error('no stock'));
      }),
    ]);
    const publisher = publisherOf(app!, topic);
    await publisher.publish(placed());
    const [failed] = await spans.ended(`process ${topic}`);
    const parked = app!.get(ParkedAggregates);
    const address = { topic, group: 'billing', aggregateId: 'order-1' };
    await eventually('its aggregate is parked', async () => (await parked.list({ topic })).length === 1);
    await publisher.publish(placed('order-1', 2));
    const letters: ParkedLetter[] = [];
    await eventually('two letters', async () => {
      letters.length = 0;
      for await (const letter of parked.letters(address)) letters.push(letter);
      return letters.length === 2;
    });
    const [first, second] = await spans.ended(`send ${topic}`, 2);
    expect(letters).toMatchObject([
      { traceId: traceIdOf(first), attemptTraceId: traceIdOf(failed) },
      { traceId: traceIdOf(second) },
    ]);
    expect(letters[1]).not.toHaveProperty('attemptTraceId');
    expect(await parked.list({ topic })).toMatchObject([{ traceId: traceIdOf(failed) }]);
    isAway = false;
    await parked.retry(address);
    const [, replayed, filed] = await spans.ended(`process ${topic}`, 3);
    expect(failed?.attributes).toMatchObject({
      'aggregate_transport.outcome': 'parked',
      'error.type': 'UnrecoverableError',
    });
    expect(replayed).toMatchObject({
      attributes: { 'aggregate_transport.letter': true, 'aggregate_transport.outcome': 'handled' },
    });
    expect(replayed?.parentSpanContext).toBeUndefined();
    expect(linksOf(replayed)).toEqual([spanIdOf(first), spanIdOf(failed)]);
    expect(linksOf(filed)).toEqual([spanIdOf(second)]);
  });

  test('an event without a handler that is parked has a span with the error, too', async () => {
    @Controller()
    class Other {
      @AggregateHandler(topic, { type: 'Other' })
      on(): void {
        // Not for this one.
      }
    }
    await start([Other], { consume: { onUnhandledType: 'park' } });
    await publisherOf(app!, topic).publish(placed());
    const [span] = await spans.ended(`process ${topic}`);
    const [send] = await spans.ended(`send ${topic}`);
    expect(span).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'aggregate_transport.stage': 'route', 'aggregate_transport.outcome': 'parked' },
    });
    expect(span?.parentSpanContext?.spanId).toBe(spanIdOf(send));
  });
});

test('a batch is one trace of its own that links to each of its events', async () => {
  const sizes: number[] = [];
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));

  @Controller()
  class Batches {
    @AggregateHandler(topic, { batch: 10 })
    async on(events: AggregateBatch): Promise<void> {
      sizes.push(events.length);
      await gate;
      if (events.length > 1 && !events.some(({ context: { attempt } }) => attempt > 1))
        throw new Error('all together');
    }
  }
  await start([Batches]);
  const publisher = publisherOf(app!, topic);
  await publisher.publish(placed());
  await eventually('the first event alone', () => sizes.length === 1);
  await publisher.publishAll([2, 3, 4].map((payload) => placed('order-1', payload)));
  const { partitions } = app!.get(AggregateServer);
  await eventually('three events behind it', () => partitions[0]?.consumer.load.events === 4);
  open();
  const processed = await spans.ended(`process ${topic}`, 5);
  const sent = await spans.ended(`send ${topic}`, 4);
  const [alone, batch, ...again] = processed;
  expect(alone?.parentSpanContext?.spanId).toBe(spanIdOf(sent[0]));
  expect(batch?.attributes).toMatchObject({
    'messaging.batch.message_count': 3,
    'aggregate_transport.outcome': 'retried',
  });
  expect(batch?.parentSpanContext).toBeUndefined();
  const bySequence = sent.toSorted(
    (one, other) =>
      Number(one.attributes['aggregate_transport.sequence']) -
      Number(other.attributes['aggregate_transport.sequence']),
  );
  expect(linksOf(batch)).toEqual(bySequence.slice(1).map(spanIdOf));
  // Each alone, after the batch.
  expect(linksOf(again[0])).toEqual([spanIdOf(bySequence[1]), spanIdOf(batch)]);
});

describe('publishing', () => {
  test('a publish that fails ends its span with the code, and stores no trace', async () => {
    await start();
    const publisher = publisherOf(app!, topic);
    await publisher.publish(placed());
    const wrong = { ...placed(), expectedSequence: 7 };
    await expect(publisher.publish(wrong)).rejects.toMatchObject({ code: 'SEQUENCE_CONFLICT' });
    await expect(publisher.publish({ ...placed(), aggregateId: '' })).rejects.toMatchObject({
      code: 'AGGREGATE_ID_INVALID',
    });
    const [, conflict, invalid] = await spans.ended(`send ${topic}`, 3);
    expect(conflict).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'error.type': 'SEQUENCE_CONFLICT' },
    });
    expect(invalid?.attributes['error.type']).toBe('AGGREGATE_ID_INVALID');
  });

  test("an event's own traceparent is stored as it is, and the send span links to it", async () => {
    await start([controller(() => undefined)]);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await publisherOf(app!, topic).publish({ ...placed(), headers: { Traceparent: traceparent, own: 'x' } });
    const [process] = await spans.ended(`process ${topic}`);
    const [send] = await spans.ended(`send ${topic}`);
    expect(process?.parentSpanContext).toMatchObject({ spanId: 'b7ad6b7169203331', isRemote: true });
    expect(linksOf(send)).toEqual(['b7ad6b7169203331']);
    expect(traceIdOf(send)).toBe('0af7651916cd43dd8448eb211c80319c');
    for await (const { headers } of publisherOf(app!, topic).read('order-1'))
      expect(Object.keys(headers).sort()).toEqual(['Nats-Msg-Id', 'Traceparent', 'own']);
  });

  test('an event that is as large as allowed is stored without a trace rather than refused', async () => {
    await start();
    const publisher = publisherOf(app!, topic);
    const fits = (size: number) => ({ ...placed('big', 'x'.repeat(size)), eventId: 'e' });
    const error = await publisher.publish(fits(1_100_000)).catch((failure: unknown) => failure);
    const [, limit, found] = /at most (\d+) bytes.*found (\d+)/.exec(String(error)) ?? [];
    await publisher.publish(fits(1_100_000 - (Number(found) - Number(limit))));
    for await (const { headers } of publisher.read('big'))
      expect(Object.keys(headers)).toEqual(['Nats-Msg-Id']);
    await expect(publisher.publish(fits(1_100_001 - (Number(found) - Number(limit))))).rejects.toMatchObject({
      code: 'EVENT_TOO_LARGE',
    });
  });
});

test('what a handler publishes is its child, for many aggregates at once, and nothing leaks between them', async () => {
  const target = `${topic}-out`;
  const wrong: string[] = [];
  const check = (ctx: AggregateContext): void => {
    const active = trace.getSpan(context.active()) as unknown as { attributes: Record<string, unknown> };
    if (active.attributes['aggregate_transport.aggregate.id'] !== ctx.aggregateId)
      wrong.push(ctx.aggregateId);
  };
  await start(
    [
      controller(async (payload, ctx) => {
        check(ctx);
        await new Promise((resolve) => setImmediate(resolve));
        check(ctx);
        await ctx.publish(publisherOf(app!, target), { ...placed(ctx.aggregateId, payload) });
        check(ctx);
      }),
    ],
    {
      tracing: { tracer: spans.tracer, aggregateId: true },
      topics: { [topic]: {}, [target]: {} },
    },
  );
  const ids = Array.from({ length: 200 }, (_, index) => `order-${index}`);
  await publisherOf(app!, topic).publishAll(ids.flatMap((id) => [placed(id), placed(id, 2)]));
  const processed = await spans.ended(`process ${topic}`, 400);
  const sent = await spans.ended(`send ${target}`, 400);
  expect(wrong).toEqual([]);
  const byId = new Map(processed.map((span) => [spanIdOf(span), span]));
  const misplaced = sent.filter(
    ({ parentSpanContext, attributes }) =>
      byId.get(parentSpanContext?.spanId)?.attributes['aggregate_transport.aggregate.id'] !==
      attributes['aggregate_transport.aggregate.id'],
  );
  expect(misplaced).toEqual([]);
  expect(new Set(sent.map(({ parentSpanContext }) => parentSpanContext?.spanId)).size).toBe(400);
});
