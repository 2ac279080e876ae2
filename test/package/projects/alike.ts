// Whether guards, interceptors, pipes and filters do the same with and without Nest's pipeline. Copied into each
// project, so that each version of Nest is asked. Every case is called both ways, in one application.
import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  Controller,
  createParamDecorator,
  type INestMicroservice,
  type LoggerService,
  Module,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateHandler,
  AggregateId,
  type AggregatePublisher,
  AggregateServer,
  AggregateTransportModule,
  type AttemptContext,
  getAggregatePublisherToken,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { FILTERS, GUARDS, HANDLERS, INTERCEPTORS, Log, nameOf, PIPES, store } from './alike-parts.js';

/** A handler and what stands around it, by name. */
export interface Alike {
  readonly guards?: readonly string[];
  readonly interceptors?: readonly string[];
  readonly pipes?: readonly string[];
  readonly filters?: readonly string[];
  readonly handler: string;
  readonly parameters?: keyof typeof PARAMETERS;
  /** Of the class, or classes that Nest makes; else objects on the method. */
  readonly place?: 'class' | 'made by Nest' | 'global';
}

type Way = 'auto' | 'never';
const WAYS: readonly Way[] = ['auto', 'never'];
type Parameter = readonly [decorator: ParameterDecorator, index: number];

const Custom = createParamDecorator((data: unknown, host) => {
  running.getStore()?.add(`the parameter ${String(data)} is made`, host);
  if (data === 'throws') throw new RangeError('parameter');
  return data === 'later' ? Promise.resolve('later') : data;
});

const PARAMETERS = {
  usual: (): Parameter[] => [
    [Payload(), 0],
    [Ctx(), 1],
  ],
  none: (): Parameter[] => [],
  id: (): Parameter[] => [
    [AggregateId(), 2],
    [Payload(), 0],
  ],
  part: (): Parameter[] => [[Payload('name'), 0]],
  custom: (): Parameter[] => [
    [Payload(), 0],
    [Custom('value'), 1],
    [Custom('later'), 3],
  ],
  failing: (): Parameter[] => [
    [Custom('throws'), 0],
    [Custom('value'), 1],
  ],
  piped: (): Parameter[] => [
    [Payload(PIPES['another payload']!(OF_CASE, 'own pipe')), 0],
    [Ctx(), 1],
  ],
};

/** The log of the attempt that runs. */
const running = new AsyncLocalStorage<Log>();
const OF_CASE = { add: (...line) => running.getStore()?.add(...line) } as Log;

interface Enhancers {
  readonly guard: readonly object[];
  readonly interceptor: readonly object[];
  readonly pipe: readonly object[];
  readonly filter: readonly object[];
}

function enhancersOf({ guards = [], interceptors = [], pipes = [], filters = [] }: Alike): Enhancers {
  return {
    guard: guards.map((kind, at) => GUARDS[kind]!(OF_CASE, `guard ${at}`)),
    interceptor: interceptors.map((kind, at) => INTERCEPTORS[kind]!(OF_CASE, `interceptor ${at}`)),
    pipe: pipes.map((kind, at) => PIPES[kind]!(OF_CASE, `pipe ${at}`)),
    filter: filters.map((kind, at) => FILTERS[kind]!(OF_CASE, `filter ${at}`)),
  };
}

/** A class whose instances do what the object does. */
function classOf(enhancer: object): Type {
  class Made {
    readonly like = enhancer;
  }
  for (const name of ['canActivate', 'intercept', 'transform', 'catch'] as const) {
    const method = (enhancer as Partial<Record<string, (...args: unknown[]) => unknown>>)[name];
    if (method !== undefined) Object.assign(Made.prototype, { [name]: method.bind(enhancer) });
  }
  const prototype = Object.getPrototypeOf(enhancer) as object;
  for (const key of Reflect.getMetadataKeys(prototype) as unknown[])
    for (const target of [Made, Made.prototype])
      Reflect.defineMetadata(key, Reflect.getMetadata(key, prototype), target);
  return Made;
}

