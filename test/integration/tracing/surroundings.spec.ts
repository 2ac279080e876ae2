import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Controller, Get, type INestApplication, type Type, UseGuards } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { context, trace } from '@opentelemetry/api';
import { NestInstrumentation } from '@opentelemetry/instrumentation-nestjs-core';
import {
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import {
  AggregateContext,
  AggregateHandler,
  type AggregateTransportOptions,
  type TracePropagator,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { spanIdOf, Spans, traceIdOf } from '../../support/spans.js';

// Tracing beside what an application has: samplers, pipelines, other instrumentation, and tracers that fail.

const server = serverForAll();
let spans: Spans | undefined;
let app: INestApplication | undefined;
let topic: string;
let topics = 0;

beforeEach(() => {
  topic = `around-${++topics}`;
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  await spans?.close();
  spans = undefined;
});

const placed = (aggregateId = 'order-1', payload: unknown = 1) => ({ aggregateId, type: 'Placed', payload });

function controller(handle: (ctx: AggregateContext) => unknown, ...decorators: MethodDecorator[]): Type {
  class Handler {
    on(ctx: AggregateContext): unknown {
      return handle(ctx);
    }
  }
  const { prototype } = Handler;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'on')!;
  Ctx()(prototype, 'on', 0);
  AggregateHandler(topic, { retry: { attempts: 2, firstDelayMs: 1, jitter: 0 } })(
    prototype,
    'on',
    descriptor,
  );
  for (const decorate of decorators) decorate(prototype, 'on', descriptor);
  Object.defineProperty(prototype, 'on', descriptor);
  Controller()(Handler);
  return Handler;
}

async function start(
  options: Partial<AggregateTransportOptions>,
  controllers: Type[],
  logger?: CapturedLog,
): Promise<INestApplication> {
  app = await startApp({
    options: { servers: server().url, group: 'billing', topics: { [topic]: {} }, ...options },
    publishers: [topic],
    controllers,
    ...(logger && { logger }),
  });
  return app;
}

describe('a sampler', () => {
  const unsampled = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 0 };
  const inUnsampled = <T>(run: () => Promise<T>): Promise<T> =>
    context.with(trace.setSpanContext(context.active(), unsampled), run);

  test('is not asked for an event whose trace is not recorded; its trace continues all the same', async () => {
    spans = new Spans();
    const seen: unknown[] = [];
    const traceparents: unknown[] = [];
    await start({ tracing: { tracer: spans.tracer } }, [
      controller((ctx) => {
        seen.push(trace.getSpanContext(context.active()));
        traceparents.push(ctx.headers['traceparent']);
        if (ctx.attempt === 1) throw new Error('again');
      }),
    ]);
    await inUnsampled(() => publisherOf(app!, topic).publish(placed()));
    await eventually('two attempts', () => seen.length === 2);
    const named = { traceId: 'a'.repeat(32), traceFlags: 0 };
    expect(seen).toMatchObject([named, named]);
    expect(traceparents[0]).toMatch(/^00-a{32}-[0-9a-f]{16}-00$/);
    expect(spans.all).toEqual([]);
  });

  test.each<[string, Sampler]>([
    ['records all', new AlwaysOnSampler()],
    ['records by ratio, without a look at the parent', new TraceIdRatioBasedSampler(1)],
  ])('that %s is asked all the same', async (_name, sampler) => {
    spans = new Spans(sampler);
    await start({ tracing: { tracer: spans.tracer } }, [controller(() => undefined)]);
    await inUnsampled(() => publisherOf(app!, topic).publish(placed()));
    await spans.ended(`process ${topic}`);
    await spans.ended(`send ${topic}`);
  });

  test('that goes by links records the retries of a recorded event, as docs/tracing.md shows', async () => {
    const linked: Sampler = {
      // eslint-disable-next-line max-params -- the SDK's signature
      shouldSample: (_context, _traceId, _name, _kind, _attributes, links) => ({
        decision: links.some(({ context: { traceFlags } }) => (traceFlags & 1) === 1)
          ? SamplingDecision.RECORD_AND_SAMPLED
          : SamplingDecision.NOT_RECORD,
      }),
      toString: () => 'linked',
    };
    spans = new Spans(new ParentBasedSampler({ root: linked }));
    const handled: number[] = [];
    await start({ tracing: { tracer: spans.tracer } }, [
      controller((ctx) => {
        if (ctx.attempt === 1) throw new Error('again');
        handled.push(ctx.sequence);
      }),
    ]);
    const publisher = publisherOf(app!, topic);
    await publisher.publish(placed('unsampled'));
    const sampled = { ...unsampled, traceFlags: 1 };
    await context.with(trace.setSpanContext(context.active(), sampled), () => publisher.publish(placed()));
    await eventually('both handled', () => handled.length === 2);
    const attempts = await spans.ended(`process ${topic}`, 2);
    expect(attempts.map(({ attributes }) => attributes['aggregate_transport.sequence'])).toEqual([2, 2]);
  });
});

