import type {
  ArgumentMetadata,
  CanActivate,
  ExceptionFilter,
  NestInterceptor,
  PipeTransform,
} from '@nestjs/common';
import { ApplicationConfig } from '@nestjs/core';
import type { AggregateContext } from '../handling/aggregate.context.js';
import { aggregateIdOfHost } from '../handling/aggregate-handler.decorator.js';
import { hiddenValueOf, isHiddenContext, isOfTrace } from '../handling/attempt-trace.js';
import type { ErrorWitness } from '../handling/error-witness.js';
import {
  type Injectables,
  instancesOf,
  type Kind,
  KINDS,
  type Listed,
  NotStaticError,
} from './enhancer-lists.js';
import { type BoundFilter, ExceptionFilters } from './exception-filters.js';
import type { PipelineArgs } from './execution-host.js';
import { type HandlerCall, hostOf } from './handler-call.js';
import { OwnPipeline } from './own-pipeline.js';
import { Parameters, pipeAtOnce, type PipedParameter, pipeInTurn } from './parameters.js';

/** What Nest knows of a handler. */
export interface HandlerSource extends HandlerCall {
  readonly metatype: object;
  readonly name: string;
  readonly injectables: Injectables;
  readonly witness: ErrorWitness;
  /** Those of the application. */
  readonly globals: Readonly<Record<Kind, readonly Listed[]>>;
}

/** Nest's metadata of one decorated parameter. */
interface Parameter {
  readonly index: number;
  readonly data?: unknown;
  readonly pipes?: readonly Listed[];
  readonly schema?: unknown;
  readonly factory?: (data: unknown, host: ReturnType<typeof hostOf>) => unknown;
}

/** Nest's metadata of parameters on the class, per method, and their keys: `<kind>:<index>`. */
const PARAMETERS = '__routeArguments__';
const PAYLOAD = '3';
const CONTEXT = '6';
const CUSTOM = '__customRouteArgs__';
/** By the version of Nest: pre-request hooks came with 12. */
const RUN_PIPES = 'getGlobalPreRequestHooks' in ApplicationConfig.prototype ? pipeAtOnce : pipeInTurn;
/** Of a `Catch` decorator. */
const CAUGHT = '__filterCatchExceptions__';

/** The pipeline of a handler, with the enhancers of its events; why only Nest can make it, if so. */
export function makePipeline(source: HandlerSource): OwnPipeline | string {
  try {
    const pipes = enhancersOf<PipeTransform>('pipe', source);
    return new OwnPipeline({
      handler: source,
      guards: enhancersOf<CanActivate>('guard', source),
      interceptors: enhancersOf<NestInterceptor>('interceptor', source),
      parameters: new Parameters(parametersOf(source, pipes), RUN_PIPES),
      // Nest asks the one that is nearest to the method first.
      filters: new ExceptionFilters(enhancersOf<ExceptionFilter>('filter', source).reverse().map(bind)),
    });
  } catch (error) {
    if (error instanceof NotStaticError) return error.message;
    throw error;
  }
}

/** True if an enhancer stands before the handler, besides what we have put there ourselves. */
export function hasEnhancers(source: HandlerSource): boolean {
  const kinds = Object.keys(KINDS) as Kind[];
  return kinds.some((kind) => listedOf(kind, source).some((one) => !isOfTrace(one, source.witness)));
}

function listedOf(kind: Kind, { metatype, method, globals }: HandlerSource): Listed[] {
  const { metadata } = KINDS[kind];
  const own = [metatype, method].flatMap((at) => (Reflect.getMetadata(metadata, at) ?? []) as Listed[]);
  return [...globals[kind], ...own];
}

function enhancersOf<T extends object>(kind: Kind, source: HandlerSource): T[] {
  return instancesOf<T>(kind, listedOf(kind, source), source.injectables, source.witness);
}

function bind(filter: ExceptionFilter): BoundFilter {
  const types: unknown =
    Reflect.getMetadata(CAUGHT, Object.getPrototypeOf(filter) as object) ??
    Reflect.getMetadata(CAUGHT, filter.constructor) ??
    [];
  return { catch: filter.catch.bind(filter), types: types as BoundFilter['types'] };
}

function parametersOf(source: HandlerSource, pipes: readonly PipeTransform[]): PipedParameter[] {
  const { instance, metatype, name, injectables, witness } = source;
  const declared = (Reflect.getMetadata(PARAMETERS, metatype, name) ?? {}) as Record<string, Parameter>;
  const types = Reflect.getMetadata('design:paramtypes', instance, name) as unknown[] | undefined;
  return Object.entries(declared).map(([key, parameter]): PipedParameter => {
    const { index, data, schema, factory } = parameter;
    const [kind = ''] = key.split(':');
    const own = instancesOf<PipeTransform>('pipe', parameter.pipes ?? [], injectables, witness);
    return {
      index,
      extract: extractOf(kind, parameter, source),
      isForeign: kind.includes(CUSTOM) && !isHiddenContext(factory) && factory !== aggregateIdOfHost,
      pipes: [...pipes, ...own],
      // As from Nest 12, undefined entries included; Nest 11 knows no schemas.
      metadata: {
        metatype: types?.[index],
        type: kind === PAYLOAD ? 'body' : 'custom',
        data,
        schema,
      } as ArgumentMetadata,
    };
  });
}

function extractOf(
  kind: string,
  { data, factory }: Parameter,
  source: HandlerSource,
): PipedParameter['extract'] {
  if (kind === PAYLOAD) {
    // As Nest: an empty name stands for the whole.
    if (!data) return ([payload]) => payload;
    return ([payload]) => (payload as Record<string, unknown> | null | undefined)?.[data as string];
  }
  if (kind === CONTEXT) return ([, context]) => context;
  if (!kind.includes(CUSTOM)) throw new NotStaticError(`Nest fills its parameters of kind ${kind}`);
  if (isHiddenContext(factory)) return ([, context]) => hiddenValueOf(context as AggregateContext);
  if (factory === aggregateIdOfHost) return ([, context]) => (context as AggregateContext).aggregateId;
  if (typeof factory !== 'function') return () => null;
  // A list of its own, as from Nest: what is written into it stays there.
  return ([payload, context]: PipelineArgs) => factory(data, hostOf(source, [payload, context]));
}