function controllerOf(alike: Alike, topic: Way, type: string): Type {
  let calls = 0;
  class Handlers {
    on(...args: unknown[]): unknown {
      const given = args.map((one) =>
        typeof one === 'object' && one !== null && 'topic' in one ? 'context' : one,
      );
      OF_CASE.add(`the method gets ${JSON.stringify(given)}`);
      return HANDLERS[alike.handler]!(OF_CASE, ++calls);
    }
  }
  const { prototype } = Handlers;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'on')!;
  Reflect.defineMetadata('design:paramtypes', [Object, Object, String, String], prototype, 'on');
  for (const [decorate, index] of PARAMETERS[alike.parameters ?? 'usual']()) decorate(prototype, 'on', index);
  AggregateHandler(topic, { type })(prototype, 'on', descriptor);
  if (alike.place !== 'global') {
    const found = enhancersOf(alike);
    const made = <T>(list: readonly object[]): T[] =>
      (alike.place === 'made by Nest' ? list.map(classOf) : list) as T[];
    for (const decorate of [
      UseGuards(...made<never>(found.guard)),
      UseInterceptors(...made<never>(found.interceptor)),
      UsePipes(...made<never>(found.pipe)),
      UseFilters(...made<never>(found.filter)),
    ])
      if (alike.place === 'class') decorate(Handlers);
      else decorate(prototype, 'on', descriptor);
  }
  Object.defineProperty(prototype, 'on', descriptor);
  Controller()(Handlers);
  return Handlers;
}

/** Adds what an attempt does to the log of its case. */
class Attempts {
  readonly logs = new Map<string, Log>();
  started = 0;
  open = 0;

  readonly around = (context: AttemptContext, next: () => Promise<void>): Promise<void> => {
    const log = this.logs.get(`${context.topic} ${context.type}`)!;
    return running.run(log, async () => {
      this.started++;
      this.open++;
      log.add(`attempt ${context.attempt}`);
      try {
        await next();
        log.add('handled');
      } catch (error) {
        log.add(`failed: ${nameOf(error)}`);
        throw error;
      } finally {
        this.open--;
      }
    });
  };

  /** Runs everything there is, with one repeat of what has failed. */
  async run(streams: TestingStreams): Promise<void> {
    for (let before = -1; before !== this.started;) {
      before = this.started;
      await streams.advance(20);
      while (this.open > 0) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        await streams.settle();
      }
      await streams.advance(20);
    }
  }
}

/** The logs of each case, one for each way. All cases are global, or none is. */
export async function runBothWays(cases: readonly Alike[]): Promise<(readonly string[])[][]> {
  const attempts = new Attempts();
  const all = WAYS.flatMap((way) => cases.map((alike, at) => ({ way, alike, type: `case${at}` })));
  for (const { way, type } of all) attempts.logs.set(`${way} ${type}`, new Log());
  const ways: string[] = [];
  const skip = (): void => undefined;
  const debug = (text: unknown): void => void ways.push(String(text));
  const logger: LoggerService = { log: skip, warn: skip, error: skip, debug };
  const consume = (directCalls: Way) => ({
    directCalls,
    around: attempts.around,
    retry: { attempts: 2, firstDelayMs: 1, maxDelayMs: 86_400_000, jitter: 0 },
    breaker: { parked: 1_000_000 },
    classify: ({
      stage,
      error,
      attempt,
      type,
    }: {
      stage: string;
      error: unknown;
      attempt: number;
      type?: string | undefined;
    }) => {
      // The topic is not told: both ways are classified in turn, each by its own function.
      attempts.logs.get(`${directCalls} ${type}`)?.add(`classified: ${stage}, ${nameOf(error)}`);
      return attempt > 1 ? ('skip' as const) : undefined;
    },
    onExhausted: 'skip' as const,
  });

  @Module({
    imports: [
      AggregateTransportTestingModule.forRoot({
        group: 'alike',
        topics: { auto: { consume: consume('auto') }, never: { consume: consume('never') } },
      }),
      AggregateTransportModule.forFeature(['auto', 'never']),
    ],
    controllers: all.map(({ way, alike, type }) => controllerOf(alike, way, type)),
  })
  class AlikeModule {}

  const app = await NestFactory.createMicroservice(AlikeModule, {
    inject: [AggregateServer],
    useFactory: (strategy: AggregateServer) => ({ strategy }),
    logger,
    abortOnError: false,
  });
  const [first] = cases;
  if (first?.place === 'global') useGlobally(app, first);
  await app.listen();
  for (const { way, type } of all) {
    const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken(way));
    void publisher.publish({ aggregateId: type, type, payload: { name: 'payload' } });
  }
  await store.run('outside', () => attempts.run(app.get(TestingStreams)));
  const direct = ways.filter((line) => / of topic "auto" is called directly/.test(line)).length;
  if (direct !== cases.length) throw new Error(`expected ${cases.length} direct handlers, found ${direct}`);
  await app.close();
  return cases.map((_alike, at) => WAYS.map((way) => attempts.logs.get(`${way} case${at}`)!.lines));
}

function useGlobally(app: INestMicroservice, alike: Alike): void {
  const { guard, interceptor, pipe, filter } = enhancersOf(alike);
  app.useGlobalGuards(...(guard as never[]));
  app.useGlobalInterceptors(...(interceptor as never[]));
  app.useGlobalPipes(...(pipe as never[]));
  app.useGlobalFilters(...(filter as never[]));
}