test.each<[string, Partial<AggregateTransportOptions>, MethodDecorator[]]>([
  ['a direct call', {}, []],
  ["Nest's pipeline", { consume: { directCalls: 'never' } }, []],
  ['the own pipeline', {}, [UseGuards({ canActivate: () => true })]],
  ['consume.around', { consume: { around: (_ctx, next) => next() } }, []],
])('the span is active inside the handler, through %s', async (_way, options, decorators) => {
  spans = new Spans();
  const active: unknown[] = [];
  const handle = async (): Promise<void> => {
    active.push(spanIdOf(trace.getActiveSpan() as never));
    await new Promise((resolve) => setImmediate(resolve));
    active.push(spanIdOf(trace.getActiveSpan() as never));
  };
  await start({ ...options, tracing: { tracer: spans.tracer } }, [controller(handle, ...decorators)]);
  await publisherOf(app!, topic).publish(placed());
  const [process] = await spans.ended(`process ${topic}`);
  expect(active).toEqual([spanIdOf(process), spanIdOf(process)]);
});

test('parked show tells the trace of the attempt that failed', async () => {
  spans = new Spans();
  await start({ tracing: { tracer: spans.tracer } }, [
    controller(() => {
      throw new UnrecoverableError(new Error('no stock'));
    }),
  ]);
  await publisherOf(app!, topic).publish(placed());
  const [failed] = await spans.ended(`process ${topic}`);
  const show = (...more: string[]) =>
    runCommand({
      args: [
        ...['parked', 'show', '--topic', topic, '--group', 'billing', 'order-1'],
        ...['--server', server().url, ...more],
      ],
    });
  await eventually('its letter', async () => (await show('--json')).code === 0);
  expect((await show()).output).toMatch(new RegExp(`TRACE[\\s\\S]*${traceIdOf(failed)}`));
  expect(JSON.parse((await show('--json')).output)).toMatchObject({
    traceId: traceIdOf(failed),
    attemptTraceId: traceIdOf(failed),
  });
});

test('a publish in an HTTP handler is a child of the span of Nest’s auto-instrumentation', async () => {
  spans = new Spans();
  // It hooks into require, and Nest 12 is ESM: its patches are applied to the same modules by hand.
  const instrumentation = new NestInstrumentation();
  const modules = instrumentation.getModuleDefinitions();
  const file = modules[0]?.files.find(({ name }) => name.includes('router-execution-context'));
  const exported = (await import('@nestjs/core/router/router-execution-context.js')) as object;
  file?.patch(exported, '11.0.0');

  @Controller()
  class Shop {
    @Get('place')
    async place(): Promise<string> {
      await publisherOf(app!, topic).publish(placed());
      return 'placed';
    }
  }
  try {
    await start({ tracing: { tracer: spans.tracer } }, [Shop, controller(() => undefined)]);
    await app!.listen(0, '127.0.0.1');
    expect(await (await fetch(`${await app!.getUrl()}/place`)).text()).toBe('placed');
    const [process] = await spans.ended(`process ${topic}`);
    const [send] = spans.named(`send ${topic}`);
    const [request] = spans.named('place');
    expect(send?.parentSpanContext?.spanId).toBe(spanIdOf(request));
    expect(traceIdOf(process)).toBe(traceIdOf(request));
  } finally {
    file?.unpatch(exported);
    instrumentation.disable();
  }
});

