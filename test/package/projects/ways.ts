// Which handlers are called directly; copied into each project, so that each version of Nest is asked.
import 'reflect-metadata';
import {
  type CanActivate,
  Catch,
  Controller,
  createParamDecorator,
  type ExceptionFilter,
  type INestApplication,
  type INestMicroservice,
  Injectable,
  type LoggerService,
  Module,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
  Scope,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateHandler,
  AggregateId,
  AggregateServer,
  AggregateTransportModule,
  type ConsumeOptions,
} from 'nestjs-aggregate-transport';

class Guard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}
class AsItIs implements PipeTransform {
  transform(value: unknown): unknown {
    return value;
  }
}
const passOn: NestInterceptor = { intercept: (_context, next) => next.handle() };
class PassOn implements NestInterceptor {
  intercept = passOn.intercept.bind(passOn);
}
@Catch()
class Rethrow implements ExceptionFilter {
  catch(error: unknown): never {
    throw error;
  }
}
@Injectable({ scope: Scope.REQUEST })
class GuardOfRequest extends Guard {}
@Injectable({ scope: Scope.REQUEST })
class OfRequest {}
@Injectable({ scope: Scope.TRANSIENT })
class TransientGuard extends Guard {}
class PassOnOfRequest extends PassOn {}
Injectable()(PassOnOfRequest);
Reflect.defineMetadata('design:paramtypes', [OfRequest], PassOnOfRequest);
class StaticGuard {
  readonly isNoGuard = true;
}
Object.assign(StaticGuard, { canActivate: () => true });
const Custom = createParamDecorator(() => 1);

type Parameter = readonly [decorator: ParameterDecorator, index: number];
const USUAL: readonly Parameter[] = [
  [Payload(), 0],
  [Ctx(), 1],
];

interface Decorated {
  readonly parameters?: readonly Parameter[];
  readonly onMethod?: readonly MethodDecorator[];
  readonly onClass?: readonly ClassDecorator[];
  readonly injects?: readonly Type[];
}

/** A controller with one handler. The first decorator in the list is the nearest to the method. */
function controller({ parameters = USUAL, onMethod = [], onClass = [], injects = [] }: Decorated = {}): Type {
  class Handlers {
    readonly #seen: number[] = [];

    on(...args: unknown[]): void {
      this.#seen.push(args.length);
    }
  }
  const { prototype } = Handlers;
  for (const [decorate, index] of parameters) decorate(prototype, 'on', index);
  let descriptor = Object.getOwnPropertyDescriptor(prototype, 'on') as PropertyDescriptor;
  for (const decorate of [AggregateHandler('t'), ...onMethod])
    descriptor = (decorate(prototype, 'on', descriptor) as PropertyDescriptor | undefined) ?? descriptor;
  Object.defineProperty(prototype, 'on', descriptor);
  for (const decorate of onClass) decorate(Handlers);
  Controller()(Handlers);
  Reflect.defineMetadata('design:paramtypes', injects, Handlers);
  return Handlers;
}

/** Replaces the method by one that calls it, and keeps its metadata, as many decorators do. */
const wrapped: MethodDecorator = (_target, _name, descriptor) => {
  const method = descriptor.value as object as (...args: unknown[]) => unknown;
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    return method.apply(this, args);
  };
  for (const key of Reflect.getMetadataKeys(method) as unknown[])
    Reflect.defineMetadata(key, Reflect.getMetadata(key, method), wrapper);
  return { ...descriptor, value: wrapper } as never;
};

type Way = 'directly' | 'through Nest';

interface Case {
  readonly handlers?: Type;
  readonly providers?: readonly Provider[];
  readonly consume?: ConsumeOptions;
  /** How the server gets its handlers; connected by a hybrid application that inherits, if it is left out. */
  readonly connect?: (app: INestApplication) => Promise<unknown> | INestMicroservice;
  readonly isPure?: boolean;
  readonly configure?: (app: INestApplication | INestMicroservice) => unknown;
}

function hybrid(app: INestApplication, options = {}): INestMicroservice {
  return app.connectMicroservice({ strategy: app.get(AggregateServer) }, options);
}

/** What starts may end with an error: nothing listens at the address of its server. */
function started(start: () => Promise<unknown>): Promise<unknown> {
  return start().catch(() => undefined);
}

const usePipe = (app: INestApplication | INestMicroservice): unknown => app.useGlobalPipes(new AsItIs());
const on = (decorator: MethodDecorator & ClassDecorator): Readonly<Record<string, Type>> => ({
  'the method': controller({ onMethod: [decorator] }),
  'the class': controller({ onClass: [decorator] }),
});
const onBoth = (name: string, decorator: MethodDecorator & ClassDecorator): [string, Way, Case][] =>
  Object.entries(on(decorator)).map(([where, handlers]) => [
    `a ${name} on ${where}`,
    'directly',
    { handlers },
  ]);
const ofApp = (name: string, provide: string, useClass: Type): [string, Way, Case][] => [
  [`${name} of a hybrid`, 'through Nest', { providers: [{ provide, useClass }] }],
  [`${name} of a microservice`, 'directly', { providers: [{ provide, useClass }], isPure: true }],
];
const perEvent = (name: string, decorator: MethodDecorator & ClassDecorator): [string, Way, Case] => [
  name,
  'through Nest',
  { handlers: controller({ onMethod: [decorator] }), providers: [OfRequest] },
];
const withParameters = (...parameters: Parameter[]): Case => ({ handlers: controller({ parameters }) });

