import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import { stackOf } from '../../errors.js';
import type { Kind, Listed } from '../pipeline/enhancer-lists.js';

/** A hybrid application registers handlers within this call, unless it defers the initialization. */
const CONNECTS = /\bNestApplication\.connectMicroservice\b/;
const STACK_DEPTH = 100;

/** By kind, in the order in which they run. */
export type Globals = Readonly<Record<Kind, readonly Listed[]>>;

/**
 * What of the application stands in the pipeline of every handler that is being registered.
 *
 * A hybrid application that does not inherit gives its microservice an empty configuration of its own. Only if it also
 * defers the initialization can that one be filled, and it cannot be reached. Whether it does, the stack alone tells:
 * Nest 11 may register the handlers of a deferred one in the same turn. A stack that cannot be read counts as deferred.
 * Whether it inherits, nothing tells.
 */
@Injectable()
export class GlobalEnhancers {
  constructor(
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
  ) {}

  /** What stands there, or why that cannot be told before the first event. */
  find(): Globals | string {
    const { config } = this;
    const globals = {
      guard: config.getGlobalGuards(),
      interceptor: config.getGlobalInterceptors(),
      pipe: config.getGlobalPipes(),
      filter: config.getGlobalFilters(),
    };
    const kind = perRequestOf(config).find(([, list]) => list.length > 0)?.[0];
    if (kind !== undefined) return `the application has a global ${kind}`;
    // Only an application with an HTTP adapter can be a hybrid one.
    const { httpAdapter } = this.http as { httpAdapter?: object | null };
    if (httpAdapter === undefined || httpAdapter === null) return globals;
    const [first] = Object.entries(globals).find(([, list]) => list.length > 0) ?? [];
    if (first !== undefined)
      return `the application has a global ${first}, which its microservice may not inherit`;
    return CONNECTS.test(stack())
      ? globals
      : 'its microservice defers initialization, and may have global enhancers of its own';
  }
}

/** The calls that have led here. */
function stack(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = STACK_DEPTH;
  const text = stackOf(new Error());
  Error.stackTraceLimit = stackTraceLimit;
  return text ?? '';
}

/** What is made for each event, or may do anything with it. */
function perRequestOf(config: ApplicationConfig): [string, readonly unknown[]][] {
  // Of Nest 12.
  const { getGlobalPreRequestHooks } = config as { getGlobalPreRequestHooks?: () => unknown[] };
  return [
    ['guard for each request', config.getGlobalRequestGuards()],
    ['interceptor for each request', config.getGlobalRequestInterceptors()],
    ['pipe for each request', config.getGlobalRequestPipes()],
    ['filter for each request', config.getGlobalRequestFilters()],
    ['pre-request hook', getGlobalPreRequestHooks?.call(config) ?? []],
  ];
}