describe('a tracer that fails', () => {
  const fail = (): never => {
    throw new Error('the tracer is broken');
  };
  const broken = new Proxy({}, { get: () => fail }) as never;
  const twice: TracePropagator = {
    inject: (_context, carrier) =>
      void Object.assign(carrier as object, { 'Nats-Msg-Id': 'x', bad: 'a\r\nb' }),
    extract: () => undefined as never,
    fields: () => ['traceparent'],
  };
  const tracers: [string, () => AggregateTransportOptions['tracing']][] = [
    ['throws in startSpan', () => ({ tracer: { startSpan: fail } })],
    ['gives no span', () => ({ tracer: { startSpan: () => undefined as never } })],
    ['gives a span whose every call throws', () => ({ tracer: { startSpan: () => broken } })],
    ['has a propagator that throws', () => ({ tracer: spans!.tracer, propagator: broken })],
    ['has a propagator that answers nonsense', () => ({ tracer: spans!.tracer, propagator: twice })],
  ];

  test.each(tracers)(
    '%s: changes no order and loses nothing, and is logged at most once',
    async (_name, tracing) => {
      spans = new Spans();
      const log = new CapturedLog();
      const handled: string[] = [];
      const attempts = new Map<number, number>();
      await start(
        { tracing: tracing()! },
        [
          controller((ctx) => {
            attempts.set(ctx.sequence, ctx.attempt);
            if (ctx.attempt === 1 && ctx.sequence % 3 === 0) throw new Error('again');
            handled.push(`${ctx.aggregateId} ${ctx.sequence}`);
          }),
        ],
        log,
      );
      const ids = ['a', 'b', 'c', 'd'];
      const events = Array.from({ length: 40 }, (_, index) => placed(ids[index % ids.length], index));
      const receipts = await publisherOf(app!, topic).publishAll(events);
      await eventually('all handled', () => handled.length === events.length);
      for (const [index, id] of ids.entries()) {
        const sequences = receipts
          .filter((_, at) => at % ids.length === index)
          .map(({ sequence }) => sequence);
        expect(handled.filter((one) => one.startsWith(`${id} `))).toEqual(
          sequences.map((one) => `${id} ${one}`),
        );
      }
      expect(log.matching(/expected a tracer that does not throw/).length).toBeLessThanOrEqual(1);
      expect(log.matching(/^error /).filter((line) => !line.includes('expected a tracer'))).toEqual([]);
    },
  );

  test('a context manager that throws, or calls twice, runs each handler once', async () => {
    spans = new Spans();
    const log = new CapturedLog();
    const handled: number[] = [];
    await start(
      { tracing: { tracer: spans.tracer } },
      [controller((ctx) => void handled.push(ctx.sequence))],
      log,
    );
    context.disable();
    context.setGlobalContextManager({
      active: () => ({}) as never,
      with: ((_context: unknown, run: () => unknown) => {
        run();
        run();
        throw new Error('the context manager is broken');
      }) as never,
      bind: (_context, target) => target,
      enable: () => undefined as never,
      disable: () => undefined as never,
    });
    for (const payload of [1, 2, 3]) await publisherOf(app!, topic).publish(placed('order-1', payload));
    await eventually('all handled', () => handled.length >= 3);
    await publisherOf(app!, topic).flush();
    expect(handled).toEqual([1, 2, 3]);
    expect(log.matching(/expected a tracer that does not throw/)).toHaveLength(1);
  });
});

test('a start without an SDK says what is missing', async () => {
  const log = new CapturedLog();
  await start({ tracing: { tracer: trace.getTracer('none') } }, [controller(() => undefined)], log);
  expect(
    log.matching(/expected a context manager and a propagator because option tracing is set/),
  ).toHaveLength(1);
});