/** What is asked, what must be found, and how to make it. */
export const WAYS: readonly (readonly [name: string, expected: Way, made: Case])[] = [
  ['the usual parameters', 'directly', {}],
  ['no parameter decorators', 'directly', withParameters()],
  ['@AggregateId()', 'directly', withParameters([Payload(), 0], [AggregateId(), 1])],
  ['@Ctx() alone', 'directly', withParameters([Ctx(), 1])],
  ['@Payload("x")', 'directly', withParameters([Payload('x'), 0])],
  ['@Payload(pipe)', 'directly', withParameters([Payload(new AsItIs()), 0])],
  ['a parameter decorator of its own', 'directly', withParameters([Payload(), 0], [Custom(), 1])],
  ...onBoth('guard', UseGuards(Guard)),
  ...onBoth('pipe', UsePipes(new AsItIs())),
  ...onBoth('interceptor', UseInterceptors(passOn)),
  ...onBoth('filter', UseFilters(new Rethrow())),
  ...ofApp('APP_GUARD', APP_GUARD, Guard),
  ...ofApp('APP_PIPE', APP_PIPE, AsItIs),
  ...ofApp('APP_INTERCEPTOR', APP_INTERCEPTOR, PassOn),
  ...ofApp('APP_FILTER', APP_FILTER, Rethrow),
  [
    'APP_GUARD per request',
    'through Nest',
    { providers: [{ provide: APP_GUARD, useClass: GuardOfRequest }], isPure: true },
  ],
  perEvent('a guard per request', UseGuards(GuardOfRequest)),
  perEvent('a transient guard', UseGuards(TransientGuard)),
  perEvent('an interceptor with a dependency per request', UseInterceptors(PassOnOfRequest)),
  perEvent('a guard whose method is static', UseGuards(StaticGuard)),
  [
    'a dependency per request',
    'through Nest',
    { handlers: controller({ injects: [OfRequest] }), providers: [OfRequest] },
  ],
  ['a decorator that wraps the method', 'through Nest', { handlers: controller({ onMethod: [wrapped] }) }],
  ['directCalls "never"', 'through Nest', { consume: { directCalls: 'never' } }],
  ['useGlobalPipes, inherited (careful)', 'through Nest', { configure: usePipe }],
  [
    'useGlobalPipes, not inherited (careful)',
    'through Nest',
    { configure: usePipe, connect: (app) => hybrid(app) },
  ],
  ['nothing global, not inherited', 'directly', { connect: (app) => hybrid(app) }],
  [
    'useGlobalPipes after connecting, which Nest ignores, too',
    'directly',
    {
      connect: (app) => {
        const microservice = hybrid(app, { inheritAppConfig: true });
        usePipe(app);
        return microservice;
      },
    },
  ],
  [
    'a deferred hybrid with a pipe of its own',
    'through Nest',
    {
      connect: (app) => {
        usePipe(hybrid(app, { deferInitialization: true }));
        return started(() => app.startAllMicroservices());
      },
    },
  ],
  [
    'a deferred hybrid that starts in a later turn',
    'through Nest',
    {
      connect: async (app) => {
        usePipe(hybrid(app, { deferInitialization: true }));
        await new Promise((resolve) => setImmediate(resolve));
        await started(() => app.startAllMicroservices());
      },
    },
  ],
  [
    'a hybrid that is connected when it has been initialized',
    'directly',
    { connect: (app) => started(() => app.init()).then(() => hybrid(app)) },
  ],
  [
    'a deferred hybrid with nothing global (careful)',
    'through Nest',
    {
      connect: (app) => {
        hybrid(app, { deferInitialization: true });
        return started(() => app.startAllMicroservices());
      },
    },
  ],
  ['a microservice', 'directly', { isPure: true }],
  ['a microservice with a global pipe', 'directly', { isPure: true, configure: usePipe }],
];

/** The ways that the handlers of a case go, as they are logged. */
export async function wayOf({
  handlers = controller(),
  providers = [],
  consume = {},
  ...made
}: Case): Promise<string> {
  const lines: string[] = [];
  const skip = (): void => undefined;
  const debug = (text: unknown): void => void lines.push(String(text));
  const logger: LoggerService = { log: skip, warn: skip, error: skip, debug };

  @Module({
    imports: [
      AggregateTransportModule.forRoot({
        servers: '127.0.0.1:1',
        connection: { maxReconnectAttempts: 0, timeout: 1_000 },
        group: 'ways',
        topics: { t: { consume } },
      }),
    ],
    controllers: [handlers],
    providers: [...providers],
  })
  class WaysModule {}

  const { isPure = false, configure, connect = (app) => hybrid(app, { inheritAppConfig: true }) } = made;
  if (isPure) {
    const app = await NestFactory.createMicroservice(WaysModule, {
      inject: [AggregateServer],
      useFactory: (strategy: AggregateServer) => ({ strategy }),
      logger,
      abortOnError: false,
    });
    configure?.(app);
    await started(() => app.listen());
    await started(() => app.close());
  } else {
    const app = await NestFactory.create(WaysModule, { logger, abortOnError: false });
    configure?.(app);
    await connect(app);
    await started(() => app.close());
  }
  const found = lines.flatMap(
    (line) => /of topic "t" is called (directly|through Nest): \S/.exec(line) ?? [],
  );
  return found.filter((_part, index) => index % 2 === 1).join(' and ');
}

/** Throws unless each handler goes the way it must. */
export async function runWays(): Promise<string> {
  for (const [name, expected, made] of WAYS) {
    const found = await wayOf(made);
    if (found !== expected) throw new Error(`${name}: expected to be called ${expected}, found "${found}"`);
  }
  return `${WAYS.length} handlers go their way`;
}
